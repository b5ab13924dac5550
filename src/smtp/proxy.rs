//! The PROXY protocol, versions 1 and 2, as a receiver reads it: HAProxy's
//! `doc/proxy-protocol.txt` of 2020-03-05.
//!
//! A load balancer sends one header before anything else, and names in it the client for which it
//! speaks. The parser is pure, allocates nothing, and never guesses: octets are a header, the
//! beginning of one, or an error. Its caller bounds what it collects to [`HEADER_BYTES_MAX`].
mod binary;
mod error;
mod header;
mod text;
mod tls;
mod tlv;

pub use error::ProxyError;
pub use header::{ClientEnd, Endpoints, HEADER_BYTES_MAX, Header, Whole};
pub use tls::ClientTls;

/// Reads the header at the start of `octets`. `None`: more octets are needed to tell.
///
/// Costs one pass over the header, and its checksum where it has one.
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

/// Panics if the answer to `octets` depends on what follows the header, or if an answer changes
/// once it is given: what the fuzz target calls.
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
#[path = "proxy/tests.rs"]
mod tests;
