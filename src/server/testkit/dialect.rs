//! The protocol of a client, and what it is trusted to do.
use crate::smtp::limits::{Protocol, Syntax};

/// What the clients are trusted to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Nothing.
    None,
    /// Name another client by XCLIENT.
    Xclient,
    /// Authenticate as any user.
    Auth,
    /// Begin TLS, and authenticate as any user under it.
    Tls,
    /// Authenticate as any user, and only under TLS, which is required.
    TlsRequired,
}

/// The protocol of a client, and how strictly its syntax is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientDialect {
    pub protocol: Protocol,
    pub syntax: Syntax,
    pub trust: Trust,
}

impl ClientDialect {
    /// Returns each combination of protocol and syntax.
    pub fn all(trust: Trust) -> [ClientDialect; 4] {
        use Protocol::{Lmtp, Smtp};
        use Syntax::{Lenient, Strict};
        [(Smtp, Strict), (Smtp, Lenient), (Lmtp, Strict), (Lmtp, Lenient)]
            .map(|(protocol, syntax)| ClientDialect { protocol, syntax, trust })
    }
}
