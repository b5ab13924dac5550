//! AUTH, for all listeners.
use std::path::PathBuf;

use crate::config::auth::Auth;

/// How sinkd replies to AUTH, and what it requires before mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSettings {
    /// How sinkd answers an attempt.
    pub mode: Auth,
    /// File that lists the users; no others are accepted.
    pub users: Option<PathBuf>,
    /// Whether MAIL is rejected before AUTH.
    pub is_required: bool,
    /// Whether AUTH is offered only under TLS.
    pub is_tls_only: bool,
}

impl Default for AuthSettings {
    fn default() -> AuthSettings {
        AuthSettings { mode: Auth::Off, users: None, is_required: false, is_tls_only: false }
    }
}

impl From<Auth> for AuthSettings {
    fn from(mode: Auth) -> AuthSettings {
        AuthSettings { mode, ..AuthSettings::default() }
    }
}
