//! How a client proves its identity (RFC 4422, RFC 4954): four mechanisms, each a small machine
//! that takes the client's responses and returns what comes next.
//!
//! ```text
//! AUTH PLAIN AGFubgBzZWNyZXQ=      the initial response, in base64; = is an empty one
//! 334 VXNlcm5hbWU6                 a challenge, in base64; the client answers with a line
//! ```
//!
//! Pure: no clock, no randomness (a challenge's number is an argument). Secrets are a type that
//! cannot be printed, and nothing here keeps one longer than the exchange.
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
pub use credentials::{Credentials, Proof, USER_BYTES_MAX};
pub use exchange::{Exchange, Malformed, Progress};
pub use mechanism::Mechanism;
pub use secret::Secret;
pub use users::{UserError, Users};

/// Octets of a client's line while it authenticates, CRLF included (RFC 4954 section 4).
pub const LINE_BYTES_MAX: usize = 12_288;

/// Panics if a user is claimed whose name may not stand in an envelope: what the fuzz target calls.
///
/// `bytes`: the mechanism, then the client's lines; the first is the initial response, unless it is
/// a dash.
pub fn check_sasl(bytes: &[u8]) {
    let [which, lines @ ..] = bytes else { return };
    let mechanism = Mechanism::ALL[usize::from(*which) % Mechanism::ALL.len()];
    let mut lines = lines.split(|octet| *octet == b'\n');
    let initial = lines.next().filter(|line| *line != b"-");
    let mut progress = Exchange::begin(mechanism, initial, "<1.1@sink.example>".into());
    while let Ok(Progress::Challenge(exchange, _)) = progress {
        let Some(line) = lines.next() else { return };
        progress = exchange.respond(line);
    }
    if let Ok(Progress::Claimed(Credentials { user, .. })) = progress {
        assert!((1..=USER_BYTES_MAX).contains(&user.len()));
        assert!(!user.contains(char::is_control), "{}", user.escape_debug());
    }
}
