//! Version 2 of the header: binary, with type-length-values (section 2.2).
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::error::ProxyError;
use super::header::{ClientEnd, Endpoints, HEADER_BYTES_MAX, Header, Whole};
use super::tls::ClientTls;
use super::tlv::Tlvs;

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length of the rest.
const FIXED_BYTES: usize = 16;

/// Whose connection it is.
#[derive(Clone, Copy)]
enum Command {
    /// The proxy's own, such as a check of the server's health.
    Local,
    /// A client's.
    Proxy,
}

/// Address family and transport of a client's connection.
#[derive(Clone, Copy)]
enum Family {
    /// The proxy does not know its client.
    Unspecified,
    Tcp4,
    Tcp6,
    Unix,
}

/// The types of TLVs that are interpreted.
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const TLS: u8 = 0x20;

/// Parses a (possibly incomplete) header that begins with [`SIGNATURE`].
pub(super) fn parse(octets: &[u8]) -> Result<Option<Whole<'_>>, ProxyError> {
    let rest = octets.get(SIGNATURE.len()..).unwrap_or_default();
    // Errors are returned as early as possible: the client may never send more.
    let Some(&version_and_command) = rest.first() else { return Ok(None) };
    let command = Command::parse(version_and_command)?;
    let Some(&family) = rest.get(1) else { return Ok(None) };
    // Receivers ignore the family and the addresses of LOCAL, but not its length.
    let family = match command {
        Command::Local => None,
        Command::Proxy => Some(Family::parse(family)?),
    };
    let address_bytes = family.map_or(0, Family::address_bytes);
    let Some(&[high, low]) = rest.get(2..4).and_then(|length| length.first_chunk()) else {
        return Ok(None);
    };
    let whole_bytes = FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if whole_bytes > HEADER_BYTES_MAX {
        return Err(ProxyError::TooLong(whole_bytes));
    }
    if whole_bytes < FIXED_BYTES + address_bytes {
        return Err(ProxyError::Addresses);
    }
    let Some(header) = octets.get(..whole_bytes) else { return Ok(None) };
    let Some(family) = family else { return Ok(Some((Header::Local, whole_bytes))) };
    let (addresses, tlvs) = header[FIXED_BYTES..].split_at(address_bytes);
    let tls = client_tls(header, tlvs)?;
    let header = match endpoints(family, addresses) {
        Some(endpoints) => Header::Proxied { endpoints, tls },
        None => Header::Local,
    };
    Ok(Some((header, whole_bytes)))
}

impl Command {
    /// Parses the octet of version and command.
    fn parse(octet: u8) -> Result<Command, ProxyError> {
        match (octet >> 4, octet & 0x0f) {
            (2, 0) => Ok(Command::Local),
            (2, 1) => Ok(Command::Proxy),
            (2, command) => Err(ProxyError::Command(command)),
            (version, _) => Err(ProxyError::Version(version)),
        }
    }
}

impl Family {
    /// Parses the octet of family and transport.
    fn parse(octet: u8) -> Result<Family, ProxyError> {
        match octet {
            0x00 => Ok(Family::Unspecified),
            0x11 => Ok(Family::Tcp4),
            0x21 => Ok(Family::Tcp6),
            0x31 => Ok(Family::Unix),
            family => Err(ProxyError::Family(family)),
        }
    }

    /// Returns the length of the addresses before the TLVs.
    fn address_bytes(self) -> usize {
        match self {
            Family::Unspecified => 0,
            Family::Tcp4 => 12,
            Family::Tcp6 => 36,
            // Two paths of 108 octets each.
            Family::Unix => 216,
        }
    }
}

/// Decodes the addresses; `None` if the proxy does not know its client.
fn endpoints(family: Family, addresses: &[u8]) -> Option<Endpoints> {
    let tcp = |source: IpAddr, destination: IpAddr, ports: [u8; 4]| {
        let [s0, s1, d0, d1] = ports;
        Endpoints {
            source: ClientEnd::Tcp(SocketAddr::new(source, u16::from_be_bytes([s0, s1]))),
            destination: Some(SocketAddr::new(destination, u16::from_be_bytes([d0, d1]))),
        }
    };
    let (addresses, ports) = match family {
        Family::Unspecified => return None,
        Family::Unix => {
            return Some(Endpoints { source: ClientEnd::Unix, destination: None });
        }
        Family::Tcp4 | Family::Tcp6 => addresses.split_last_chunk::<4>()?,
    };
    if let Ok(both) = <[u8; 8]>::try_from(addresses) {
        let [s0, s1, s2, s3, d0, d1, d2, d3] = both;
        let (source, destination) = (Ipv4Addr::new(s0, s1, s2, s3), Ipv4Addr::new(d0, d1, d2, d3));
        return Some(tcp(source.into(), destination.into(), *ports));
    }
    let (source, destination) = addresses.split_first_chunk::<16>()?;
    let destination = <[u8; 16]>::try_from(destination).ok()?;
    let (source, destination) = (Ipv6Addr::from(*source), Ipv6Addr::from(destination));
    Some(tcp(source.into(), destination.into(), *ports))
}

/// Reads the TLVs of a complete `header`, and checks its checksum if it has one.
fn client_tls<'a>(header: &'a [u8], tlvs: &'a [u8]) -> Result<Option<ClientTls<'a>>, ProxyError> {
    let (mut tls, mut server_name) = (None, &b""[..]);
    let mut tlvs = Tlvs::new(tlvs);
    while let Some(tlv) = tlvs.next() {
        match tlv? {
            (AUTHORITY, value) => server_name = value,
            (TLS, value) => tls = ClientTls::parse(value)?,
            (CRC32C, value) => {
                let crc = value.try_into().map_err(|_| ProxyError::Checksum)?;
                let (before, after) = header.split_at(header.len() - tlvs.rest().len());
                check(&before[..before.len() - value.len()], crc, after)?;
            }
            _ => {}
        }
    }
    Ok(tls.map(|tls| ClientTls { server_name, ..tls }))
}

/// Verifies the checksum, which is computed as if its own four octets were 0.
fn check(before: &[u8], crc: [u8; 4], after: &[u8]) -> Result<(), ProxyError> {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(before);
    digest.update(&[0; 4]);
    digest.update(after);
    if digest.finalize() == u64::from(u32::from_be_bytes(crc)) {
        Ok(())
    } else {
        Err(ProxyError::Checksum)
    }
}
