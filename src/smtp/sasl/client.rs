//! The client's side of an exchange: the initial response, and the responses to challenges.
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

use super::account::Account;
use super::cram_md5::digest;
use super::mechanism::Mechanism;
use super::secret::Secret;

/// Maximum length of an AUTH command with its initial response, including CRLF (RFC 4954 section 4:
/// the limit of a command applies, and a longer response waits for a challenge).
const COMMAND_BYTES_MAX: usize = 512;

/// An exchange in progress, after AUTH was sent.
pub struct ClientExchange {
    mechanism: Mechanism,
    next: NextResponse,
    /// Every response that was sent, in base64. The server may repeat one in an error, which then
    /// must not be shown.
    sent: Vec<Secret>,
}

impl fmt::Debug for ClientExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientExchange").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// How to answer the next challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextResponse {
    /// With the whole response, whatever the challenge.
    Whole,
    /// With the user name of LOGIN.
    User,
    /// With the password of LOGIN.
    Password,
    /// With the CRAM-MD5 digest of the challenge.
    Digest,
    /// With an empty response: the challenge is an error of XOAUTH2.
    Empty,
    /// No further challenge is expected.
    None,
}

/// The server sent a challenge that the mechanism does not define.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// A challenge is malformed.
    #[error("the challenge of AUTH {} is not base64 of ASCII text", .0.name())]
    Malformed(Mechanism),
    /// The server sent more challenges than the mechanism has.
    #[error("the server sent more challenges than AUTH {} has", .0.name())]
    OneTooMany(Mechanism),
}

impl ClientExchange {
    /// Begins an exchange: appends the AUTH command to `out`, with the initial response if the
    /// mechanism has one that fits in a command.
    pub fn begin(mechanism: Mechanism, account: &Account, out: &mut Vec<u8>) -> ClientExchange {
        let next = match mechanism {
            Mechanism::Plain | Mechanism::Xoauth2 => NextResponse::Whole,
            Mechanism::Login => NextResponse::User,
            Mechanism::CramMd5 => NextResponse::Digest,
        };
        let mut exchange = ClientExchange { mechanism, next, sent: Vec::new() };
        out.extend_from_slice(b"AUTH ");
        out.extend_from_slice(mechanism.name().as_bytes());
        if next == NextResponse::Whole {
            let initial = exchange.encode(&whole(mechanism, account));
            let command_bytes = "AUTH  \r\n".len() + mechanism.name().len() + initial.len();
            if command_bytes <= COMMAND_BYTES_MAX {
                out.push(b' ');
                out.extend_from_slice(initial.as_bytes());
                exchange.next = exchange.after_whole();
            }
        }
        out.extend_from_slice(b"\r\n");
        exchange
    }

    /// Appends the answer to a challenge (the text after 334) to `out`.
    ///
    /// Errors: the challenge is malformed, or the mechanism has no such challenge; nothing was
    /// appended.
    pub fn respond(
        &mut self,
        challenge: &[u8],
        account: &Account,
        out: &mut Vec<u8>,
    ) -> Result<(), ChallengeError> {
        let response = match self.next {
            NextResponse::Whole => {
                self.next = self.after_whole();
                whole(self.mechanism, account)
            }
            NextResponse::User => {
                self.next = NextResponse::Password;
                account.user.clone().into_bytes()
            }
            NextResponse::Password => {
                self.next = NextResponse::None;
                account.password.octets().to_vec()
            }
            NextResponse::Digest => {
                self.next = NextResponse::None;
                let challenge = decoded(challenge);
                let challenge = challenge.ok_or(ChallengeError::Malformed(self.mechanism))?;
                let digest = digest(&challenge, account.password.octets());
                format!("{} {digest}", account.user).into_bytes()
            }
            NextResponse::Empty => {
                self.next = NextResponse::None;
                Vec::new()
            }
            NextResponse::None => return Err(ChallengeError::OneTooMany(self.mechanism)),
        };
        out.extend_from_slice(self.encode(&response).as_bytes());
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Returns whether `text`, which the server sent, repeats the password or a response.
    pub fn is_repeated_in(&self, text: &[u8], account: &Account) -> bool {
        let is_in = |secret: &Secret| memmem::find(text, secret.octets()).is_some();
        is_in(&account.password) || self.sent.iter().any(is_in)
    }

    /// Returns the state after PLAIN or XOAUTH2 sent its whole response.
    fn after_whole(&self) -> NextResponse {
        match self.mechanism {
            Mechanism::Xoauth2 => NextResponse::Empty,
            _ => NextResponse::None,
        }
    }

    fn encode(&mut self, response: &[u8]) -> String {
        let text = STANDARD.encode(response);
        if !text.is_empty() {
            self.sent.push(Secret::new(text.clone().into_bytes()));
        }
        text
    }
}

/// Returns the only response of PLAIN (RFC 4616 section 2) or XOAUTH2.
fn whole(mechanism: Mechanism, account: &Account) -> Vec<u8> {
    let (user, password) = (account.user.as_bytes(), account.password.octets());
    match mechanism {
        Mechanism::Xoauth2 => [b"user=", user, b"\x01auth=Bearer ", password, b"\x01\x01"].concat(),
        _ => [b"\0", user, b"\0", password].concat(),
    }
}

/// Returns a decoded challenge (RFC 2195 section 2: it has the form of a message identifier).
fn decoded(challenge: &[u8]) -> Option<String> {
    let octets = STANDARD.decode(challenge).ok()?;
    String::from_utf8(octets).ok().filter(|text| text.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::sasl::{Exchange, Preference, SaslProgress, Users};

    fn account(password: &str) -> Account {
        Account::new("ann b", password.as_bytes().to_vec(), Preference::Strongest).unwrap()
    }

    /// Returns the lines that the client sends to a server that sends these challenges.
    fn lines(mechanism: Mechanism, account: &Account, challenges: &[&str]) -> Vec<String> {
        let mut out = Vec::new();
        let mut exchange = ClientExchange::begin(mechanism, account, &mut out);
        for challenge in challenges {
            if let Err(error) = exchange.respond(challenge.as_bytes(), account, &mut out) {
                out.extend_from_slice(format!("{error}\r\n").as_bytes());
            }
        }
        let text = String::from_utf8(out).unwrap();
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn clients_send_the_right_lines() {
        let secret = account("secret");
        for (mechanism, challenges, expected) in [
            // RFC 4616 section 2, RFC 4954 section 4: an initial response.
            (Mechanism::Plain, &[][..], &["AUTH PLAIN AGFubiBiAHNlY3JldA=="][..]),
            (
                Mechanism::Plain,
                &["", ""],
                &[
                    "AUTH PLAIN AGFubiBiAHNlY3JldA==",
                    "the server sent more challenges than AUTH PLAIN has",
                    "the server sent more challenges than AUTH PLAIN has",
                ],
            ),
            // Some servers use other challenges.
            (
                Mechanism::Login,
                &["VXNlcm5hbWU6", "Pass phrase?", ""],
                &[
                    "AUTH LOGIN",
                    "YW5uIGI=",
                    "c2VjcmV0",
                    "the server sent more challenges than AUTH LOGIN has",
                ],
            ),
            (
                Mechanism::CramMd5,
                &["!", ""],
                &[
                    "AUTH CRAM-MD5",
                    "the challenge of AUTH CRAM-MD5 is not base64 of ASCII text",
                    "the server sent more challenges than AUTH CRAM-MD5 has",
                ],
            ),
            // Google's documentation: the error is sent as a challenge, and is answered with an
            // empty line.
            (
                Mechanism::Xoauth2,
                &["eyJzdGF0dXMiOiI0MDAifQ==", ""],
                &[
                    "AUTH XOAUTH2 dXNlcj1hbm4gYgFhdXRoPUJlYXJlciBzZWNyZXQBAQ==",
                    "",
                    "the server sent more challenges than AUTH XOAUTH2 has",
                ],
            ),
        ] {
            assert_eq!(lines(mechanism, &secret, challenges), expected);
        }
    }

    #[test]
    fn an_initial_response_that_does_not_fit_a_command_waits_for_a_challenge() {
        let rows = [(Mechanism::Plain, 365, 366), (Mechanism::Xoauth2, 347, 348)];
        for (mechanism, fits, waits) in rows {
            let short = lines(mechanism, &account(&"p".repeat(fits)), &[]);
            assert!(short[0].len() + 2 <= COMMAND_BYTES_MAX && short[0].contains("cHBw"));
            let long = lines(mechanism, &account(&"p".repeat(waits)), &["", ""]);
            assert_eq!(long[0], format!("AUTH {}", mechanism.name()));
            assert!(long[1].len() > 400);
            let after = if mechanism == Mechanism::Xoauth2 { "" } else { "the server sent" };
            assert!(long[2].starts_with(after), "{long:?}");
        }
    }

    #[test]
    fn the_server_accepts_the_client_of_each_mechanism() {
        let users = Users::parse("ann b:s3cr3t").unwrap();
        for mechanism in Mechanism::ALL {
            for (password, is_right) in [("s3cr3t", true), ("wrong", false)] {
                let account = account(password);
                let mut out = Vec::new();
                let mut client = ClientExchange::begin(mechanism, &account, &mut out);
                let command = String::from_utf8(out).unwrap();
                let initial = command.trim_end().split(' ').nth(2).map(str::as_bytes);
                let mut progress = Exchange::begin(mechanism, initial, "<1.2@sink>".into());
                let credentials = loop {
                    match progress.unwrap() {
                        SaslProgress::Challenge(exchange, text) => {
                            let mut line = Vec::new();
                            client.respond(text.as_bytes(), &account, &mut line).unwrap();
                            progress = exchange.respond(line.trim_ascii_end());
                        }
                        SaslProgress::Claimed(credentials) => break credentials,
                        SaslProgress::Refused => panic!("nothing was refused"),
                    }
                };
                assert_eq!(users.accepts(&credentials), is_right, "{mechanism:?} {password}");
            }
        }
    }

    #[test]
    fn text_that_repeats_a_secret_is_detected() {
        let account = account("secret");
        let mut out = Vec::new();
        let exchange = ClientExchange::begin(Mechanism::Plain, &account, &mut out);
        assert!(exchange.is_repeated_in(b"unknown: AUTH PLAIN AGFubiBiAHNlY3JldA==", &account));
        assert!(exchange.is_repeated_in(b"not secret", &account));
        assert!(!exchange.is_repeated_in(b"5.7.8 authentication failed", &account));
    }
}
