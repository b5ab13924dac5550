//! Version 1 of the header: one line of text (section 2.1).
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::error::ProxyError;
use super::header::{ClientEnd, Endpoints, Header, Whole};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";
/// Maximum length of a line, including CRLF.
const LINE_BYTES_MAX: usize = 107;

/// Parses a (possibly incomplete) line that begins with [`SIGNATURE`].
pub(super) fn parse(octets: &[u8]) -> Result<Option<Whole<'_>>, ProxyError> {
    let seen = &octets[..octets.len().min(LINE_BYTES_MAX)];
    let Some(line_feed) = memchr::memchr(b'\n', seen) else {
        let is_full = seen.len() == LINE_BYTES_MAX;
        return if is_full { Err(ProxyError::LineTooLong) } else { Ok(None) };
    };
    let line = seen[..line_feed].strip_suffix(b"\r").ok_or(ProxyError::BadLine)?;
    let line = line.strip_prefix(SIGNATURE).ok_or(ProxyError::BadLine)?;
    let line = std::str::from_utf8(line).map_err(|_| ProxyError::BadLine)?;
    let header = header(line).ok_or(ProxyError::BadLine)?;
    Ok(Some((header, line_feed + 1)))
}

/// Parses the text after `PROXY `, without the line end.
fn header(line: &str) -> Option<Header<'static>> {
    let (family, rest) = line.split_once(' ').unwrap_or((line, ""));
    match family {
        // The rest of the line must be ignored.
        "UNKNOWN" => Some(Header::Local),
        "TCP4" => proxied::<Ipv4Addr>(rest),
        "TCP6" => proxied::<Ipv6Addr>(rest),
        _ => None,
    }
}

fn proxied<A: FromStr + Into<IpAddr>>(rest: &str) -> Option<Header<'static>> {
    let mut words = rest.split(' ');
    let mut address = || words.next()?.parse::<A>().ok().map(Into::into);
    let (source, destination) = (address()?, address()?);
    let (source_port, destination_port) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    let endpoints = Endpoints {
        source: ClientEnd::Tcp(SocketAddr::new(source, source_port)),
        destination: Some(SocketAddr::new(destination, destination_port)),
    };
    Some(Header::Proxied { endpoints, tls: None })
}

/// Parses decimal digits without a sign or leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_plain = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    if is_plain { text.parse().ok() } else { None }
}
