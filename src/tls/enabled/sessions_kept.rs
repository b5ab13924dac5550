//! Sessions that a sender resumes. All connections of a run share one store.
//!
//! The store of rustls keeps eight tickets per server. A sender that opens a hundred connections at
//! once needs a hundred, because each ticket is used only once (RFC 8446 appendix C.4).
use std::fmt;

use crossbeam_channel::{Receiver, Sender, bounded};
use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;

/// Limit on the stored tickets, of about 1 KiB each. Each simultaneous connection needs one.
const TICKETS_MAX: usize = 4096;
/// Number of servers whose sessions are stored: a run has one target.
const SERVERS: usize = 1;

/// The sessions of a run, whose connections are all to one server.
pub(super) struct KeptSessions {
    /// Stores everything of which there is one per server.
    one: ClientSessionMemoryCache,
    put: Sender<Tls13ClientSessionValue>,
    take: Receiver<Tls13ClientSessionValue>,
}

impl KeptSessions {
    pub fn new() -> KeptSessions {
        let (put, take) = bounded(TICKETS_MAX);
        KeptSessions { one: ClientSessionMemoryCache::new(SERVERS), put, take }
    }
}

impl fmt::Debug for KeptSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptSessions")
    }
}

impl ClientSessionStore for KeptSessions {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.one.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.one.kx_hint(name)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.one.set_tls12_session(name, session);
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.one.tls12_session(name)
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.one.remove_tls12_session(name);
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        // If the store is full, the oldest ticket is dropped, as it expires first.
        if let Err(full) = self.put.try_send(ticket) {
            let _ = self.take.try_recv();
            let _ = self.put.try_send(full.into_inner());
        }
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.take.try_recv().ok()
    }
}
