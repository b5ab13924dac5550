//! Version 2 of the header: binary, with type-length-values (section 2.2).
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::error::ProxyError;
use super::header::{ClientEnd, Endpoints, HEADER_BYTES_MAX, Header, Whole};
use super::tls::ClientTls;
use super::tlv::Tlvs;

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length of the rest.
const FIXED_BYTES: usize = 16;

const LOCAL: u8 = 0;
const PROXY: u8 = 1;

const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;
/// Two paths of 108 octets each.
const UNIX_BYTES: usize = 216;

/// The types of TLVs that are interpreted.
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const TLS: u8 = 0x20;

/// Parses a (possibly incomplete) header that begins with [`SIGNATURE`].
pub(super) fn parse(octets: &[u8]) -> Result<Option<Whole<'_>>, ProxyError> {
    let rest = octets.get(SIGNATURE.len()..).unwrap_or_default();
    // Errors are returned as early as possible: the client may never send more.
    let Some(&version_and_command) = rest.first() else { return Ok(None) };
    let command = command(version_and_command)?;
    let Some(&family) = rest.get(1) else { return Ok(None) };
    let address_bytes = address_bytes(command, family)?;
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
    if command == LOCAL {
        return Ok(Some((Header::Local, whole_bytes)));
    }
    let (addresses, tlvs) = header[FIXED_BYTES..].split_at(address_bytes);
    let tls = client_tls(header, tlvs)?;
    let header = match endpoints(family, addresses) {
        Some(endpoints) => Header::Proxied { endpoints, tls },
        None => Header::Local,
    };
    Ok(Some((header, whole_bytes)))
}

fn command(octet: u8) -> Result<u8, ProxyError> {
    match (octet >> 4, octet & 0x0f) {
        (2, command @ (LOCAL | PROXY)) => Ok(command),
        (2, command) => Err(ProxyError::Command(command)),
        (version, _) => Err(ProxyError::Version(version)),
    }
}

/// Returns the length of the addresses before the TLVs. Receivers ignore the content of LOCAL, but
/// not its length.
fn address_bytes(command: u8, family: u8) -> Result<usize, ProxyError> {
    match family {
        _ if command == LOCAL => Ok(0),
        UNSPECIFIED => Ok(0),
        TCP4 => Ok(12),
        TCP6 => Ok(36),
        UNIX_STREAM => Ok(UNIX_BYTES),
        family => Err(ProxyError::Family(family)),
    }
}

/// Returns `None` if the proxy does not know its client.
fn endpoints(family: u8, addresses: &[u8]) -> Option<Endpoints> {
    let tcp = |source: IpAddr, destination: IpAddr, ports: [u8; 4]| {
        let [s0, s1, d0, d1] = ports;
        Endpoints {
            source: ClientEnd::Tcp(SocketAddr::new(source, u16::from_be_bytes([s0, s1]))),
            destination: Some(SocketAddr::new(destination, u16::from_be_bytes([d0, d1]))),
        }
    };
    let (addresses, ports) = match family {
        UNIX_STREAM => return Some(Endpoints { source: ClientEnd::Unix, destination: None }),
        _ => addresses.split_last_chunk::<4>()?,
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
    match digest.finalize() == u64::from(u32::from_be_bytes(crc)) {
        true => Ok(()),
        false => Err(ProxyError::Checksum),
    }
}
