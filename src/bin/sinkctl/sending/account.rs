//! The account with which replay, blast and calibrate authenticate.
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use sinkd::smtp::sasl::{Account, Mechanism, PASSWORD_BYTES_MAX, Preference};

/// The environment variable with the password, if there is no file.
pub const PASSWORD_VARIABLE: &str = "SINKCTL_AUTH_PASSWORD";

/// How the sender proves its identity.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Authentication")]
pub struct AccountOptions {
    /// User name for AUTH; the password comes from --auth-password-file or the environment variable
    /// SINKCTL_AUTH_PASSWORD.
    #[arg(long, value_name = "USER")]
    pub auth_user: Option<String>,
    /// File whose first line is the password, or the access token for XOAUTH2. Only its owner may
    /// have access to it (mode 0600).
    #[arg(long, value_name = "FILE", requires = "auth_user")]
    pub auth_password_file: Option<PathBuf>,
    /// AUTH mechanism [default: the strongest of cram-md5, plain and login that the target
    /// announces].
    #[arg(long, value_name = "MECHANISM", requires = "auth_user")]
    pub auth_mechanism: Option<MechanismName>,
}

/// An AUTH mechanism by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MechanismName {
    Plain,
    Login,
    CramMd5,
    Xoauth2,
}

impl From<MechanismName> for Mechanism {
    fn from(name: MechanismName) -> Mechanism {
        match name {
            MechanismName::Plain => Mechanism::Plain,
            MechanismName::Login => Mechanism::Login,
            MechanismName::CramMd5 => Mechanism::CramMd5,
            MechanismName::Xoauth2 => Mechanism::Xoauth2,
        }
    }
}

impl AccountOptions {
    /// Returns the account, with its password; `None` if no user is named.
    pub fn account(&self) -> anyhow::Result<Option<Arc<Account>>> {
        let Some(user) = &self.auth_user else { return Ok(None) };
        let (password, place) = match &self.auth_password_file {
            Some(path) => (first_line(path)?, path.display().to_string()),
            None => {
                let variable = std::env::var_os(PASSWORD_VARIABLE).with_context(|| {
                    format!(
                        "--auth-user: expected the password in --auth-password-file or in the \
                         environment variable {PASSWORD_VARIABLE}, found neither"
                    )
                })?;
                (variable.into_vec(), PASSWORD_VARIABLE.to_owned())
            }
        };
        let preference = self.auth_mechanism.map(Mechanism::from);
        let preference = preference.map_or(Preference::Strongest, Preference::Only);
        let account = Account::new(user, password, preference).map_err(|error| {
            let place = match error {
                sinkd::smtp::sasl::AccountError::User => "--auth-user",
                sinkd::smtp::sasl::AccountError::Password => &place,
            };
            anyhow::anyhow!("{place}: {error}")
        })?;
        Ok(Some(Arc::new(account)))
    }
}

/// Returns the first line of a file, without the line end. Errors: users other than its owner have
/// access to the file.
fn first_line(path: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = || format!("{}: cannot be read", path.display());
    let file = File::open(path).with_context(unreadable)?;
    let mode = file.metadata().with_context(unreadable)?.permissions().mode() & 0o777;
    anyhow::ensure!(
        mode & 0o077 == 0,
        "{}: expected a file that only its owner can read (mode 0600), found mode {mode:04o}",
        path.display()
    );
    let mut text = Vec::new();
    let bytes_max = PASSWORD_BYTES_MAX as u64 + "\r\n".len() as u64;
    file.take(bytes_max).read_to_end(&mut text).with_context(unreadable)?;
    let end = memchr::memchr(b'\n', &text).unwrap_or(text.len());
    text.truncate(end);
    if text.last() == Some(&b'\r') {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    /// Returns what is read from a file with this content and mode.
    fn read(text: &[u8], mode: u32) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        first_line(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn the_password_is_the_first_line_without_its_end() {
        for (text, expected) in [
            ("secret\nnote\n", "secret"),
            ("secret\r\n", "secret"),
            (" secret ", " secret "),
            ("\nsecret", ""),
            ("", ""),
        ] {
            assert_eq!(read(text.as_bytes(), 0o600).unwrap(), expected.as_bytes(), "{text:?}");
        }
        let longest = [b'p'; PASSWORD_BYTES_MAX];
        assert_eq!(read(&[&longest[..], b"\r\n"].concat(), 0o400).unwrap(), longest);
        let longer = read(&[&longest[..], b"pppp\n"].concat(), 0o600).unwrap();
        let error = Account::new("ann", longer, Preference::Strongest).unwrap_err();
        assert_eq!(error, sinkd::smtp::sasl::AccountError::Password);
    }

    #[test]
    fn a_password_that_others_can_read_is_refused() {
        for mode in [0o640, 0o604, 0o622, 0o644] {
            let error = read(b"secret\n", mode).unwrap_err();
            assert!(error.contains("expected a file that only its owner can read"), "{error}");
            assert!(error.contains(&format!("{mode:04o}")) && !error.contains("secret"), "{error}");
        }
    }
}
