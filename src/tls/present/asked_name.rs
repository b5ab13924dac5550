//! The name that a client asks for (SNI, RFC 6066 section 3).
//!
//! Where a connection is driven without its buffers, rustls tells the name only to what chooses the
//! certificate. The choice is made within the call that reads the client's hello, so it is handed
//! over by thread.
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

thread_local! {
    static NAME: RefCell<Option<Box<str>>> = const { RefCell::new(None) };
}

/// One certificate for every name; notes the name.
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

/// The name that the last hello on this thread asked for, if it was not taken before.
pub(super) fn take() -> Option<Box<str>> {
    NAME.take()
}
