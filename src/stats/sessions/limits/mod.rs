//! The limits that clients kept to: concurrent connections, and messages per connection and per
//! window of time.
mod client_limits;
mod client_state;
mod connection_event;
mod gathering;
mod open_session;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use super::reading::SessionRecords;
use crate::stats::format::StatsDamage;
use crate::time::{Seconds, UnixNs};
pub use client_limits::ClientLimits;
use gathering::Gathering;

/// The limits that all clients together and each client kept to.
#[derive(Debug)]
pub struct SenderLimits {
    /// The figures of all connections together, as if one client had opened them.
    pub all: ClientLimits,
    /// Clients by address, ordered by concurrent connections, the highest first. `None` stands for
    /// all clients of Unix sockets.
    pub clients: Vec<(Option<IpAddr>, ClientLimits)>,
    /// Parts that could not be read.
    pub damage: Vec<StatsDamage>,
}

impl SenderLimits {
    /// Computes the limits from the records in `folders`, each in its span, for windows of
    /// these lengths. `over_s` is set if a sinkd is running: everything before
    /// this second is recorded.
    ///
    /// Costs 0.3 to 2 µs per connection and second, and the memory of the busiest second, of the
    /// concurrent connections, and of each client's seconds in the longest window (figures are in
    /// docs/stats-format.md). Errors: a file cannot be read.
    pub fn read(
        folders: &[PathBuf],
        spans: &[Seconds],
        windows_s: &[u64],
        over_s: Option<u64>,
    ) -> io::Result<SenderLimits> {
        let begin = spans.iter().map(|span| span.start).min().unwrap_or(0);
        let end = spans.iter().map(|span| span.end).max().unwrap_or(0);
        let mut reading = SessionRecords::open(folders, end)?;
        let mut gathering = Gathering::new(spans, windows_s, reading.ended_starts());
        let mut is_inside = false;
        reading.each_second(|second, entries| {
            if second >= begin && !is_inside {
                is_inside = true;
                gathering.begin(begin);
            }
            gathering.take(second, entries);
        })?;
        if !is_inside {
            gathering.begin(begin);
        }
        // An idle connection leaves no record. One without an end counts as open until the last
        // second that is known to be recorded.
        let recorded = reading.last_second().map_or(begin, |second| second + 1);
        let until = over_s.unwrap_or(0).max(recorded).min(end).max(begin);
        let (all, clients) = gathering.end(UnixNs::of_second(until));
        Ok(SenderLimits { all, clients, damage: reading.damage })
    }
}

#[cfg(test)]
mod tests;
