//! A session that is open, as far as was read.
use std::net::IpAddr;

use crate::time::UnixNs;

use super::client_limits::ClientLimits;
use super::client_state::ClientState;

/// A session that has begun and not ended, as far as was read.
pub struct OpenSession {
    /// Index in the list of clients.
    pub client: usize,
    pub start: u32,
    pub messages: u64,
    /// Whether it counts as a session that began before the span.
    pub began_before: bool,
    /// Whether it counts as a session whose beginning is not recorded.
    pub without_beginning: bool,
}

impl OpenSession {
    /// Adds the session to the counts of a client, or subtracts it, with `by`.
    fn count(&self, counts: &mut ClientLimits, by: fn(u64, u64) -> u64) {
        counts.connections = by(counts.connections, 1);
        counts.began_before = by(counts.began_before, self.began_before.into());
        counts.without_beginning = by(counts.without_beginning, self.without_beginning.into());
    }
}

/// Applies XCLIENT: the connection, on which nothing had been submitted, counts for the named
/// client from its beginning.
pub fn rename(
    clients: &mut [(Option<IpAddr>, ClientState)],
    session: &mut OpenSession,
    to: usize,
    at_ns: UnixNs,
) {
    let before = &mut clients[session.client].1;
    before.open.end(at_ns);
    session.count(&mut before.counts, u64::saturating_sub);
    let now = &mut clients[to].1;
    now.open.begin(at_ns);
    session.count(&mut now.counts, u64::saturating_add);
    session.client = to;
}
