//! One worker of a simulated sink.
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::queue::{Queue, Shared};
use super::worker_place::WorkerPlace;
use crate::server::listening::{Admission, SocketInterest, Stream};
use crate::server::shutdown::StopStage;
use crate::server::worker::{Intake, Interests, Table, TablePlace};
use crate::smtp::session::Farewell;
use crate::time::MonotonicNs;

/// The events for which a table has registered.
pub(super) struct TableEvents {
    worker: usize,
    admission: Arc<Admission>,
    shared: Rc<Shared>,
    /// By place in the table.
    wanted: Vec<SocketInterest>,
    /// Places whose interest has changed: an edge-triggered kernel reports them again.
    again: Vec<TablePlace>,
    /// The clients that were registered, each with its place.
    placed: Vec<(u64, TablePlace)>,
    /// Number of connections that were registered.
    registered: u64,
    /// Number of connections that have left.
    left: u64,
    has_freed: bool,
}

impl TableEvents {
    pub fn new(worker: usize, admission: Arc<Admission>, shared: Rc<Shared>) -> TableEvents {
        TableEvents {
            worker,
            admission,
            shared,
            wanted: Vec::new(),
            again: Vec::new(),
            placed: Vec::new(),
            registered: 0,
            left: 0,
            has_freed: false,
        }
    }
}

impl Interests for TableEvents {
    fn register(&mut self, socket: &mut Stream, place: TablePlace) -> io::Result<()> {
        if self.wanted.len() <= place.index() {
            self.wanted.resize(place.index() + 1, SocketInterest::Reads);
        }
        self.wanted[place.index()] = SocketInterest::Reads;
        self.placed.push((self.shared.number_of(socket), place));
        self.registered += 1;
        Ok(())
    }

    fn change(&mut self, _: &mut Stream, place: TablePlace, to: SocketInterest) -> io::Result<()> {
        self.wanted[place.index()] = to;
        self.again.push(place);
        Ok(())
    }

    fn count_address(&mut self, address: IpAddr) -> Result<bool, Farewell> {
        self.admission.identify(address)
    }

    fn release_address(&mut self, address: IpAddr) {
        self.admission.release(address);
    }

    fn leave(&mut self, address: Option<IpAddr>) {
        self.admission.leave(self.worker, address);
        self.left += 1;
        self.has_freed = true;
    }

    fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.has_freed)
    }
}

/// A worker without its event loop.
pub(super) struct WorkerByHand {
    pub table: Table<TableEvents>,
    pub intake: Intake<Rc<Queue>>,
    /// Listeners for which the kernel would report an event.
    reported: Vec<usize>,
    /// Whether the log has reported that there may be room.
    woken: Arc<AtomicBool>,
}

impl WorkerByHand {
    pub fn new(
        table: Table<TableEvents>,
        intake: Intake<Rc<Queue>>,
        woken: Arc<AtomicBool>,
    ) -> WorkerByHand {
        WorkerByHand { table, intake, reported: Vec::new(), woken }
    }

    /// Reports that a client waits at `listener`.
    pub fn report(&mut self, listener: usize) {
        self.reported.push(listener);
    }

    pub fn accept_all(&mut self) {
        for listener in std::mem::take(&mut self.reported) {
            self.intake.accept(&mut self.table, listener);
        }
        self.intake.accept_rest(&mut self.table);
    }

    /// Delivers the wake-up of the log or of another worker, if there was one.
    pub fn take_wake(&mut self) -> bool {
        let was_woken = self.woken.swap(false, Ordering::Relaxed);
        if !was_woken && self.intake.arrivals.is_empty() {
            return false;
        }
        self.intake.take_arrivals(&mut self.table);
        self.table.unpark();
        true
    }

    /// Does what follows the events of a round.
    pub fn round(&mut self, shared: &Shared, now_ns: MonotonicNs) {
        self.accept_all();
        self.table.round();
        let sees_stop = self.table.state.stop().stage() > self.table.stage();
        if sees_stop && self.table.stage() == StopStage::Running {
            shared.while_closing(|| self.intake.end_round(&mut self.table))
        } else {
            self.intake.end_round(&mut self.table)
        }
        self.table.end_round(now_ns);
    }

    pub fn is_done(&self) -> bool {
        self.intake.is_done(&self.table)
    }

    pub fn wait_ms(&self) -> Option<u64> {
        let accept_ms = self.intake.acceptors.wait_ms(self.table.now_ms());
        let has_event = !self.reported.is_empty() || !self.intake.arrivals.is_empty();
        let event_ms = has_event.then_some(0);
        [accept_ms, event_ms, self.table.wait_ms()].into_iter().flatten().min()
    }

    pub fn watches_writes(&self, place: TablePlace) -> bool {
        self.table.interests.wanted[place.index()] == SocketInterest::ReadsAndWrites
    }

    /// Takes the clients that were registered since the last call, each with its place.
    pub fn take_placed(&mut self) -> impl Iterator<Item = (u64, WorkerPlace)> {
        let worker = self.intake.worker;
        let placed = std::mem::take(&mut self.table.interests.placed);
        placed.into_iter().map(move |(number, place)| (number, WorkerPlace { worker, place }))
    }

    pub fn take_reported_again(&mut self) -> impl Iterator<Item = WorkerPlace> {
        let worker = self.intake.worker;
        let again = std::mem::take(&mut self.table.interests.again);
        again.into_iter().map(move |place| WorkerPlace { worker, place })
    }

    /// Returns the number of connections that this worker has, or is about to be given.
    pub fn connections(&self) -> usize {
        self.table.open() + self.intake.arrivals.len()
    }

    /// Checks, while no connection is open, that nothing leaked.
    pub fn check_at_rest(&self) {
        let (places, free) = self.table.places();
        assert_eq!(places, free, "every place is free again");
        let events = &self.table.interests;
        assert_eq!(events.left, events.registered, "every connection has left");
        self.table.state.check_nothing_is_lent();
    }

    /// Ends as the worker's thread does: closes its queue, and seals its segments.
    pub fn close(mut self) {
        self.intake.close(&mut self.table);
        self.check_at_rest();
        self.table.state.close();
    }
}
