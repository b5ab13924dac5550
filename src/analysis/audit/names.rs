//! How messages and keys are named in an answer.
use super::delivery::Delivery;
use super::offender::NamedCopy;
use crate::analysis::words::rfc3339;
use crate::wording::readable;

/// Maximum number of messages that are named for one offender.
pub const NAMED_MAX: usize = 10;

/// The name of each folder, by its position; `None` if there is only one folder.
#[derive(Debug, Clone, Default)]
pub struct FolderNames(pub Vec<Option<String>>);

impl FolderNames {
    /// Returns the names of a message: folder, id and time.
    pub fn copy(&self, delivery: &Delivery) -> NamedCopy {
        NamedCopy {
            folder: self.0.get(usize::from(delivery.source)).cloned().flatten(),
            id: delivery.id.to_string(),
            received_at: rfc3339(delivery.received_at_ns),
        }
    }
}

/// Returns the key as text: the digits of a number, and other octets escaped as in [`readable`].
pub fn key_text(order: u64, key: &[u8]) -> String {
    if key.is_empty() { order.to_string() } else { readable(key) }
}
