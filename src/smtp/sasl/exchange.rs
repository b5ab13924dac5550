//! The server's side of an exchange of challenges and responses.
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::credentials::{CredentialProof, Credentials, USER_BYTES_MAX};
use super::mechanism::Mechanism;
use super::secret::Secret;

/// An exchange that waits for the client's response. Stores at most a user name or a challenge.
pub struct Exchange {
    waits_for: Response,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("mechanism", &self.mechanism()).finish_non_exhaustive()
    }
}

/// The meaning of the next response.
enum Response {
    /// The credentials of PLAIN.
    Plain,
    /// The credentials of XOAUTH2.
    Xoauth2,
    /// Anything: XOAUTH2 was refused, and the client acknowledges that.
    Xoauth2Refused,
    /// The user name of LOGIN.
    LoginUser,
    /// The password of LOGIN, for this user.
    LoginPassword(String),
    /// The CRAM-MD5 digest of this challenge.
    CramMd5(String),
}

/// The state of an exchange after a response.
pub enum SaslProgress {
    /// Send this challenge in base64, and wait for the response.
    Challenge(Exchange, String),
    /// The client has presented its credentials.
    Claimed(Credentials),
    /// The client has acknowledged that its token is refused.
    Refused,
}

/// A response that breaks the rules of its mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The response is not base64.
    Base64,
    /// The response has the wrong form for the mechanism.
    Form,
}

/// What Google sends for a token that it refuses.
const TOKEN_REFUSED: &str =
    r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#;

impl Exchange {
    /// Begins an exchange. `initial` is the initial response as given in the AUTH command.
    /// `challenge` is the unique `<NUMBER@HOST>` that CRAM-MD5 sends.
    pub fn begin(
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        challenge: String,
    ) -> Result<SaslProgress, Malformed> {
        let (waits_for, text) = match mechanism {
            Mechanism::Plain => (Response::Plain, String::new()),
            Mechanism::Xoauth2 => (Response::Xoauth2, String::new()),
            Mechanism::Login => (Response::LoginUser, "Username:".into()),
            // The server speaks first in CRAM-MD5, so an initial response is an error.
            Mechanism::CramMd5 if initial.is_some() => return Err(Malformed::Form),
            Mechanism::CramMd5 => (Response::CramMd5(challenge.clone()), challenge),
        };
        let exchange = Exchange { waits_for };
        match initial {
            Some(b"=") => exchange.take(&[]),
            Some(octets) => exchange.respond(octets),
            None => Ok(SaslProgress::Challenge(exchange, STANDARD.encode(text))),
        }
    }

    /// Returns the exchange after an XOAUTH2 token was refused, and the error to send as a
    /// challenge.
    pub fn refuse_token() -> (Exchange, String) {
        let exchange = Exchange { waits_for: Response::Xoauth2Refused };
        (exchange, STANDARD.encode(TOKEN_REFUSED))
    }

    /// Returns the mechanism that the client chose.
    pub fn mechanism(&self) -> Mechanism {
        match self.waits_for {
            Response::Plain => Mechanism::Plain,
            Response::Xoauth2 | Response::Xoauth2Refused => Mechanism::Xoauth2,
            Response::LoginUser | Response::LoginPassword(_) => Mechanism::Login,
            Response::CramMd5(_) => Mechanism::CramMd5,
        }
    }

    /// Handles a response in base64; an empty line is an empty response.
    pub fn respond(self, line: &[u8]) -> Result<SaslProgress, Malformed> {
        if matches!(self.waits_for, Response::Xoauth2Refused) {
            return Ok(SaslProgress::Refused);
        }
        let octets = STANDARD.decode(line).map_err(|_| Malformed::Base64)?;
        self.take(&octets)
    }

    fn take(self, octets: &[u8]) -> Result<SaslProgress, Malformed> {
        let credentials = match self.waits_for {
            Response::LoginUser => {
                let exchange = Exchange { waits_for: Response::LoginPassword(user(octets)?) };
                return Ok(SaslProgress::Challenge(exchange, STANDARD.encode("Password:")));
            }
            Response::LoginPassword(user) => {
                let proof = CredentialProof::Password(Secret::new(octets.to_vec()));
                Credentials { user, proof }
            }
            Response::CramMd5(challenge) => digest(octets, challenge)?,
            Response::Xoauth2 => token(octets)?,
            Response::Plain => plain(octets)?,
            Response::Xoauth2Refused => return Ok(SaslProgress::Refused),
        };
        Ok(SaslProgress::Claimed(credentials))
    }
}

/// Checks a user name against the rules for envelopes.
fn user(octets: &[u8]) -> Result<String, Malformed> {
    let text = std::str::from_utf8(octets).map_err(|_| Malformed::Form)?;
    let is_good = (1..=USER_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
    if is_good { Ok(text.to_owned()) } else { Err(Malformed::Form) }
}

/// Parses `[authorization identity] NUL user NUL password` (RFC 4616 section 2). The authorization
/// identity is ignored.
fn plain(octets: &[u8]) -> Result<Credentials, Malformed> {
    let mut parts = octets.split(|octet| *octet == 0);
    let (Some(_), Some(name), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Malformed::Form);
    };
    Ok(Credentials {
        user: user(name)?,
        proof: CredentialProof::Password(Secret::new(password.to_vec())),
    })
}

/// Parses `user SP digest`; the name may contain spaces.
fn digest(octets: &[u8], challenge: String) -> Result<Credentials, Malformed> {
    let space = memchr::memrchr(b' ', octets).ok_or(Malformed::Form)?;
    let (name, digits) = (&octets[..space], &octets[space + 1..]);
    if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed::Form);
    }
    let digest = Secret::new(digits.to_ascii_lowercase());
    Ok(Credentials { user: user(name)?, proof: CredentialProof::Digest { challenge, digest } })
}

/// Parses `user=NAME ^A auth=Bearer TOKEN ^A ^A`.
fn token(octets: &[u8]) -> Result<Credentials, Malformed> {
    let rest = octets.strip_suffix(b"\x01\x01").ok_or(Malformed::Form)?;
    let (mut name, mut token) = (None, None);
    for field in rest.split(|octet| *octet == 1) {
        if let Some(value) = field.strip_prefix(b"user=") {
            name = Some(user(value)?);
        } else if let Some(value) = field.strip_prefix(b"auth=Bearer ") {
            token = Some(Secret::new(value.to_vec()));
        }
    }
    let (user, token) = (name.ok_or(Malformed::Form)?, token.ok_or(Malformed::Form)?);
    Ok(Credentials { user, proof: CredentialProof::Token(token) })
}
