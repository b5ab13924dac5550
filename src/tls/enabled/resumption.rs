//! Sessions that clients resume. The process has one store, so that sessions survive a reload.
//!
//! rustls doesn't verify a client again when it resumes a session. So each session is bound to how
//! its client was verified: a session of a listener that requests no certificate can't be resumed
//! where one is required. OpenSSL has a "session id context" for the same purpose.
use std::sync::{Arc, OnceLock};

use rustls::Error;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};

use super::digest::DIGEST_BYTES;

/// How clients were verified: see [`super::clients::ClientCertificates::digest`].
type Context = [u8; DIGEST_BYTES];

/// Limit on TLS 1.2 sessions of clients that don't support tickets: about 300 octets each.
const SESSIONS_MAX: usize = 16_384;

/// Tickets of one context. All tickets of the process use the same keys.
#[derive(Debug)]
pub(super) struct Tickets {
    context: Context,
    keys: Arc<dyn ProducesTickets>,
}

impl Tickets {
    /// Errors: the system has no random numbers.
    pub fn new(context: Context) -> Result<Tickets, Error> {
        static KEYS: OnceLock<Arc<dyn ProducesTickets>> = OnceLock::new();
        let keys = match KEYS.get() {
            Some(keys) => keys.clone(),
            None => {
                let made = Ticketer::new()?;
                KEYS.get_or_init(|| made).clone()
            }
        };
        Ok(Tickets { context, keys })
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        self.keys.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.keys.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.keys.encrypt(&[&self.context, plain].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let plain = self.keys.decrypt(cipher)?;
        plain.strip_prefix(&self.context).map(<[u8]>::to_vec)
    }
}

/// Stored sessions of one context.
#[derive(Debug)]
pub(super) struct Sessions {
    context: Context,
    memory: Arc<ServerSessionMemoryCache>,
}

impl Sessions {
    pub fn new(context: Context) -> Sessions {
        static MEMORY: OnceLock<Arc<ServerSessionMemoryCache>> = OnceLock::new();
        let memory = MEMORY.get_or_init(|| ServerSessionMemoryCache::new(SESSIONS_MAX)).clone();
        Sessions { context, memory }
    }

    fn key(&self, id: &[u8]) -> Vec<u8> {
        [&self.context, id].concat()
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.memory.put(self.key(&key), value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.memory.get(&self.key(key))
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.memory.take(&self.key(key))
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_resumed_where_its_client_was_verified_the_same_way() {
        let (one, other) = ([1; DIGEST_BYTES], [2; DIGEST_BYTES]);
        let ticket = Tickets::new(one).unwrap().encrypt(b"secrets").unwrap();
        // As after a reload: another value, the same context.
        assert_eq!(Tickets::new(one).unwrap().decrypt(&ticket).as_deref(), Some(&b"secrets"[..]));
        assert_eq!(Tickets::new(other).unwrap().decrypt(&ticket), None);
        assert!(Sessions::new(one).put(b"id".to_vec(), b"secrets".to_vec()));
        assert_eq!(Sessions::new(one).get(b"id").as_deref(), Some(&b"secrets"[..]));
        assert_eq!(Sessions::new(other).get(b"id"), None);
        assert_eq!(Sessions::new(other).take(b"id"), None);
        assert_eq!(Sessions::new(one).take(b"id").as_deref(), Some(&b"secrets"[..]));
    }
}
