//! The server name that a client requests (SNI, RFC 6066 section 3).
//!
//! With its unbuffered API, rustls passes the name only to the code that chooses the certificate.
//! That runs within the call that reads the client's hello, so the name is handed over in a
//! thread-local.
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

thread_local! {
    static NAME: RefCell<Option<Box<str>>> = const { RefCell::new(None) };
}

/// Chooses the same certificate for every name, and notes the name.
pub(super) struct OneCertificate(pub Arc<CertifiedKey>);

impl fmt::Debug for OneCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneCertificate")
    }
}

impl ResolvesServerCert for OneCertificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        NAME.set(hello.server_name().map(Box::from));
        Some(self.0.clone())
    }
}

/// Takes the name that the last hello on this thread requested.
pub(super) fn take() -> Option<Box<str>> {
    NAME.take()
}
