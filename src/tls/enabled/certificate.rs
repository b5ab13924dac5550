//! Facts of a certificate.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::digest::fingerprint;

/// Facts of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Version of X.509: 3, or 1 for a certificate that can't have names.
    pub version: u32,
    /// The subject, such as `CN=sinkd CA of mx.example`.
    pub subject: String,
    /// The issuer.
    pub issuer: String,
    /// DNS names and IP addresses that the certificate is valid for, in the order given there.
    pub names: Vec<String>,
    /// The first Unix second in which the certificate is valid.
    pub not_before: i64,
    /// The last Unix second in which the certificate is valid.
    pub not_after: i64,
    /// The SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it.
    pub fingerprint: String,
}

/// The octets are not an X.509 certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a certificate (X.509), found something else")]
pub struct BadCertificate;

impl CertificateFacts {
    /// Reads the first certificate of a PEM file.
    pub fn of_pem(text: &[u8]) -> Result<CertificateFacts, BadCertificate> {
        let der = CertificateDer::from_pem_slice(text).map_err(|_| BadCertificate)?;
        CertificateFacts::from_der(&der)
    }

    /// Reads a certificate in DER.
    pub(super) fn from_der(der: &[u8]) -> Result<CertificateFacts, BadCertificate> {
        let parsed = parse(der)?;
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names.map(|it| it.value.general_names.iter().filter_map(name).collect());
        Ok(CertificateFacts {
            // On the wire, 0 is version 1.
            version: parsed.version().0.saturating_add(1),
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            names: names.unwrap_or_default(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            fingerprint: fingerprint(der),
        })
    }

    /// Returns the first second in which it is valid, as text.
    pub fn valid_from(&self) -> String {
        date(self.not_before)
    }

    /// Returns the last second in which it is valid, as text.
    pub fn valid_until(&self) -> String {
        date(self.not_after)
    }

    /// Returns whether it does not expire within `time` after `now`, which is the time since 1970.
    pub(super) fn is_valid_for(&self, time: Duration, now: Duration) -> bool {
        i64::try_from((now + time).as_secs()).is_ok_and(|then| then <= self.not_after)
    }

    /// Returns whether it is not valid yet at `now`, the time since 1970.
    pub(super) fn is_future(&self, now: Duration) -> bool {
        i64::try_from(now.as_secs()).is_ok_and(|now| now < self.not_before)
    }
}

/// Parses a certificate in DER.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, BadCertificate> {
    match X509Certificate::from_der(der) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(BadCertificate),
    }
}

/// Returns a server name; `None` for other names, such as an email address.
fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).into()),
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(*octets).map(|octets| Ipv4Addr::from(octets).into());
            let v6 = <[u8; 16]>::try_from(*octets).map(|octets| Ipv6Addr::from(octets).into());
            let address: IpAddr = v4.or(v6).ok()?;
            Some(address.to_string())
        }
        _ => None,
    }
}

/// Formats a second since 1970 as in RFC 3339.
fn date(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| format!("second {second}"), |it| it.to_string())
}
