//! The receiver's side of the PROXY protocol, versions 1 and 2, as defined in HAProxy's
//! `doc/proxy-protocol.txt` of 2020-03-05.
//!
//! Before anything else, a load balancer sends one header, which names the client it connects for.
//! The parser does no I/O, allocates nothing, and never guesses: octets are a header, the beginning
//! of one, or an error. The caller buffers at most [`HEADER_BYTES_MAX`].
mod binary;
mod error;
mod header;
mod text;
mod tls;
mod tlv;

pub use error::ProxyError;
pub use header::{ClientEnd, Endpoints, HEADER_BYTES_MAX, Header, Whole};
pub use tls::ClientTls;

/// Parses the header at the start of `octets`. Returns `None` if more octets are needed.
///
/// Costs one pass over the header, and its checksum if it has one.
pub fn parse(octets: &[u8]) -> Result<Option<Whole<'_>>, ProxyError> {
    let begins = |signature: &[u8]| octets.iter().zip(signature).all(|(left, right)| left == right);
    if begins(binary::SIGNATURE) {
        return binary::parse(octets);
    }
    if begins(text::SIGNATURE) {
        return text::parse(octets);
    }
    Err(ProxyError::NoHeader)
}

/// Checks for the fuzz target `proxy`: panics if the result depends on octets after the header, or
/// if it changes when more octets arrive.
#[cfg(feature = "testkit")]
pub fn check_header(octets: &[u8]) {
    let whole = parse(octets);
    for length in 0..octets.len() {
        match parse(&octets[..length]) {
            Ok(None) => {}
            earlier => assert_eq!(earlier, whole, "after {length} octets"),
        }
    }
    if let Ok(Some((_, length))) = whole {
        assert_eq!(parse(&octets[..length]), whole);
    }
}

#[cfg(test)]
mod tests;
