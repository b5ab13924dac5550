//! Requests to provisioning.
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::gate::Gate;
use super::own::{OwnCommit, OwnEvent};
use super::segment::{LeftSegment, PreparedSegment};
use super::window::OwnWindow;
use crate::log::files::map::WriteAccess;

/// Requests that may wait. A worker sends few per segment; what finds no room waits with it.
pub(crate) const REQUESTS_MAX: usize = 1024;

/// A request to the provisioning thread.
#[derive(Debug)]
pub(crate) enum Request {
    /// A new worker; the answer is its first segment.
    Open(NewWorker),
    /// Look at this worker's words.
    Attend { worker: u32 },
    /// The worker has left this segment.
    Seal(Box<LeftSegment>),
    /// Make the file of an own segment.
    OwnOpen { worker: u32, own: NewOwn },
    /// Cut the file to its length, and rename it to its final name.
    OwnCommit { worker: u32, commit: OwnCommit },
    /// The transfer ended early.
    OwnDrop { worker: u32, key: u64, access: Option<WriteAccess> },
    /// The flusher is done with an own segment.
    OwnFlushed { number: u32, outcome: OwnFlushed },
    /// The worker has stopped.
    Closed { worker: u32 },
    /// The log is being closed.
    Stop,
}

/// The outcome of flushing an own segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnFlushed {
    /// The segment's file has its final name, and may be dropped later.
    Named,
    /// The flush of the segment failed, and the file is gone.
    Gone,
}

/// A worker that wants segments.
#[derive(Debug)]
pub(crate) struct NewWorker {
    pub worker: u32,
    pub gate: Arc<Gate>,
    /// Where its further segments go.
    pub next: Sender<PreparedSegment>,
    /// Where its first segment goes.
    pub answer: Sender<Opened>,
}

/// The answer to `Open`.
pub(crate) type Opened = std::io::Result<Box<PreparedSegment>>;

/// An own segment that is to be made.
#[derive(Debug)]
pub(crate) struct NewOwn {
    /// Names it between worker and provisioning.
    pub key: u64,
    pub window: Arc<OwnWindow>,
    pub events: Sender<OwnEvent>,
    pub envelope_bytes: u64,
}
