//! The limits that clients kept to: concurrent connections, and messages per connection and per
//! window of time.
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use super::open::OpenConnections;
use super::reading::{SessionEntry, SessionRecords};
use super::spread::{Distribution, ValueCounts};
use super::windows::SlidingWindows;
use crate::stats::damage::StatsDamage;
use crate::time::Seconds;

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

/// The limits that one client kept to. docs/stats-format.md defines each figure.
#[derive(Debug, Clone, Default)]
pub struct ClientLimits {
    /// Connections that were open at any time in the span.
    pub connections: u64,
    /// Connections that were already open when the span began.
    pub began_before: u64,
    /// Connections whose beginning is not recorded; they count from their first recorded event.
    pub without_beginning: u64,
    /// Connections open at the end of the span, or of the records.
    pub open_at_end: u64,
    /// Connections that were open when sinkd was killed.
    pub cut_off: u64,
    /// Connections that ended without an accepted message.
    pub without_message: u64,
    /// Messages accepted in the span.
    pub messages: u64,
    /// Forward-paths of the accepted messages.
    pub recipients: u64,
    /// The maximum number of forward-paths of a message.
    pub recipients_max: u64,
    /// Messages refused at the end of their data.
    pub refused: u64,
    /// Concurrent connections, weighted by time, while any was open.
    pub open_at_once: Distribution,
    /// When the maximum was first reached, in Unix µs; `None` if no connection was open.
    pub peak_at_us: Option<u64>,
    /// Accepted messages per connection; for open connections, those so far.
    pub messages_per_connection: Distribution,
    /// Accepted messages per window, for windows that end with a second that had any.
    pub messages_per_window: Vec<Distribution>,
    /// Connections opened per window, for windows that end with a second that had any.
    pub opened_per_window: Vec<Distribution>,
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
        Ok(gathering.end(micros(until), reading.damage))
    }
}

fn micros(second: u64) -> u64 {
    second.saturating_mul(1_000_000)
}

/// A session that has begun and not ended, as far as was read.
struct OpenSession {
    /// Index in [`Gathering::clients`].
    client: usize,
    start: u32,
    messages: u64,
    /// Whether it counts as a session that began before the span.
    began_before: bool,
    /// Whether it counts as a session whose beginning is not recorded.
    without_beginning: bool,
}

impl OpenSession {
    /// Adds the session to the counts of a client, or subtracts it, with `by`.
    fn count(&self, counts: &mut ClientLimits, by: fn(u64, u64) -> u64) {
        counts.connections = by(counts.connections, 1);
        counts.began_before = by(counts.began_before, self.began_before.into());
        counts.without_beginning = by(counts.without_beginning, self.without_beginning.into());
    }
}

/// The state while reading.
struct Gathering<'a> {
    spans: &'a [Seconds],
    windows_s: &'a [u64],
    all: ClientState,
    clients: Vec<(Option<IpAddr>, ClientState)>,
    places: HashMap<Option<IpAddr>, usize>,
    /// Open sessions by index of the folder and id, which is unique within a folder.
    sessions: HashMap<(usize, u64), OpenSession>,
    /// Starts of sinkd that were followed by another one: the last second each recorded, its
    /// folder, and its number. The earliest is last.
    ended_starts: Vec<(u64, usize, u32)>,
}

impl<'a> Gathering<'a> {
    fn new(
        spans: &'a [Seconds],
        windows_s: &'a [u64],
        mut ended_starts: Vec<(u64, usize, u32)>,
    ) -> Gathering<'a> {
        ended_starts.reverse();
        Gathering {
            spans,
            windows_s,
            all: ClientState::new(windows_s.len()),
            clients: Vec::new(),
            places: HashMap::new(),
            sessions: HashMap::new(),
            ended_starts,
        }
    }

    /// Begins the span: of everything before, only open sessions count.
    fn begin(&mut self, second: u64) {
        self.follow_starts(second);
        let at_us = micros(second);
        let windows = self.windows_s.len();
        for client in self.clients.iter_mut().map(|(_, client)| client).chain([&mut self.all]) {
            *client = client.open_from(at_us, windows);
        }
        for session in self.sessions.values_mut() {
            (session.began_before, session.without_beginning) = (true, false);
        }
    }

    fn take(&mut self, second: u64, entries: &[SessionEntry]) {
        self.follow_starts(second);
        for entry in entries {
            self.add(second, entry);
        }
        for event in events(second, entries) {
            let key = (entries[event.entry].folder, entries[event.entry].session.id);
            let Some(session) = self.sessions.get(&key) else { continue };
            let client = &mut self.clients[session.client].1;
            for who in [client, &mut self.all] {
                if event.kind != ConnectionChange::End {
                    who.open.begin(event.at_us);
                }
                if event.kind != ConnectionChange::Begin {
                    who.open.end(event.at_us);
                }
            }
        }
        for entry in entries.iter().filter(|entry| entry.session.ended_us().is_some()) {
            let is_inside = self.spans[entry.folder].contains(second);
            if let Some(session) = self.sessions.remove(&(entry.folder, entry.session.id))
                && is_inside
            {
                let client = &mut self.clients[session.client].1;
                for who in [client, &mut self.all] {
                    who.record_end(session.messages);
                }
            }
        }
    }

    /// Ends the sessions of each start of sinkd that was followed by another one, and whose records
    /// are all before `second`: sinkd was killed.
    fn follow_starts(&mut self, second: u64) {
        while let Some((last, folder, start)) = self.ended_starts.pop_if(|it| it.0 < second) {
            let (clients, all) = (&mut self.clients, &mut self.all);
            self.sessions.retain(|(of_folder, _), session| {
                let is_cut_off = *of_folder == folder && session.start == start;
                if is_cut_off {
                    for who in [&mut clients[session.client].1, &mut *all] {
                        who.open.end(micros(last + 1));
                        who.counts.cut_off += 1;
                        who.record_end(session.messages);
                    }
                }
                !is_cut_off
            });
        }
    }

    /// Adds what a session did, except for the times at which it began and ended.
    fn add(&mut self, second: u64, entry: &SessionEntry) {
        let address = entry.session.client();
        let windows = self.windows_s.len();
        let place = *self.places.entry(address).or_insert_with(|| {
            self.clients.push((address, ClientState::new(windows)));
            self.clients.len() - 1
        });
        let is_inside = self.spans[entry.folder].contains(second);
        let key = (entry.folder, entry.session.id);
        let mut session = self.sessions.get_mut(&key);
        let has_begun = entry.session.began_us().is_some();
        let is_new = session.is_none() && !entry.session.is_after_end();
        if is_new {
            let new = OpenSession {
                client: place,
                start: entry.start,
                messages: 0,
                began_before: false,
                without_beginning: !has_begun,
            };
            session = Some(self.sessions.entry(key).or_insert(new));
        }
        if let Some(session) = session {
            if session.client != place {
                rename(&mut self.clients, session, place, micros(second));
            }
            session.messages += u64::from(entry.session.messages);
        }
        for who in [&mut self.clients[place].1, &mut self.all] {
            if is_new {
                who.counts.connections += 1;
                who.counts.without_beginning += u64::from(!has_begun);
            }
            if is_new && !has_begun {
                who.open.begin(micros(second));
            }
            if is_inside {
                who.add(self.windows_s, second, entry);
            }
        }
    }

    fn end(mut self, at_us: u64, damage: Vec<StatsDamage>) -> SenderLimits {
        for session in self.sessions.values() {
            for who in [&mut self.clients[session.client].1, &mut self.all] {
                who.counts.open_at_end += 1;
                who.per_connection.add(session.messages, 1);
            }
        }
        let seen = self.clients.into_iter().filter(|(_, client)| client.is_seen());
        let mut clients: Vec<_> =
            seen.map(|(address, client)| (address, client.figures(at_us))).collect();
        clients.sort_by_key(|(address, it)| {
            (std::cmp::Reverse((it.open_at_once.max, it.messages)), *address)
        });
        SenderLimits { all: self.all.figures(at_us), clients, damage }
    }
}

/// Applies XCLIENT: the connection, on which nothing had been submitted, counts for the named
/// client from its beginning.
fn rename(
    clients: &mut [(Option<IpAddr>, ClientState)],
    session: &mut OpenSession,
    to: usize,
    at_us: u64,
) {
    let before = &mut clients[session.client].1;
    before.open.end(at_us);
    session.count(&mut before.counts, u64::saturating_sub);
    let now = &mut clients[to].1;
    now.open.begin(at_us);
    session.count(&mut now.counts, u64::saturating_add);
    session.client = to;
}

/// The beginning or end of a connection, at its time among all events of a second.
struct ConnectionEvent {
    at_us: u64,
    kind: ConnectionChange,
    entry: usize,
}

/// In the order in which events of one moment count: if a client closes a connection and opens
/// another, it does not have two at once.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum ConnectionChange {
    End,
    /// The connection began and ended in one round of the loop, so it is unknown which others were
    /// open then.
    BeginAndEnd,
    Begin,
}

fn events(second: u64, entries: &[SessionEntry]) -> Vec<ConnectionEvent> {
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

/// What was read of one client, or of all clients together.
struct ClientState {
    /// The counts; distributions are added at the end.
    counts: ClientLimits,
    open: OpenConnections,
    per_connection: ValueCounts,
    messages_in: SlidingWindows,
    opened_in: SlidingWindows,
}

impl ClientState {
    fn new(windows: usize) -> ClientState {
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
    fn open_from(&self, at_us: u64, windows: usize) -> ClientState {
        let mut client = ClientState::new(windows);
        client.open = self.open.clone();
        client.open.forget(at_us);
        client.counts.connections = client.open.now();
        client.counts.began_before = client.open.now();
        client
    }

    fn is_seen(&self) -> bool {
        self.counts.connections > 0 || self.counts.messages > 0
    }

    fn add(&mut self, windows_s: &[u64], second: u64, entry: &SessionEntry) {
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

    fn record_end(&mut self, messages: u64) {
        self.counts.without_message += u64::from(messages == 0);
        self.per_connection.add(messages, 1);
    }

    fn figures(mut self, end_us: u64) -> ClientLimits {
        self.open.pass(end_us);
        let (peak, peak_at_us) = self.open.peak();
        let spreads =
            |windows: SlidingWindows| windows.end().iter().map(ValueCounts::spread).collect();
        ClientLimits {
            // A peak that lasted less than a microsecond has no weight, but it did occur.
            open_at_once: Distribution { max: peak, ..self.open.over_time().spread() },
            peak_at_us: (peak > 0).then_some(peak_at_us),
            messages_per_connection: self.per_connection.spread(),
            messages_per_window: spreads(self.messages_in),
            opened_per_window: spreads(self.opened_in),
            ..self.counts
        }
    }
}

#[cfg(test)]
mod tests;
