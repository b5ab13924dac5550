//! XCLIENT as Postfix defines it (its `XCLIENT_README`): a client that is trusted says for which
//! client it speaks.
//!
//! ```text
//! "XCLIENT" 1*( SP attribute "=" value )      value = 1*255 octets of xtext (RFC 3461 4)
//! ```
//!
//! The parser is pure and never guesses: a command is right as a whole, or an error that names the
//! rule it broke. Stricter than Postfix: a value that is not xtext, an attribute that stands
//! twice, a port beyond 65535 and the addresses 0.0.0.0 and `::` are errors. What a value decodes
//! to is checked octet by octet, so no line end and no other control character leaves this parser.
mod attribute;
mod claims;
mod error;

pub use attribute::Attribute;
pub use claims::{Claim, ClientClaims, ClientProtocol};
pub use error::XclientError;

use super::param;

/// Octets of a value, as sent.
pub const VALUE_BYTES_MAX: usize = 255;

/// Reads what follows the verb.
///
/// Allocates the name of HELO, and a value that has encoded octets, for as long as it is looked at.
///
/// ```
/// use sinkd::smtp::xclient::{Claim, parse};
/// let claims = parse(b"ADDR=IPV6:2001:db8::7 PORT=[UNAVAILABLE] NAME=mx.example").unwrap();
/// assert_eq!(claims.address, Some(Claim::Known("2001:db8::7".parse().unwrap())));
/// assert_eq!(claims.port, Some(Claim::Unavailable));
/// ```
pub fn parse(argument: &[u8]) -> Result<ClientClaims, XclientError> {
    let mut claims = ClientClaims::default();
    let mut seen = [false; Attribute::ALL.len()];
    for word in argument.split(|octet| *octet == b' ') {
        let equals = memchr::memchr(b'=', word).ok_or(XclientError::Form)?;
        let attribute = Attribute::from_name(&word[..equals]).ok_or(XclientError::Attribute)?;
        let value = decode(&word[equals + 1..])?;
        if std::mem::replace(&mut seen[attribute as usize], true) {
            return Err(XclientError::Twice);
        }
        claims.take(attribute, &value)?;
    }
    Ok(claims)
}

/// The octets that a value stands for.
fn decode(value: &[u8]) -> Result<Vec<u8>, XclientError> {
    if !(1..=VALUE_BYTES_MAX).contains(&value.len()) || !param::is_xtext(value) {
        return Err(XclientError::Value);
    }
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((octet, behind)) = rest.split_first() {
        rest = behind;
        match (octet, behind.split_first_chunk()) {
            (b'+', Some(([high, low], after))) => {
                decoded.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            _ => decoded.push(*octet),
        }
    }
    Ok(decoded)
}

/// The value of a hex digit, in upper case as xtext has them.
fn hex(digit: u8) -> u8 {
    if digit.is_ascii_digit() { digit - b'0' } else { digit - b'A' + 10 }
}

/// Panics if what is read of `argument` has an octet that may not stand in an envelope, or is not
/// the same wherever its attributes stand: what the fuzz target calls.
pub fn check_xclient(argument: &[u8]) {
    let found = parse(argument);
    if let Ok(ClientClaims { hello: Some(Claim::Known(name)), .. }) = &found {
        assert!((1..=VALUE_BYTES_MAX).contains(&name.len()));
        assert!(name.iter().all(u8::is_ascii_graphic), "{}", name.escape_ascii());
    }
    let mut words: Vec<&[u8]> = argument.split(|octet| *octet == b' ').collect();
    words.reverse();
    let reversed = parse(&words.join(&b' '));
    assert_eq!(found.is_ok(), reversed.is_ok());
    if found.is_ok() {
        assert_eq!(found, reversed);
    }
}

#[cfg(test)]
mod tests;
