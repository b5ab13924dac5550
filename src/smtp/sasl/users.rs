//! A list of users and passwords.
use std::collections::HashMap;
use std::fmt;

use super::cram_md5::digest;
use super::credentials::{CredentialProof, Credentials, USER_BYTES_MAX};
use super::secret::Secret;

/// Users with their passwords (or tokens). Two lists are equal if they accept the same credentials.
#[derive(Default, PartialEq, Eq)]
pub struct Users {
    passwords: HashMap<String, Secret>,
}

/// Why a line is not a user. The text never contains the line, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The line has no colon, or nothing before it.
    #[error("line {0}: expected NAME:PASSWORD")]
    Form(usize),
    /// The name is too long, or has control characters.
    #[error(
        "line {0}: expected a name of at most {USER_BYTES_MAX} bytes without control characters"
    )]
    Name(usize),
    /// The line has nothing after the colon, so anybody could authenticate as the user.
    #[error("line {0}: expected a password after the colon, found none")]
    NoPassword(usize),
    /// The list has no user.
    #[error("line 1: expected one NAME:PASSWORD per line, found no user in the file")]
    NoUser,
    /// The line repeats a user.
    #[error("line {0}: expected each name once, found it twice")]
    Twice(usize),
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} users", self.len())
    }
}

impl Users {
    /// Parses a list with one `NAME:PASSWORD` per line; the first colon separates them. Empty lines
    /// and lines that begin with `#` are skipped. At least one user is required.
    pub fn parse(text: &str) -> Result<Users, UserError> {
        let mut users = Users::default();
        for (index, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let (name, password) = line.split_once(':').ok_or(UserError::Form(number))?;
            if name.is_empty() {
                return Err(UserError::Form(number));
            }
            if name.len() > USER_BYTES_MAX || name.contains(char::is_control) {
                return Err(UserError::Name(number));
            }
            if password.is_empty() {
                return Err(UserError::NoPassword(number));
            }
            let secret = Secret::new(password.as_bytes().to_vec());
            if users.passwords.insert(name.to_owned(), secret).is_some() {
                return Err(UserError::Twice(number));
            }
        }
        if users.is_empty() { Err(UserError::NoUser) } else { Ok(users) }
    }

    /// Returns whether the list has the user, and the proof matches the password.
    pub fn accepts(&self, credentials: &Credentials) -> bool {
        let Some(password) = self.passwords.get(&credentials.user) else { return false };
        match &credentials.proof {
            CredentialProof::Password(said) | CredentialProof::Token(said) => {
                password.is(said.octets())
            }
            CredentialProof::Digest { challenge, digest: said } => {
                said.is(digest(challenge, password.octets()).as_bytes())
            }
        }
    }

    /// Returns the number of users.
    pub fn len(&self) -> usize {
        self.passwords.len()
    }

    /// Returns whether the list has no users.
    pub fn is_empty(&self) -> bool {
        self.passwords.is_empty()
    }
}
