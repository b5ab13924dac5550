//! Authentication (RFC 4422, RFC 4954): four mechanisms, each a state machine that takes the
//! client's responses and returns the next step.
//!
//! ```text
//! AUTH PLAIN AGFubgBzZWNyZXQ=      the initial response, in base64; = is an empty one
//! 334 VXNlcm5hbWU6                 a challenge, in base64; the client answers with a line
//! ```
//!
//! No clock and no randomness: the number in a challenge is an argument. Secrets have a type that
//! can't be printed, and are dropped at the end of the exchange.
mod account;
mod challenges;
mod client;
mod cram_md5;
mod credentials;
mod exchange;
mod mechanism;
mod secret;
#[cfg(test)]
mod tests;
mod users;

pub use account::{Account, AccountError, PASSWORD_BYTES_MAX, Preference};
pub use challenges::Challenges;
pub use client::{ChallengeError, ClientExchange};
pub use credentials::{CredentialProof, Credentials, USER_BYTES_MAX};
pub use exchange::{Exchange, Malformed, SaslProgress};
pub use mechanism::Mechanism;
pub use secret::Secret;
pub use users::{UserError, Users};

/// Maximum length of a client's line during AUTH, including CRLF (RFC 4954 section 4).
pub const LINE_BYTES_MAX: usize = 12_288;

/// Checks for the fuzz target `sasl`: panics if the exchange accepts a user name that may not
/// appear in an envelope.
///
/// `bytes`: the mechanism, then the client's lines. The first line is the initial response, unless
/// it is a dash.
#[cfg(feature = "testkit")]
pub fn check_sasl(bytes: &[u8]) {
    let [which, lines @ ..] = bytes else { return };
    let mechanism = Mechanism::ALL[usize::from(*which) % Mechanism::ALL.len()];
    let mut lines = lines.split(|octet| *octet == b'\n');
    let initial = lines.next().filter(|line| *line != b"-");
    let mut progress = Exchange::begin(mechanism, initial, "<1.1@sink.example>".into());
    while let Ok(SaslProgress::Challenge(exchange, _)) = progress {
        let Some(line) = lines.next() else { return };
        progress = exchange.respond(line);
    }
    if let Ok(SaslProgress::Claimed(Credentials { user, .. })) = progress {
        assert!((1..=USER_BYTES_MAX).contains(&user.len()));
        assert!(!user.contains(char::is_control), "{}", user.escape_debug());
    }
}
