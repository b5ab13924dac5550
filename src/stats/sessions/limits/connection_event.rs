//! When connections began and ended.
use crate::stats::sessions::reading::SessionEntry;

/// Returns the beginning of a second, in µs.
pub fn micros(second: u64) -> u64 {
    second.saturating_mul(1_000_000)
}

/// The beginning or end of a connection, at its time among all events of a second.
pub struct ConnectionEvent {
    pub at_us: u64,
    pub kind: ConnectionChange,
    pub entry: usize,
}

/// In the order in which events of one moment count: if a client closes a connection and opens
/// another, it does not have two at once.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionChange {
    End,
    /// The connection began and ended in one round of the loop, so it is unknown which others were
    /// open then.
    BeginAndEnd,
    Begin,
}

/// Returns the beginnings and ends of connections in a second, in order.
pub fn events(second: u64, entries: &[SessionEntry]) -> Vec<ConnectionEvent> {
    let mut events = Vec::new();
    for (entry, it) in entries.iter().enumerate() {
        let at_us = |us: u32| micros(second) + u64::from(us);
        let (began, ended) = (it.session.began_us(), it.session.ended_us());
        if let Some(us) = began {
            let kind = if began == ended {
                ConnectionChange::BeginAndEnd
            } else {
                ConnectionChange::Begin
            };
            events.push(ConnectionEvent { at_us: at_us(us), kind, entry });
        }
        if let Some(us) = ended.filter(|_| began != ended) {
            events.push(ConnectionEvent { at_us: at_us(us), kind: ConnectionChange::End, entry });
        }
    }
    events.sort_by(|one, other| (one.at_us, &one.kind).cmp(&(other.at_us, &other.kind)));
    events
}
