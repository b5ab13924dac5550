//! How messages and keys are named in an answer.
use super::super::words::{readable, rfc3339};
use super::delivery::Delivery;
use super::offender::NamedCopy;

/// Messages of one offender that are named.
pub const NAMED_MAX: usize = 10;

/// Names of the folders, where there are several.
#[derive(Debug, Clone, Default)]
pub struct FolderNames(pub Vec<Option<String>>);

impl FolderNames {
    /// A message as it is named.
    pub fn copy(&self, delivery: &Delivery) -> NamedCopy {
        NamedCopy {
            folder: self.0.get(usize::from(delivery.source)).cloned().flatten(),
            id: delivery.id.to_string(),
            received_at: rfc3339(delivery.received_at_ns),
        }
    }
}

/// A key as text: a number has no text.
pub fn key_text(order: u64, key: &[u8]) -> String {
    if key.is_empty() { order.to_string() } else { readable(key) }
}
