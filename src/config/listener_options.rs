//! The settings that a listener can override.
use std::path::PathBuf;

use super::auth::Auth;
use super::client_list::{Denied, Networks};
use super::groups::CertificateFiles;
use super::tls::Tls;
use crate::smtp::extension::Extension;
use crate::smtp::limits::SessionLimits;

/// Options of one listener. `None` or empty means that the global setting applies, if there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListenerOptions {
    /// The name of the listener in envelopes, listings and statistics: 1 to 64 letters, digits,
    /// dots, dashes and underscores.
    pub name: Option<String>,
    /// The host name in the greeting and in replies.
    pub hostname: Option<String>,
    /// The text after 220 in the greeting, lines separated by LF.
    pub greeting: Option<String>,
    /// The extensions that it offers, in the order of its EHLO reply.
    pub extensions: Option<Vec<Extension>>,
    /// Extensions that it does not offer, in addition to those in the global setting.
    pub without: Vec<Extension>,
    /// Networks whose clients it serves. The global lists apply only if `allow` and `deny` are both
    /// empty.
    pub allow: Vec<Networks>,
    /// Networks whose clients it does not serve.
    pub deny: Vec<Networks>,
    /// How it answers clients that it does not serve.
    pub denied: Option<Denied>,
    /// Whether trusted clients can send XCLIENT; `None`: they can.
    pub xclient: Option<bool>,
    /// How it replies to AUTH. If it is set, the global list of users does not apply.
    pub auth: Option<Auth>,
    /// File that lists the users; no others are accepted.
    pub auth_users: Option<PathBuf>,
    /// Whether MAIL is rejected before AUTH.
    pub auth_required: Option<bool>,
    /// Whether AUTH is offered only under TLS.
    pub auth_tls_only: Option<bool>,
    /// How STARTTLS is offered; only for listeners where TLS does not begin with the first octet.
    pub tls: Option<Tls>,
    /// Its own certificate files.
    pub certificates: CertificateFiles,
    /// Maximum size of a message in octets, announced as SIZE (RFC 1870): 1 to 4095 MiB.
    pub message_bytes_max: Option<u64>,
    /// Maximum number of recipients of a message; further ones are answered with 452.
    pub recipients_max: Option<u32>,
    /// Maximum number of 5xx replies per session.
    pub errors_max: Option<SessionMax>,
    /// Maximum number of messages per session.
    pub messages_max: Option<SessionMax>,
}

/// A maximum per session that a listener sets instead of the global one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionMax {
    /// Sessions of this listener have no maximum.
    Unlimited,
    /// Sessions of this listener end when they exceed this number.
    At(u32),
}

impl SessionMax {
    /// Returns the number in the form of [`SessionLimits`], in which `None` means no maximum.
    pub fn limit(self) -> Option<u32> {
        match self {
            SessionMax::Unlimited => None,
            SessionMax::At(max) => Some(max),
        }
    }
}

impl ListenerOptions {
    /// Returns `limits` with the listener's own values.
    pub fn limits(&self, limits: &SessionLimits) -> SessionLimits {
        SessionLimits {
            message_bytes_max: self.message_bytes_max.unwrap_or(limits.message_bytes_max),
            recipients_max: self.recipients_max.unwrap_or(limits.recipients_max),
            errors_max: self.errors_max.map_or(limits.errors_max, SessionMax::limit),
            messages_max: self.messages_max.map_or(limits.messages_max, SessionMax::limit),
            ..limits.clone()
        }
    }
}
