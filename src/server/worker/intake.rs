//! How a worker gets its connections: from its listeners, and from workers that accepted more than
//! their share. It decides which worker serves a connection, and turns away those that none serves.
use std::sync::Arc;

use super::table::{Interests, Table};
use crate::server::listening::{
    ACCEPTS_PER_ROUND, Acceptor, Acceptors, Accepts, Admission, Arrival, ArrivalReceiver,
    ArrivalSender,
};
use crate::server::recording::Doing;
use crate::server::shutdown::StopStage;
use crate::smtp::session::Farewell;

/// The sources of a worker's connections.
pub(crate) struct Intake<A = Acceptor> {
    /// The worker's index.
    pub worker: usize,
    pub acceptors: Acceptors<A>,
    /// The connections that other workers hand over.
    pub arrivals: ArrivalReceiver,
    /// By index of the worker.
    peers: Vec<ArrivalSender>,
    admission: Arc<Admission>,
    /// Listeners with implicit TLS that are paused because too many handshakes are in progress.
    held_back: Vec<usize>,
}

impl<A: Accepts> Intake<A> {
    pub fn new(
        worker: usize,
        acceptors: Acceptors<A>,
        (arrivals, peers): (ArrivalReceiver, Vec<ArrivalSender>),
        admission: Arc<Admission>,
    ) -> Intake<A> {
        Intake { worker, acceptors, arrivals, peers, admission, held_back: Vec::new() }
    }

    /// Accepts connections from `listener`, as many as it may in one go.
    pub fn accept<I: Interests>(&mut self, table: &mut Table<I>, listener: usize) {
        let now_ms = table.now_ms();
        table.state.counters().doing(Doing::Accepting);
        for _ in 0..ACCEPTS_PER_ROUND {
            if !table.has_room_for_handshake() && table.begins_with_tls(listener) {
                return self.hold_back(listener);
            }
            let Some(arrival) = self.acceptors.next(listener, now_ms) else { return };
            self.admit(table, arrival);
        }
        self.acceptors.has_more(listener);
    }

    /// Accepts from listeners that had more connections than could be accepted in one go. This and
    /// [`Intake::end_round`] run once a round, so they are inlined.
    #[inline(always)]
    pub fn accept_rest<I: Interests>(&mut self, table: &mut Table<I>) {
        for listener in self.acceptors.take_more(table.now_ms()) {
            self.accept(table, listener);
        }
    }

    #[cold]
    fn hold_back(&mut self, listener: usize) {
        if !self.held_back.contains(&listener) {
            self.held_back.push(listener);
        }
    }

    fn admit<I: Interests>(&mut self, table: &mut Table<I>, mut arrival: Arrival) {
        if !table.admit_peer(&arrival) || !table.admit_by_lists(&mut arrival) {
            return;
        }
        match self.admission.enter(table.known_address(&arrival)) {
            Ok(is_counted) => arrival.is_counted = is_counted,
            Err(why) => return table.turn_away(arrival, why),
        }
        let chosen = self.admission.claim(self.worker);
        if chosen == self.worker {
            return table.begin(arrival);
        }
        if let Err(arrival) = self.peers[chosen].pass(arrival) {
            // Its queue is full or closed, so the connection is served here.
            self.admission.move_claim(chosen, self.worker);
            table.begin(arrival);
        }
    }

    /// Takes the connections that other workers have handed over.
    pub fn take_arrivals<I: Interests>(&mut self, table: &mut Table<I>) {
        while let Some(arrival) = self.arrivals.next() {
            if table.stage() == StopStage::Running {
                table.begin(arrival);
                continue;
            }
            // It was accepted by a worker that did not know of the stop yet.
            self.admission.leave(self.worker, arrival.counted_by());
            table.turn_away(arrival, Farewell::Stopping);
        }
    }

    /// Ends a round, after the table has done its part: follows a stop, and accepts again from
    /// listeners that lacked a descriptor or had to wait for room.
    #[inline(always)]
    pub fn end_round<I: Interests>(&mut self, table: &mut Table<I>) {
        self.follow_stop(table);
        if table.interests.take_freed() {
            self.acceptors.resume();
        }
        if !self.held_back.is_empty() && table.has_room_for_handshake() {
            for listener in std::mem::take(&mut self.held_back) {
                self.acceptors.has_more(listener);
            }
        }
    }

    #[inline(always)]
    fn follow_stop<I: Interests>(&mut self, table: &mut Table<I>) {
        if table.begins_to_stop() {
            // Connections waiting in the accept queues get 421.
            self.acceptors.close(table.now_ms(), |arrival| {
                table.turn_away(arrival, Farewell::Stopping);
            });
        }
        if table.stage() != StopStage::Running {
            // Connections that another worker accepted before it knew of the stop.
            self.take_arrivals(table);
            table.continue_stopping();
        }
    }

    /// Returns whether the worker has stopped: no connection is left, here or on its way.
    #[inline(always)]
    pub fn is_done<I: Interests>(&self, table: &Table<I>) -> bool {
        table.is_done() && self.arrivals.is_empty()
    }

    /// Turns away the connections that were handed over before the stop. A worker that has not seen
    /// the stop yet keeps those that it accepts from now on.
    pub fn close<I: Interests>(&mut self, table: &mut Table<I>) {
        self.arrivals.close();
        self.take_arrivals(table);
    }
}
