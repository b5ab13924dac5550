//! Requests to provisioning.
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::dedicated::{DedicatedCommit, DedicatedEvent};
use super::gate::Gate;
use super::segment::{PreparedSegment, RetiredSegment};
use super::window::DedicatedWindow;
use crate::log::files::map::WriteAccess;

/// Capacity of the request channel. A worker sends few requests per segment, and keeps those that
/// don't fit.
pub(crate) const REQUESTS_MAX: usize = 1024;

/// A request to the provisioning thread.
#[derive(Debug)]
pub(crate) enum ProvisionRequest {
    /// Register a new worker; the answer is its first segment.
    Open(NewWorker),
    /// Check this worker's atomics.
    Serve { worker: u32 },
    /// Seal a segment that the worker has left.
    Seal(Box<RetiredSegment>),
    /// Create the file of a dedicated segment.
    DedicatedOpen { worker: u32, dedicated: NewDedicated },
    /// Cut the file to its length, and give it its final name.
    DedicatedCommit { worker: u32, commit: DedicatedCommit },
    /// Drop the file: the transfer ended early.
    DedicatedDrop { worker: u32, key: u64, access: Option<WriteAccess> },
    /// The outcome of flushing a dedicated segment.
    DedicatedFlushed { number: u32, outcome: DedicatedFlushed },
    /// Unregister a worker that has stopped.
    Closed { worker: u32 },
    /// End the thread, because the log is being closed.
    Stop,
}

/// The outcome of flushing a dedicated segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DedicatedFlushed {
    /// The flush succeeded, and the file has its final name. It can be dropped later.
    Named,
    /// The flush failed, and the file was deleted.
    Gone,
}

/// A new worker that needs segments.
#[derive(Debug)]
pub(crate) struct NewWorker {
    pub worker: u32,
    pub gate: Arc<Gate>,
    /// Receives its further segments.
    pub next: Sender<PreparedSegment>,
    /// Receives its first segment.
    pub answer: Sender<OpenedSegment>,
}

/// The answer to `Open`.
pub(crate) type OpenedSegment = std::io::Result<Box<PreparedSegment>>;

/// A dedicated segment to be created.
#[derive(Debug)]
pub(crate) struct NewDedicated {
    /// Identifies the segment in messages between worker and provisioning.
    pub key: u64,
    pub window: Arc<DedicatedWindow>,
    pub events: Sender<DedicatedEvent>,
    pub envelope_bytes: u64,
}
