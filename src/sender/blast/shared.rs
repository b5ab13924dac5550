//! Octets that all threads read, with a separate reference count for each thread.
use std::sync::Arc;

use bytes::Bytes;

struct Owner(Arc<Vec<u8>>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Returns a reference whose clones share a count with each other, and with no other reference.
pub fn reference(octets: &Arc<Vec<u8>>) -> Bytes {
    Bytes::from_owner(Owner(octets.clone()))
}
