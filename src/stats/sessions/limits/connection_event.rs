//! When connections began and ended.
use crate::stats::sessions::reading::SessionEntry;
use crate::time::UnixNs;

/// The beginning or end of a connection, at its time among all events of a second.
pub struct ConnectionEvent {
    pub at_ns: UnixNs,
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
        let at_ns = |us: u32| UnixNs::of_second(second).saturating_add_ns(u64::from(us) * 1000);
        let (began, ended) = (it.session.began_us(), it.session.ended_us());
        if let Some(us) = began {
            let kind = if began == ended {
                ConnectionChange::BeginAndEnd
            } else {
                ConnectionChange::Begin
            };
            events.push(ConnectionEvent { at_ns: at_ns(us), kind, entry });
        }
        if let Some(us) = ended.filter(|_| began != ended) {
            events.push(ConnectionEvent { at_ns: at_ns(us), kind: ConnectionChange::End, entry });
        }
    }
    events.sort_by(|one, other| (one.at_ns, &one.kind).cmp(&(other.at_ns, &other.kind)));
    events
}
