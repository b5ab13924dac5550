//! A commit that continues without its connection.
use crate::log::PendingCommit;
use crate::stats::SessionKey;

use super::sampling::Draw;

/// A commit whose connection has gone.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub pending: PendingCommit,
    /// The time in its slot, Unix ns.
    pub received_ns: u64,
    pub session: SessionKey,
    /// The index of its listener.
    pub listener: usize,
    /// Size of the message.
    pub bytes: u64,
    pub recipients: u32,
    /// The sampling that the message takes part in.
    pub draw: Option<Draw>,
}
