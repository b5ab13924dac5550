//! What a listener may have of its own.
use std::path::PathBuf;

use super::auth::Auth;
use super::client_list::{Denied, Networks};
use super::tls::{ClientCerts, Tls};
use crate::smtp::extension::Extension;
use crate::smtp::limits::SessionLimits;

/// What a listener has of its own; `None` and empty: as the settings of all listeners say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListenerOptions {
    /// By which it is called in envelopes, listings and figures.
    pub name: Option<String>,
    /// Its name in the greeting and in replies.
    pub hostname: Option<String>,
    /// What stands after 220 in its greeting, line by line.
    pub greeting: Option<String>,
    /// The extensions that it offers, in the order of its EHLO reply.
    pub extensions: Option<Vec<Extension>>,
    /// Extensions that it does not offer.
    pub without: Vec<Extension>,
    /// Networks whose clients it serves; empty: as for all listeners.
    pub allow: Vec<Networks>,
    /// Networks whose clients it does not serve; empty: as for all listeners.
    pub deny: Vec<Networks>,
    /// What a client hears that it does not serve.
    pub denied: Option<Denied>,
    /// Whether its clients may send XCLIENT, if they are trusted; `None`: they may.
    pub xclient: Option<bool>,
    /// How it replies to AUTH.
    pub auth: Option<Auth>,
    /// A list of users: they are believed, and no others.
    pub auth_users: Option<PathBuf>,
    /// MAIL waits for AUTH.
    pub auth_required: Option<bool>,
    /// AUTH waits for TLS.
    pub auth_tls_only: Option<bool>,
    /// How its clients come to TLS, where it does not begin with the first octet.
    pub tls: Option<Tls>,
    /// A certificate with its chain.
    pub tls_cert: Option<PathBuf>,
    /// Its key.
    pub tls_key: Option<PathBuf>,
    /// The CAs that sign the certificates of clients.
    pub tls_client_ca: Option<PathBuf>,
    /// Whether clients show certificates.
    pub tls_client_certs: Option<ClientCerts>,
    /// Maximum size of a message.
    pub message_bytes_max: Option<u64>,
    /// Maximum number of recipients of a message.
    pub recipients_max: Option<u32>,
    /// Number of errors after which a session is closed; `Some(None)`: never.
    pub errors_max: Option<Option<u32>>,
    /// Maximum number of messages of a session; `Some(None)`: no maximum.
    pub messages_max: Option<Option<u32>>,
}

impl ListenerOptions {
    /// `limits` with the bounds that the listener has of its own.
    pub fn limits(&self, limits: &SessionLimits) -> SessionLimits {
        SessionLimits {
            message_bytes_max: self.message_bytes_max.unwrap_or(limits.message_bytes_max),
            recipients_max: self.recipients_max.unwrap_or(limits.recipients_max),
            errors_max: self.errors_max.unwrap_or(limits.errors_max),
            messages_max: self.messages_max.unwrap_or(limits.messages_max),
            ..limits.clone()
        }
    }
}
