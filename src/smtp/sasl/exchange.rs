//! One exchange of challenges and responses.
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::credentials::{Credentials, Proof, USER_BYTES_MAX};
use super::mechanism::Mechanism;
use super::secret::Secret;

/// An exchange that waits for the client's response. Its memory: a name, at most.
pub struct Exchange {
    mechanism: Mechanism,
    waits_for: Response,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// What the next response is.
enum Response {
    /// All of it: PLAIN, XOAUTH2.
    Whole,
    /// LOGIN.
    User,
    /// LOGIN, of this user.
    Password(String),
    /// CRAM-MD5, to this challenge.
    Digest(String),
    /// Any: XOAUTH2 was refused, and the client says that it knows.
    Refused,
}

/// How far an exchange has come.
pub enum Progress {
    /// The client is sent this challenge, in base64, and answers.
    Challenge(Exchange, String),
    /// The client has said all.
    Claimed(Credentials),
    /// The client has heard that its token is refused.
    Refused,
}

/// A response that is not what the mechanism asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It is not base64.
    Base64,
    /// It has another form than the mechanism's.
    Form,
}

/// What Google answers to a token that it refuses.
const TOKEN_REFUSED: &str =
    r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#;

impl Exchange {
    /// Begins: `initial` is the initial response, as it stands in the AUTH command. `challenge` is
    /// what CRAM-MD5 sends: `<NUMBER@HOST>`, another one each time.
    pub fn begin(
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        challenge: String,
    ) -> Result<Progress, Malformed> {
        let (waits_for, text) = match mechanism {
            Mechanism::Plain | Mechanism::Xoauth2 => (Response::Whole, String::new()),
            Mechanism::Login => (Response::User, "Username:".into()),
            // The server speaks first, so an initial response is none.
            Mechanism::CramMd5 if initial.is_some() => return Err(Malformed::Form),
            Mechanism::CramMd5 => (Response::Digest(challenge.clone()), challenge),
        };
        let exchange = Exchange { mechanism, waits_for };
        match initial {
            Some(b"=") => exchange.take(&[]),
            Some(octets) => exchange.respond(octets),
            None => Ok(Progress::Challenge(exchange, STANDARD.encode(text))),
        }
    }

    /// XOAUTH2: what the client sent is refused. It hears why, and then that it failed.
    pub fn refuse_token() -> (Exchange, String) {
        let exchange = Exchange { mechanism: Mechanism::Xoauth2, waits_for: Response::Refused };
        (exchange, STANDARD.encode(TOKEN_REFUSED))
    }

    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Takes a response, in base64; an empty line is an empty response.
    pub fn respond(self, line: &[u8]) -> Result<Progress, Malformed> {
        if matches!(self.waits_for, Response::Refused) {
            return Ok(Progress::Refused);
        }
        let octets = STANDARD.decode(line).map_err(|_| Malformed::Base64)?;
        self.take(&octets)
    }

    fn take(self, octets: &[u8]) -> Result<Progress, Malformed> {
        let credentials = match (self.waits_for, self.mechanism) {
            (Response::User, _) => {
                let waits_for = Response::Password(user(octets)?);
                let exchange = Exchange { mechanism: self.mechanism, waits_for };
                return Ok(Progress::Challenge(exchange, STANDARD.encode("Password:")));
            }
            (Response::Password(user), _) => {
                let proof = Proof::Password(Secret::new(octets.to_vec()));
                Credentials { user, proof }
            }
            (Response::Digest(challenge), _) => digest(octets, challenge)?,
            (Response::Whole, Mechanism::Xoauth2) => token(octets)?,
            (Response::Whole, _) => plain(octets)?,
            (Response::Refused, _) => return Ok(Progress::Refused),
        };
        Ok(Progress::Claimed(credentials))
    }
}

/// A name as it may stand in an envelope.
fn user(octets: &[u8]) -> Result<String, Malformed> {
    let text = std::str::from_utf8(octets).map_err(|_| Malformed::Form)?;
    let is_good = (1..=USER_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
    if is_good { Ok(text.to_owned()) } else { Err(Malformed::Form) }
}

/// `[authorization identity] NUL user NUL password` (RFC 4616 section 2). The authorization
/// identity is not looked at.
fn plain(octets: &[u8]) -> Result<Credentials, Malformed> {
    let mut parts = octets.split(|octet| *octet == 0);
    let (Some(_), Some(name), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Malformed::Form);
    };
    Ok(Credentials { user: user(name)?, proof: Proof::Password(Secret::new(password.to_vec())) })
}

/// `user SP digest`; the name may have spaces.
fn digest(octets: &[u8], challenge: String) -> Result<Credentials, Malformed> {
    let space = memchr::memrchr(b' ', octets).ok_or(Malformed::Form)?;
    let (name, digits) = (&octets[..space], &octets[space + 1..]);
    if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed::Form);
    }
    let digest = Secret::new(digits.to_ascii_lowercase());
    Ok(Credentials { user: user(name)?, proof: Proof::Digest { challenge, digest } })
}

/// `user=NAME ^A auth=Bearer TOKEN ^A ^A`.
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
    Ok(Credentials { user, proof: Proof::Token(token) })
}
