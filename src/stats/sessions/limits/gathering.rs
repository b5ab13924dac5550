//! What was read of all clients so far.
use std::collections::HashMap;
use std::net::IpAddr;

use super::client_limits::ClientLimits;
use super::client_state::ClientState;
use super::connection_event::{ConnectionChange, events};
use super::open_session::{OpenSession, rename};
use crate::stats::sessions::reading::SessionEntry;
use crate::time::{Seconds, UnixNs};

/// The state while reading.
pub struct Gathering<'a> {
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
    pub fn new(
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
    pub fn begin(&mut self, second: u64) {
        self.follow_starts(second);
        let at_ns = UnixNs::of_second(second);
        let windows = self.windows_s.len();
        for client in self.clients.iter_mut().map(|(_, client)| client).chain([&mut self.all]) {
            *client = client.open_from(at_ns, windows);
        }
        for session in self.sessions.values_mut() {
            (session.began_before, session.without_beginning) = (true, false);
        }
    }

    /// Adds the records of a second, after all earlier ones.
    pub fn take(&mut self, second: u64, entries: &[SessionEntry]) {
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
                    who.open.begin(event.at_ns);
                }
                if event.kind != ConnectionChange::Begin {
                    who.open.end(event.at_ns);
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
                        who.open.end(UnixNs::of_second(last + 1));
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
                rename(&mut self.clients, session, place, UnixNs::of_second(second));
            }
            session.messages += u64::from(entry.session.messages);
        }
        for who in [&mut self.clients[place].1, &mut self.all] {
            if is_new {
                who.counts.connections += 1;
                who.counts.without_beginning += u64::from(!has_begun);
            }
            if is_new && !has_begun {
                who.open.begin(UnixNs::of_second(second));
            }
            if is_inside {
                who.add(self.windows_s, second, entry);
            }
        }
    }

    /// Returns the figures of all clients together, and those of each client, ordered by concurrent
    /// connections, the highest first.
    pub fn end(mut self, at_ns: UnixNs) -> (ClientLimits, Vec<(Option<IpAddr>, ClientLimits)>) {
        for session in self.sessions.values() {
            for who in [&mut self.clients[session.client].1, &mut self.all] {
                who.counts.open_at_end += 1;
                who.per_connection.add(session.messages, 1);
            }
        }
        let seen = self.clients.into_iter().filter(|(_, client)| client.is_seen());
        let mut clients: Vec<_> =
            seen.map(|(address, client)| (address, client.figures(at_ns))).collect();
        clients.sort_by_key(|(address, it)| {
            (std::cmp::Reverse((it.open_at_once.max, it.messages)), *address)
        });
        (self.all.figures(at_ns), clients)
    }
}
