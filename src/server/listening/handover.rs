//! Connections on their way from the worker that accepted them to the one that serves them.
use std::net::IpAddr;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use mio::{Poll, Token, Waker};

use super::stream::Stream;
use crate::smtp::envelope::Client;

/// Sockets handed over and not yet taken; when full, a worker keeps what it accepted.
const HANDOVER_MAX: usize = 1024;

/// The waker of every worker's loop.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// A connection that was accepted and has no place yet.
pub(crate) struct Arrival {
    pub socket: Stream,
    pub client: Client,
    /// Which listener it came from.
    pub listener: usize,
    /// It counts among the connections of its client's address.
    pub is_counted: bool,
}

impl Arrival {
    /// The address among whose connections it counts.
    pub fn counted_by(&self) -> Option<IpAddr> {
        self.client.ip().filter(|_| self.is_counted)
    }
}

/// The channels between workers.
pub(crate) struct Handover {
    pub inboxes: Vec<Inbox>,
    pub senders: Vec<ArrivalSender>,
    pub wakers: Vec<Arc<Waker>>,
}

/// The receiving end of a worker.
pub(crate) struct Inbox {
    pub poll: Poll,
    pub arrivals: Receiver<Arrival>,
}

/// The sending end towards a worker.
#[derive(Clone)]
pub(crate) struct ArrivalSender {
    arrivals: Sender<Arrival>,
    waker: Arc<Waker>,
}

impl Handover {
    pub fn new(workers: usize) -> std::io::Result<Handover> {
        let mut handover =
            Handover { inboxes: Vec::new(), senders: Vec::new(), wakers: Vec::new() };
        for _ in 0..workers {
            let poll = Poll::new()?;
            let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
            let (sender, receiver) = crossbeam_channel::bounded(HANDOVER_MAX);
            handover.inboxes.push(Inbox { poll, arrivals: receiver });
            handover.senders.push(ArrivalSender { arrivals: sender, waker: waker.clone() });
            handover.wakers.push(waker);
        }
        Ok(handover)
    }
}

impl ArrivalSender {
    /// Hands `arrival` over. Gives it back if the queue is full, or the worker has ended.
    pub fn pass(&self, arrival: Arrival) -> Result<(), Arrival> {
        self.arrivals.try_send(arrival).map_err(|error| error.into_inner())?;
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a worker could not be woken");
        }
        Ok(())
    }
}
