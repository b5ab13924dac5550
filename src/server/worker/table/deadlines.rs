//! Deadlines: timeouts, transfers that waited too long for room, and stalled transfers.
use std::time::Duration;

use crate::smtp::session::Farewell;
use crate::time::MonotonicMs;

use super::{Interests, LINGER_TIME, Table};
use crate::server::connection::Flow;
use crate::server::settings::times::Times;
use crate::server::turn::PREAMBLE_TIME;
use crate::server::worker::place::{ConnKey, TablePlace};

/// A transfer without input for this long may be closed if others need its buffer.
const STALL_TIME: Duration = Duration::from_secs(1);
/// Limit on the stalled transfers closed per round.
const STALLED_CLOSED_MAX: usize = 64;

impl<I: Interests> Table<I> {
    /// Handles all deadlines that have passed.
    pub(super) fn run_timers(&mut self) {
        let now_ms = self.now_ms();
        let mut due = Vec::new();
        self.wheel.turn(now_ms, &mut due);
        for key in due {
            self.check_deadline(key, now_ms);
        }
        if !self.parked.is_empty() {
            self.refuse_parked(now_ms);
        }
    }

    fn check_deadline(&mut self, key: ConnKey, now_ms: MonotonicMs) {
        let Times { command, data, .. } = self.settings.get().times;
        let Some(conn) = self.connections.of(key) else { return };
        let deadline_ms = match conn.flow {
            Flow::Lingering { since_ms } => since_ms.saturating_add(LINGER_TIME),
            Flow::Preamble => conn.times.opened_us.ms().saturating_add(PREAMBLE_TIME),
            _ if conn.is_transferring() => conn.times.last_active_ms.saturating_add(data),
            _ => conn.times.last_active_ms.saturating_add(command),
        };
        if now_ms < deadline_ms {
            // The next check precedes any deadline that may begin meanwhile.
            let check_ms = now_ms.saturating_add(command.min(data));
            return self.wheel.insert(key, deadline_ms.min(check_ms));
        }
        if matches!(conn.flow, Flow::Lingering { .. } | Flow::Closing) {
            return self.close(key.place);
        }
        if matches!(conn.flow, Flow::Preamble) {
            let peer = conn.client;
            let why = format!("no header came within {} s", PREAMBLE_TIME.as_secs());
            self.state.refuse_as_proxy(peer, &why);
            return self.close(key.place);
        }
        self.dismiss(key.place, Farewell::Timeout);
        self.wheel.insert(key, now_ms.saturating_add(LINGER_TIME));
    }

    pub(super) fn dismiss(&mut self, place: TablePlace, why: Farewell) {
        let Some(conn) = self.connections.at_mut(place) else { return };
        let turn = self.state.dismiss(conn, why);
        self.after_turn(place, turn);
    }

    /// Refuses transfers that waited too long for room in the log. The rest of their payload is
    /// discarded.
    fn refuse_parked(&mut self, now_ms: MonotonicMs) {
        let storage = self.settings.get().times.storage;
        for key in std::mem::take(&mut self.parked) {
            let Some(conn) = self.connections.of(key).filter(|conn| conn.waits.is_for_log()) else {
                continue;
            };
            let parked_ms = conn.waits.log_since_ms().unwrap_or(now_ms);
            let since_ms = parked_ms.max(conn.times.last_active_ms);
            // A commit in progress ends in any case.
            if now_ms < since_ms.saturating_add(storage) || conn.is_committing() {
                self.parked.push(key);
                continue;
            }
            self.retry(key);
            if let Some(conn) = self.connections.at_mut(key.place) {
                self.state.refuse_parked(conn);
            }
        }
    }

    /// Closes the transfers that stalled longest, to free buffers: the budget is used up.
    #[cold]
    pub(super) fn close_stalled(&mut self) {
        let now_ms = self.now_ms();
        let mut stalled: Vec<(MonotonicMs, TablePlace)> = self
            .connections
            .iter()
            .filter_map(|(key, conn)| {
                // Connections that wait for storage, or for their turn, wait for us.
                let waits_for_us = conn.waits.is_for_log() || conn.waits.is_for_turn();
                let active_ms = conn.times.last_active_ms;
                (conn.holds_buffers() && !waits_for_us && now_ms.since(active_ms) >= STALL_TIME)
                    .then_some((active_ms, key.place))
            })
            .collect();
        stalled.sort_unstable();
        for (_, place) in stalled.into_iter().take(STALLED_CLOSED_MAX) {
            self.dismiss(place, Farewell::OutOfBuffers);
        }
    }
}
