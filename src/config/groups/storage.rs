//! How much of a message is stored, and how.
use crate::config::storage::{StoreMode, StoreRule};
use crate::log;

/// How much of a message is stored, how safely, and for how long.
#[derive(Debug, Clone)]
pub struct StorageSettings {
    /// How much of a message is stored if no rule matches its recipient.
    pub mode: StoreMode,
    /// Rules for recipient domains, in the order given; at most one per domain.
    pub rules: Vec<StoreRule>,
    /// Which failures a message acknowledged with 250 survives.
    pub durability: log::Durability,
    /// Which mail is dropped, and when.
    pub retention: log::Retention,
    /// Size to which segments grow: a multiple of 4096.
    pub segment_bytes: u64,
    /// Maximum number of dedicated segments in progress, per worker.
    pub dedicated_segments_max: usize,
}

impl Default for StorageSettings {
    fn default() -> StorageSettings {
        StorageSettings {
            mode: StoreMode::Full,
            rules: Vec::new(),
            durability: log::Durability::Process,
            retention: log::Retention::default(),
            segment_bytes: 64 << 20,
            dedicated_segments_max: 16,
        }
    }
}
