//! What the envelope says of the TLS under which a message came.

/// The TLS of a session. Texts are octets as they came, mostly ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionTls<'a> {
    /// For example `TLSv1.3`.
    pub version: &'a [u8],
    /// The cipher suite, as IANA spells it.
    pub cipher: &'a [u8],
    /// The name that the client asked for (SNI); empty if it asked for none.
    pub server_name: &'a [u8],
    /// The subject of the client's certificate; empty without one.
    pub client_subject: &'a [u8],
    /// The client continued an earlier session.
    pub is_resumed: bool,
    /// From the first octet of the handshake to its last, us.
    pub handshake_us: u32,
}

/// A version of TLS that sinkd speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

impl TlsVersion {
    /// Both.
    pub const ALL: [TlsVersion; 2] = [TlsVersion::V1_2, TlsVersion::V1_3];

    /// As queries spell it.
    pub fn number(self) -> &'static str {
        match self {
            TlsVersion::V1_2 => "1.2",
            TlsVersion::V1_3 => "1.3",
        }
    }
}

const RESUMED: u8 = 1;

impl<'a> SessionTls<'a> {
    /// The value of the field: flags (bit 0: resumed), the handshake's us in 4 octets,
    /// little-endian, then version, cipher, server name and subject, each as 2 octets of length,
    /// little-endian, and as many octets. A text that is longer is cut.
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

    /// `None`: one that is not known here.
    pub fn known_version(&self) -> Option<TlsVersion> {
        let number = self.version.strip_prefix(b"TLSv")?;
        TlsVersion::ALL.into_iter().find(|version| version.number().as_bytes() == number)
    }

    /// `None`: it was damaged, or has a layout that is not known here.
    pub(super) fn decode(value: &'a [u8]) -> Option<SessionTls<'a>> {
        let (flags, rest) = value.split_first()?;
        let (handshake, mut rest) = rest.split_first_chunk::<4>()?;
        let mut text = || {
            let (length, behind) = rest.split_first_chunk::<2>()?;
            let (text, after) = behind.split_at_checked(u16::from_le_bytes(*length).into())?;
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
    fn a_field_reads_back_and_one_that_is_cut_is_none() {
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
