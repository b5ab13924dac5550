//! The TLS of the client's connection to the proxy, as the proxy reports it (section 2.2.6).
use super::error::ProxyError;
use super::tlv::Tlvs;

/// Bits of the first octet of TLV 0x20.
const OVER_TLS: u8 = 0x01;
const CERTIFICATE_ON_CONNECTION: u8 = 0x02;
const CERTIFICATE_IN_SESSION: u8 = 0x04;
/// Types inside TLV 0x20.
const VERSION: u8 = 0x21;
const COMMON_NAME: u8 = 0x22;
const CIPHER: u8 = 0x23;

/// The TLS of a proxy's client. Texts are octets as received, mostly ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientTls<'a> {
    /// Such as `TLSv1.3`; empty if not reported.
    pub version: &'a [u8],
    /// In OpenSSL's spelling; empty if not reported.
    pub cipher: &'a [u8],
    /// The server name that the client requested (SNI, TLV 0x02); empty if none.
    pub server_name: &'a [u8],
    /// The common name of the client's certificate; empty if it sent none.
    pub common_name: &'a [u8],
    /// The client sent a certificate, and the proxy verified it.
    pub is_verified: bool,
}

impl<'a> ClientTls<'a> {
    /// Parses the value of TLV 0x20. Returns `None` if the client did not use TLS.
    pub(super) fn parse(value: &'a [u8]) -> Result<Option<ClientTls<'a>>, ProxyError> {
        let Some((&[client, v0, v1, v2, v3], rest)) = value.split_first_chunk() else {
            return Err(ProxyError::Tlv);
        };
        let mut tls = ClientTls::default();
        for tlv in Tlvs::new(rest) {
            match tlv? {
                (VERSION, value) => tls.version = value,
                (COMMON_NAME, value) => tls.common_name = value,
                (CIPHER, value) => tls.cipher = value,
                _ => {}
            }
        }
        let has_certificate = client & (CERTIFICATE_ON_CONNECTION | CERTIFICATE_IN_SESSION) != 0;
        tls.is_verified = has_certificate && [v0, v1, v2, v3] == [0; 4];
        Ok((client & OVER_TLS != 0).then_some(tls))
    }
}
