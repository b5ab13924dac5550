//! The TLS of a session, as stored in envelopes.

/// The TLS of a session. Texts are octets as received, mostly ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionTls<'a> {
    /// Such as `TLSv1.3`.
    pub version: &'a [u8],
    /// The cipher suite, by its IANA name.
    pub cipher: &'a [u8],
    /// The server name that the client requested (SNI); empty if none.
    pub server_name: &'a [u8],
    /// The subject of the client's certificate; empty if it sent none.
    pub client_subject: &'a [u8],
    /// Whether the client resumed an earlier TLS session.
    pub is_resumed: bool,
    /// Time from the first octet of the handshake to its last, in µs.
    pub handshake_us: u32,
}

/// A supported version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

impl TlsVersion {
    /// Every version.
    pub const ALL: [TlsVersion; 2] = [TlsVersion::V1_2, TlsVersion::V1_3];

    /// Returns the number as queries spell it.
    pub fn number(self) -> &'static str {
        match self {
            TlsVersion::V1_2 => "1.2",
            TlsVersion::V1_3 => "1.3",
        }
    }
}

const RESUMED: u8 = 1;

impl<'a> SessionTls<'a> {
    /// Encodes the field's value: flags (bit 0: resumed), the handshake time in µs (4 octets,
    /// little-endian), then version, cipher, server name and subject, each as a length (2 octets,
    /// little-endian) followed by its octets. A longer text is truncated.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = vec![if self.is_resumed { RESUMED } else { 0 }];
        value.extend_from_slice(&self.handshake_us.to_le_bytes());
        for text in [self.version, self.cipher, self.server_name, self.client_subject] {
            let bytes = text.len().min(usize::from(u16::MAX));
            value.extend_from_slice(&(bytes as u16).to_le_bytes());
            value.extend_from_slice(&text[..bytes]);
        }
        value
    }

    /// Returns the version, or `None` if it is not a known one.
    pub fn known_version(&self) -> Option<TlsVersion> {
        let number = self.version.strip_prefix(b"TLSv")?;
        TlsVersion::ALL.into_iter().find(|version| version.number().as_bytes() == number)
    }

    /// Decodes the field's value; `None` if it is damaged or has an unknown layout.
    pub(super) fn decode(value: &'a [u8]) -> Option<SessionTls<'a>> {
        let (flags, rest) = value.split_first()?;
        let (handshake, mut rest) = rest.split_first_chunk::<4>()?;
        let mut text = || {
            let (length, text) = rest.split_first_chunk::<2>()?;
            let (text, after) = text.split_at_checked(u16::from_le_bytes(*length).into())?;
            rest = after;
            Some(text)
        };
        Some(SessionTls {
            version: text()?,
            cipher: text()?,
            server_name: text()?,
            client_subject: text()?,
            is_resumed: flags & RESUMED != 0,
            handshake_us: u32::from_le_bytes(*handshake),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_reads_back_and_a_truncated_one_is_none() {
        let tls = SessionTls {
            version: b"TLSv1.3",
            cipher: b"TLS_AES_128_GCM_SHA256",
            server_name: b"sink.example",
            client_subject: "CN=J\u{fc}rgen".as_bytes(),
            is_resumed: true,
            handshake_us: 81_234,
        };
        let value = tls.encode();
        assert_eq!(SessionTls::decode(&value), Some(tls));
        for end in 0..value.len() {
            assert_eq!(SessionTls::decode(&value[..end]), None, "{end} octets");
        }
    }
}
