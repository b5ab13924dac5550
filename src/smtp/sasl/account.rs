//! The account that a client authenticates with.
use std::fmt;

use super::credentials::USER_BYTES_MAX;
use super::mechanism::Mechanism;
use super::secret::Secret;

/// Maximum length of a password or token. Together with the user name, its base64 fits in a line.
pub const PASSWORD_BYTES_MAX: usize = 8192;

/// How a client chooses the mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preference {
    /// The strongest that the server announces: CRAM-MD5, then PLAIN, then LOGIN.
    Strongest,
    /// Only this mechanism.
    Only(Mechanism),
}

/// A user name with its password or access token.
pub struct Account {
    pub(super) user: String,
    pub(super) password: Secret,
    preference: Preference,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a user name and a password can't be used. The text never contains the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The name is empty, too long, or has control characters.
    #[error("expected a user name of 1 to {USER_BYTES_MAX} bytes without control characters")]
    User,
    /// The password is empty, too long, or has an octet that no mechanism can transport.
    #[error("expected a password of 1 to {PASSWORD_BYTES_MAX} bytes without NUL and line ends")]
    Password,
}

impl Account {
    /// Creates an account. `password` is the access token for XOAUTH2.
    pub fn new(
        user: &str,
        password: Vec<u8>,
        preference: Preference,
    ) -> Result<Account, AccountError> {
        if !(1..=USER_BYTES_MAX).contains(&user.len()) || user.contains(char::is_control) {
            return Err(AccountError::User);
        }
        let is_sendable = !password.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n'));
        if !(1..=PASSWORD_BYTES_MAX).contains(&password.len()) || !is_sendable {
            return Err(AccountError::Password);
        }
        Ok(Account { user: user.to_owned(), password: Secret::new(password), preference })
    }

    /// Chooses a mechanism that `announces` returns true for. Never chooses XOAUTH2 unless it is
    /// the preference: a password is not a token.
    pub fn choose(&self, announces: impl Fn(Mechanism) -> bool) -> Option<Mechanism> {
        let allowed: &[Mechanism] = match &self.preference {
            Preference::Strongest => &[Mechanism::CramMd5, Mechanism::Plain, Mechanism::Login],
            Preference::Only(mechanism) => std::slice::from_ref(mechanism),
        };
        allowed.iter().copied().find(|mechanism| announces(*mechanism))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_announced_mechanism_is_chosen() {
        use Mechanism::{CramMd5, Login, Plain, Xoauth2};
        let only = Preference::Only;
        for (preference, announced, expected) in [
            (Preference::Strongest, &[Plain, Login, CramMd5, Xoauth2][..], Some(CramMd5)),
            (Preference::Strongest, &[Login, Plain], Some(Plain)),
            (Preference::Strongest, &[Login], Some(Login)),
            (Preference::Strongest, &[Xoauth2], None),
            (Preference::Strongest, &[], None),
            (only(Xoauth2), &[Plain, Xoauth2], Some(Xoauth2)),
            (only(Login), &[Plain, Login, CramMd5], Some(Login)),
            (only(Plain), &[Login], None),
        ] {
            let account = Account::new("ann", b"secret".to_vec(), preference).unwrap();
            let chosen = account.choose(|mechanism| announced.contains(&mechanism));
            assert_eq!(chosen, expected, "{preference:?} of {announced:?}");
        }
    }

    #[test]
    fn an_account_shows_no_password() {
        let account = Account::new("ann", b"s3cr3t".to_vec(), Preference::Strongest).unwrap();
        assert_eq!(format!("{account:?}"), r#"Account { user: "ann", .. }"#);
    }

    #[test]
    fn names_and_passwords_that_no_mechanism_can_carry_are_refused() {
        let of = |user: &str, password: &[u8]| {
            Account::new(user, password.to_vec(), Preference::Strongest).err()
        };
        let longest = "n".repeat(USER_BYTES_MAX);
        assert_eq!(of(&longest, &[b'p'; PASSWORD_BYTES_MAX]), None);
        assert_eq!(of("é", b"\xff \t"), None);
        for user in ["", "a\0b", "a\r\nb", &format!("{longest}n")] {
            assert_eq!(of(user, b"p"), Some(AccountError::User), "{user:?}");
        }
        for password in [&b""[..], b"a\0b", b"a\nb", &[b'p'; PASSWORD_BYTES_MAX + 1]] {
            assert_eq!(of("ann", password), Some(AccountError::Password), "{password:?}");
        }
    }
}
