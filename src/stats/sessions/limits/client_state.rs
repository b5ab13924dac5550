//! What was read of a client so far.
use super::client_limits::ClientLimits;
use crate::stats::sessions::open::OpenConnections;
use crate::stats::sessions::reading::SessionEntry;
use crate::stats::sessions::spread::{Distribution, ValueCounts};
use crate::stats::sessions::windows::SlidingWindows;
use crate::time::UnixNs;

/// What was read of one client, or of all clients together.
pub struct ClientState {
    /// The counts; distributions are added at the end.
    pub counts: ClientLimits,
    pub open: OpenConnections,
    pub per_connection: ValueCounts,
    messages_in: SlidingWindows,
    opened_in: SlidingWindows,
}

impl ClientState {
    pub fn new(windows: usize) -> ClientState {
        ClientState {
            counts: ClientLimits::default(),
            open: OpenConnections::default(),
            per_connection: ValueCounts::default(),
            messages_in: SlidingWindows::new(windows),
            opened_in: SlidingWindows::new(windows),
        }
    }

    /// Returns the state of the client at the beginning of the span: only its open connections
    /// count.
    pub fn open_from(&self, at_ns: UnixNs, windows: usize) -> ClientState {
        let mut client = ClientState::new(windows);
        client.open = self.open.clone();
        client.open.forget(at_ns);
        client.counts.connections = client.open.now();
        client.counts.began_before = client.open.now();
        client
    }

    pub fn is_seen(&self) -> bool {
        self.counts.connections > 0 || self.counts.messages > 0
    }

    pub fn add(&mut self, windows_s: &[u64], second: u64, entry: &SessionEntry) {
        let (session, counts) = (&entry.session, &mut self.counts);
        counts.messages += u64::from(session.messages);
        counts.recipients += u64::from(session.recipients);
        counts.recipients_max = counts.recipients_max.max(u64::from(session.recipients_max));
        counts.refused += u64::from(session.refused);
        if session.messages > 0 {
            self.messages_in.add(windows_s, second, u64::from(session.messages));
        }
        if session.began_us().is_some() {
            self.opened_in.add(windows_s, second, 1);
        }
    }

    pub fn record_end(&mut self, messages: u64) {
        self.counts.without_message += u64::from(messages == 0);
        self.per_connection.add(messages, 1);
    }

    pub fn figures(mut self, end_ns: UnixNs) -> ClientLimits {
        self.open.pass(end_ns);
        let (peak, peak_at_ns) = self.open.peak();
        let spreads =
            |windows: SlidingWindows| windows.end().iter().map(ValueCounts::spread).collect();
        ClientLimits {
            // A peak that lasted less than a microsecond has no weight, but it did occur.
            open_at_once: Distribution { max: peak, ..self.open.over_time().spread() },
            peak_at_ns: (peak > 0).then_some(peak_at_ns),
            messages_per_connection: self.per_connection.spread(),
            messages_per_window: spreads(self.messages_in),
            opened_per_window: spreads(self.opened_in),
            ..self.counts
        }
    }
}
