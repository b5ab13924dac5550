//! Tests of both header versions: valid, invalid, whole, cut and with flipped bits.
use std::net::SocketAddr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn tcp(source: &str, destination: &str) -> Endpoints {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    Endpoints { source: ClientEnd::Tcp(address(source)), destination: Some(address(destination)) }
}

fn proxied(source: &str, destination: &str) -> Header<'static> {
    Header::Proxied { endpoints: tcp(source, destination), tls: None }
}

/// Builds a header of version 2: command, family, and the octets after the length.
fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = binary::SIGNATURE.to_vec();
    header.extend([0x20 | command, family]);
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend(rest);
    header
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

/// 192.0.2.7:4660 to 198.51.100.1:25.
const ADDRESSES_4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 0, 25];

fn over_tls() -> Vec<u8> {
    let inner = [tlv(0x21, b"TLSv1.3"), tlv(0x23, b"TLS_AES_256_GCM_SHA384"), tlv(0x22, b"ann")];
    let value = [&[0x03, 0, 0, 0, 0], &inner.concat()[..]].concat();
    [&ADDRESSES_4[..], &tlv(0x02, b"mx.example"), &tlv(0x20, &value), &tlv(0x04, b"")].concat()
}

/// Returns `rest` followed by a checksum TLV as HAProxy computes it.
fn with_checksum(rest: &[u8]) -> Vec<u8> {
    let mut header = version_2(1, 0x11, &[rest, &tlv(0x03, &[0; 4])].concat());
    let crc = crc_fast::crc32_iscsi(&header).to_be_bytes();
    let at = header.len() - 4;
    header[at..].copy_from_slice(&crc);
    header
}

#[test]
fn lines_of_version_1_name_the_client() {
    for (line, expected) in [
        ("TCP4 192.0.2.7 198.51.100.1 4660 25", proxied("192.0.2.7:4660", "198.51.100.1:25")),
        ("TCP4 255.255.255.255 0.0.0.0 65535 0", proxied("255.255.255.255:65535", "0.0.0.0:0")),
        ("TCP6 2001:db8::7 ::1 4660 25", proxied("[2001:db8::7]:4660", "[::1]:25")),
        ("UNKNOWN", Header::Local),
        ("UNKNOWN ffff::1 any thing 1 2 3", Header::Local),
    ] {
        let octets = format!("PROXY {line}\r\nEHLO a\r\n");
        let length = octets.len() - "EHLO a\r\n".len();
        assert_eq!(parse(octets.as_bytes()), Ok(Some((expected, length))), "{line}");
    }
}

#[test]
fn invalid_lines_of_version_1_are_errors() {
    for line in [
        "",
        " TCP4 192.0.2.7 198.51.100.1 4660 25",
        "TCP4 192.0.2.7 198.51.100.1 4660 25 ",
        "TCP4  192.0.2.7 198.51.100.1 4660 25",
        "TCP4 192.0.2.7 198.51.100.1 4660",
        "TCP4 192.0.2.7 198.51.100.1 4660 25 26",
        "TCP4 192.0.2.7 198.51.100.1 65536 25",
        "TCP4 192.0.2.7 198.51.100.1 +1 25",
        "TCP4 192.0.2.7 198.51.100.1 01 25",
        "TCP4 192.0.2.07 198.51.100.1 1 25",
        "TCP4 2001:db8::7 ::1 1 25",
        "TCP6 192.0.2.7 198.51.100.1 1 25",
        "TCP5 192.0.2.7 198.51.100.1 1 25",
        "tcp4 192.0.2.7 198.51.100.1 1 25",
        "TCP4 192.0.2.7\t198.51.100.1 1 25",
        "TCP4 192.0.2.7 198.51.100.1 1 25\0",
        "TCP4 192.0.2.7 198.51.100.1 1 \u{0662}",
        "TCP4 192.0.2.7 198.51.100.1 1 25\r",
        "TCP6 fe80::1%eth0 ::1 1 25",
    ] {
        let octets = format!("PROXY {line}\r\n");
        assert_eq!(parse(octets.as_bytes()), Err(ProxyError::BadLine), "{line:?}");
    }
    assert_eq!(parse(b"PROXY UNKNOWN\n"), Err(ProxyError::BadLine), "a line feed alone");
    assert_eq!(parse(b"PROXY TCP4 \xff\r\n"), Err(ProxyError::BadLine), "not UTF-8");
}

#[test]
fn a_line_of_version_1_has_107_octets_at_most() {
    let line = |octets: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(octets - 16));
    assert_eq!(parse(line(107).as_bytes()), Ok(Some((Header::Local, 107))));
    assert_eq!(parse(line(108).as_bytes()), Err(ProxyError::LineTooLong));
}

#[test]
fn headers_of_version_2_name_the_client() {
    let v6: Vec<u8> =
        [&[0x20, 1, 0x0d, 0xb8], &[0; 11][..], &[7], &[0; 15], &[1], &[0, 9, 0, 25]].concat();
    for (name, header, expected) in [
        ("TCP4", version_2(1, 0x11, &ADDRESSES_4), proxied("192.0.2.7:4660", "198.51.100.1:25")),
        ("TCP6", version_2(1, 0x21, &v6), proxied("[2001:db8::7]:9", "[::1]:25")),
        ("unspecified", version_2(1, 0, &tlv(0x04, b"no")), Header::Local),
        ("LOCAL", version_2(0, 0, b""), Header::Local),
        ("LOCAL with what is ignored", version_2(0, 0xff, b"\xff\xff\xff"), Header::Local),
        (
            "a Unix socket",
            version_2(1, 0x31, &[b'/'; 216]),
            Header::Proxied {
                endpoints: Endpoints { source: ClientEnd::Unix, destination: None },
                tls: None,
            },
        ),
    ] {
        let octets = [&header[..], b"EHLO a\r\n"].concat();
        assert_eq!(parse(&octets), Ok(Some((expected, header.len()))), "{name}");
    }
}

#[test]
fn client_tls_is_read_if_the_proxy_reports_it() {
    let header = version_2(1, 0x11, &over_tls());
    let tls = ClientTls {
        version: b"TLSv1.3",
        cipher: b"TLS_AES_256_GCM_SHA384",
        server_name: b"mx.example",
        common_name: b"ann",
        is_verified: true,
    };
    let Ok(Some((Header::Proxied { tls: found, .. }, _))) = parse(&header) else { panic!() };
    assert_eq!(found, Some(tls));
    // The client used no TLS (client bit 0 is clear), or its certificate failed verification.
    for (client, verify, expected) in [(0, 0, None), (0x03, 1, Some(false)), (0x01, 0, Some(false))]
    {
        let rest = [&ADDRESSES_4[..], &tlv(0x20, &[client, 0, 0, 0, verify])].concat();
        let header = version_2(1, 0x11, &rest);
        let Ok(Some((Header::Proxied { tls, .. }, _))) = parse(&header) else { panic!() };
        assert_eq!(tls.map(|tls| tls.is_verified), expected, "{client} {verify}");
    }
}

#[test]
fn undefined_values_of_version_2_are_errors() {
    let big = vec![0; HEADER_BYTES_MAX];
    let lying = [&ADDRESSES_4[..], &[0x02, 0, 9, b'a']].concat();
    let lying_tls = [&ADDRESSES_4[..], &tlv(0x20, &[1, 0, 0, 0, 0, 0x21, 0, 1])].concat();
    let short_tls = [&ADDRESSES_4[..], &tlv(0x20, &[1, 0, 0, 0])].concat();
    for (header, expected) in [
        (version_2(2, 0x11, &ADDRESSES_4), ProxyError::Command(2)),
        (version_2(1, 0x12, &ADDRESSES_4), ProxyError::Family(0x12)),
        (version_2(1, 0x41, &ADDRESSES_4), ProxyError::Family(0x41)),
        (version_2(1, 0x11, &ADDRESSES_4[..11]), ProxyError::Addresses),
        (version_2(1, 0x21, &ADDRESSES_4), ProxyError::Addresses),
        (version_2(1, 0x11, &lying), ProxyError::Tlv),
        (version_2(1, 0x11, &lying_tls), ProxyError::Tlv),
        (version_2(1, 0x11, &short_tls), ProxyError::Tlv),
        (version_2(1, 0x11, &big), ProxyError::TooLong(HEADER_BYTES_MAX + 16)),
        ([binary::SIGNATURE, &[0x11]].concat(), ProxyError::Version(1)),
    ] {
        assert_eq!(parse(&header), Err(expected));
    }
    for octets in [&b"EHLO a\r\n"[..], b"\r\n\r\n\0\r\nQUIT\r", b"P", b"PROXy"] {
        let expected = if octets == b"P" { Ok(None) } else { Err(ProxyError::NoHeader) };
        assert_eq!(parse(octets), expected);
    }
}

#[test]
fn each_flipped_bit_of_a_header_with_a_checksum_is_detected() {
    let header = with_checksum(&over_tls());
    let whole = parse(&header).unwrap().unwrap();
    assert!(
        matches!(whole, (Header::Proxied { tls: Some(_), .. }, length) if length == header.len())
    );
    for bit in 0..header.len() * 8 {
        let mut flipped = header.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // A header that declares more octets is incomplete; the content of LOCAL is ignored.
        let is_noticed = !matches!(parse(&flipped), Ok(Some((Header::Proxied { .. }, _))));
        let is_the_checksum_s_type = flipped[header.len() - 7] != 0x03;
        assert!(is_noticed || is_the_checksum_s_type, "bit {bit}");
    }
}

#[test]
fn every_prefix_of_a_header_is_incomplete_and_no_flipped_bit_panics() {
    let line = b"PROXY TCP6 2001:db8::7 ::1 4660 25\r\n".to_vec();
    for header in [line, version_2(1, 0x11, &over_tls()), with_checksum(&over_tls())] {
        for length in 0..header.len() {
            assert_eq!(parse(&header[..length]), Ok(None), "{length}");
        }
        for (at, mask) in (0..header.len()).flat_map(|at| [(at, 0x01), (at, 0x80), (at, 0xff)]) {
            let mut flipped = header.clone();
            flipped[at] ^= mask;
            if let Ok(Some((_, length))) = parse(&flipped) {
                assert!(length <= flipped.len());
            }
        }
    }
}

proptest! {
    /// The result depends only on the header: neither on octets after it, nor on how it was cut.
    #[test]
    fn octets_after_a_header_do_not_change_it(
        octets in vec(any::<u8>(), 0..64),
        which in 0..3_usize,
        rest in vec(any::<u8>(), 0..40),
    ) {
        let header = match which {
            0 => [&b"PROXY "[..], &octets].concat(),
            1 => version_2(1, 0x11, &octets),
            _ => version_2(1, 0, &octets),
        };
        let alone = parse(&header);
        let followed = [&header[..], &rest].concat();
        match alone {
            Ok(None) => prop_assert!(which == 0),
            alone => prop_assert_eq!(alone, parse(&followed)),
        }
    }
}
