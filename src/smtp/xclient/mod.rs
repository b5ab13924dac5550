//! XCLIENT as Postfix defines it (in `XCLIENT_README`): a trusted client names the client that it
//! acts for.
//!
//! ```text
//! "XCLIENT" 1*( SP attribute "=" value )      value = 1*255 octets of xtext (RFC 3461 4)
//! ```
//!
//! The parser does no I/O and never guesses: a command is valid as a whole, or an error names the
//! rule that it breaks. It is stricter than Postfix: a value that is not xtext, a repeated
//! attribute, a port above 65535 and the addresses 0.0.0.0 and `::` are errors. Decoded values are
//! checked too, so that they contain no line ends or other control characters.
mod attribute;
mod claims;
mod error;

pub use attribute::Attribute;
pub use claims::{AttributeValue, ClientClaims, ClientProtocol};
pub use error::XclientError;

use super::param;

/// Maximum length of a value as sent, in octets.
pub const VALUE_BYTES_MAX: usize = 255;

/// Parses the text after the verb.
///
/// Allocates the HELO name, and temporarily each decoded value.
///
/// ```
/// use sinkd::smtp::xclient::{AttributeValue, parse};
/// let claims = parse(b"ADDR=IPV6:2001:db8::7 PORT=[UNAVAILABLE] NAME=mx.example").unwrap();
/// assert_eq!(claims.address, Some(AttributeValue::Known("2001:db8::7".parse().unwrap())));
/// assert_eq!(claims.port, Some(AttributeValue::Unavailable));
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

/// Decodes xtext.
fn decode(value: &[u8]) -> Result<Vec<u8>, XclientError> {
    if !(1..=VALUE_BYTES_MAX).contains(&value.len()) || !param::is_xtext(value) {
        return Err(XclientError::Value);
    }
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        match (octet, after.split_first_chunk()) {
            (b'+', Some(([high, low], after))) => {
                decoded.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            _ => decoded.push(*octet),
        }
    }
    Ok(decoded)
}

/// Returns the value of an upper-case hex digit, as xtext requires.
fn hex(digit: u8) -> u8 {
    if digit.is_ascii_digit() { digit - b'0' } else { digit - b'A' + 10 }
}

/// Checks for the fuzz target `xclient`: panics if a parsed value has an octet that may not appear
/// in an envelope, or depends on the order of the attributes.
#[cfg(feature = "testkit")]
pub fn check_xclient(argument: &[u8]) {
    let found = parse(argument);
    if let Ok(ClientClaims { hello: Some(AttributeValue::Known(name)), .. }) = &found {
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
