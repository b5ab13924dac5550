//! The AUTH rules of each listener, and reading the lists of users.
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::scope::SettingScope;
use super::{Auth, Config, Listener, Tls};
use crate::smtp::policy::{AuthMode, AuthRules};
use crate::smtp::sasl::{UserError, Users};

/// Maximum size of a list of users: room for about a million.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// Why AUTH can't be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The list of users can't be read.
    #[error("{path}: cannot be read", path = path.display())]
    Read {
        /// The path of the list of users.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Users other than its owner have access to the file with the passwords.
    #[error(
        "{path}: expected a file that only its owner can read (mode 0600), found mode {mode:04o}",
        path = path.display()
    )]
    Readable {
        /// The path of the list of users.
        path: PathBuf,
        /// The permission bits of the file, such as 0o644.
        mode: u32,
    },
    /// The file is larger than 64 MiB.
    #[error("{path}: expected at most 64 MiB", path = .0.display())]
    TooLong(PathBuf),
    /// A line is not `NAME:PASSWORD`.
    #[error("{path}: {error}", path = path.display())]
    User {
        /// The path of the list of users.
        path: PathBuf,
        /// The line, and what was expected.
        error: UserError,
    },
    /// `auth_users` is set, but `auth` has a value that never checks users.
    #[error("{scope}auth_users requires auth = 'off' or 'any', found '{mode}'")]
    ListNotAsked {
        /// The listener, if at least one of the two is its own setting.
        scope: SettingScope,
        /// The value of `auth`.
        mode: &'static str,
    },
    /// `auth_tls_only` is set, but no listener has TLS.
    #[error(
        "auth_tls_only requires TLS, but no listener has it: set tls = 'offered' or 'required', or \
         put smtps: or submissions: before an address"
    )]
    NoTls,
    /// AUTH is required and allowed only under TLS, but the listener has no TLS.
    #[error(
        "listener {0}: auth_required and auth_tls_only require TLS, found none: no client could \
         send mail"
    )]
    RequiredWithoutTls(Box<Listener>),
    /// AUTH is required, but not offered.
    #[error("{0}auth_required requires auth or auth_users, found neither")]
    RequiredNotOffered(SettingScope),
}

impl AuthError {
    /// Returns the names of the settings that contradict each other and have flags; none if the
    /// error is about a file or about one listener.
    pub fn settings(&self) -> Vec<&'static str> {
        match self {
            AuthError::ListNotAsked { scope, .. } => scope.with_flags(&["auth_users", "auth"]),
            AuthError::NoTls => vec!["auth_tls_only", "tls"],
            AuthError::RequiredNotOffered(scope) => {
                scope.with_flags(&["auth_required", "auth", "auth_users"])
            }
            AuthError::Read { .. }
            | AuthError::Readable { .. }
            | AuthError::TooLong(_)
            | AuthError::User { .. }
            | AuthError::RequiredWithoutTls(_) => Vec::new(),
        }
    }
}

impl Config {
    /// Returns the AUTH rules of each of `listeners`, from its own settings or else the global
    /// ones. Reads the files that list users.
    pub fn auth_rules(&self, listeners: &[Listener]) -> Result<Vec<Option<AuthRules>>, AuthError> {
        if self.auth.is_tls_only && !listeners.iter().any(|listener| self.has_tls(listener)) {
            return Err(AuthError::NoTls);
        }
        listeners.iter().map(|listener| self.auth_of(listener)).collect()
    }

    /// Returns whether clients of `listener` can use TLS.
    fn has_tls(&self, listener: &Listener) -> bool {
        listener.is_tls || listener.options.tls.unwrap_or(self.tls.mode) != Tls::Off
    }

    fn auth_of(&self, listener: &Listener) -> Result<Option<AuthRules>, AuthError> {
        let own = &listener.options;
        // A listener with its own `auth` does not use the global list of users.
        let users = match own.auth {
            Some(_) => own.auth_users.as_ref(),
            None => own.auth_users.as_ref().or(self.auth.users.as_ref()),
        };
        let is_required = own.auth_required.unwrap_or(self.auth.is_required);
        let mode = match (own.auth.unwrap_or(self.auth.mode), users) {
            (Auth::Off | Auth::Any, Some(path)) => AuthMode::Users(Arc::new(read(path)?)),
            (other, Some(_)) => {
                let scope = match (own.auth, &own.auth_users) {
                    (None, None) => SettingScope::AllListeners,
                    _ => SettingScope::own(listener),
                };
                return Err(AuthError::ListNotAsked { scope, mode: other.name() });
            }
            (Auth::Any, None) => AuthMode::Any,
            (Auth::Reject, None) => AuthMode::Reject,
            (Auth::Defer, None) => AuthMode::Defer,
            (Auth::Off, None) if own.auth_required == Some(true) => {
                return Err(AuthError::RequiredNotOffered(SettingScope::own(listener)));
            }
            // A listener with its own `auth = 'off'` is exempt from the global `auth_required`.
            (Auth::Off, None) if is_required && own.auth.is_none() => {
                return Err(AuthError::RequiredNotOffered(SettingScope::AllListeners));
            }
            (Auth::Off, None) => return Ok(None),
        };
        let under_tls_only = own.auth_tls_only.unwrap_or(self.auth.is_tls_only);
        if is_required && under_tls_only && !self.has_tls(listener) {
            return Err(AuthError::RequiredWithoutTls(Box::new(listener.clone())));
        }
        Ok(Some(AuthRules { mode, is_required, under_tls_only }))
    }
}

fn read(path: &Path) -> Result<Users, AuthError> {
    let failed = |source| AuthError::Read { path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(AuthError::Readable { path: path.into(), mode });
    }
    let mut text = String::new();
    file.take(LIST_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > LIST_BYTES_MAX {
        return Err(AuthError::TooLong(path.into()));
    }
    Users::parse(&text).map_err(|error| AuthError::User { path: path.into(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AuthSettings;
    use crate::config::ListenerOptions;
    use std::fs::{self, Permissions};

    fn rules(config: &Config) -> Result<Option<AuthRules>, String> {
        let found = config.auth_rules(&config.listen).map_err(|error| error.to_string())?;
        Ok(found.into_iter().next().unwrap())
    }

    fn with(auth: AuthSettings) -> Config {
        Config { auth, ..Config::default() }
    }

    #[test]
    fn a_list_of_users_must_be_readable_only_by_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        fs::write(&path, "ann:secret\n").unwrap();
        let config = with(AuthSettings { users: Some(path.clone()), ..AuthSettings::default() });
        for (mode, is_good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let found = rules(&config);
            assert_eq!(found.is_ok(), is_good, "{mode:o}: {found:?}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "ann:x\nsecret\n").unwrap();
        let error = rules(&config).unwrap_err();
        assert!(error.ends_with("users: line 2: expected NAME:PASSWORD"), "{error}");
        let users = Some(folder.path().join("no"));
        let missing = with(AuthSettings { users, ..AuthSettings::default() });
        assert!(rules(&missing).unwrap_err().ends_with("no: cannot be read"));
    }

    #[test]
    fn contradictory_settings_are_named() {
        let list = || Some(PathBuf::from("/no/such"));
        for (mode, users, is_required, expected) in [
            (Auth::Reject, list(), false, "auth_users requires auth = 'off' or 'any'"),
            (Auth::Off, None, true, "auth_required requires auth or auth_users"),
            (Auth::Off, list(), true, "/no/such: cannot be read"),
        ] {
            let config = with(AuthSettings { mode, users, is_required, ..AuthSettings::default() });
            let error = rules(&config).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        let no_tls = with(AuthSettings { is_tls_only: true, ..Auth::Any.into() });
        let error = rules(&no_tls).unwrap_err();
        assert!(error.starts_with("auth_tls_only requires TLS, but no listener"), "{error}");
        let mut one_with = no_tls;
        one_with.auth.is_required = true;
        one_with.listen.push("smtps:127.0.0.1:465".parse().unwrap());
        let error = rules(&one_with).unwrap_err();
        assert!(error.starts_with("listener 127.0.0.1:1025: auth_required and"), "{error}");
        one_with.auth.is_required = false;
        assert!(rules(&one_with).unwrap().is_some_and(|rules| rules.under_tls_only));
        let required = with(AuthSettings { is_required: true, ..Auth::Any.into() });
        assert!(rules(&required).unwrap().is_some_and(|rules| rules.is_required));
        assert!(rules(&Config::default()).unwrap().is_none());
        // A key of a listener is named with the listener.
        for own in [
            ListenerOptions { auth_required: Some(true), ..ListenerOptions::default() },
            ListenerOptions {
                auth: Some(Auth::Defer),
                auth_users: list(),
                ..ListenerOptions::default()
            },
        ] {
            let mut config = Config::default();
            config.listen[0].options = own;
            let error = config.auth_rules(&config.listen).unwrap_err();
            assert!(error.settings().is_empty(), "{error}");
            assert!(error.to_string().starts_with("listener 127.0.0.1:1025: auth_"), "{error}");
        }
        // `auth = 'off'` exempts one listener.
        let mut one = required;
        one.listen[0].options.auth = Some(Auth::Off);
        assert!(rules(&one).unwrap().is_none());
    }
}
