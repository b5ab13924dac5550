//! Commits that outlive their connections.
use crate::log::PendingCommit;
use crate::stats::SessionKey;
use crate::time::UnixNs;

use super::sampling::Draw;

/// A pending commit whose connection has closed.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub pending: PendingCommit,
    /// Time of receipt in its slot.
    pub received_at_ns: UnixNs,
    pub session: SessionKey,
    /// The index of its listener.
    pub listener: usize,
    /// Size of the message.
    pub bytes: u64,
    pub recipients: u32,
    /// The sampling decision for the message, if it was sampled.
    pub draw: Option<Draw>,
}
