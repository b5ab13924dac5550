//! Creating certificates: a CA, and certificates signed by it.
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::certificate::{BadCertificate, CertificateFacts, parse};
use super::provider::provider;

const DAY: Duration = Duration::from_secs(86_400);

/// Validity of a CA. It is long because each sender has to be configured to trust the CA.
const AUTHORITY_LASTS: Duration = DAY.saturating_mul(3653);

/// Validity of a certificate. Clients that follow the rules of browsers refuse more than 398 days.
pub(super) const LEAF_LASTS: Duration = DAY.saturating_mul(365);

/// Certificates are backdated by a day, as clocks differ.
const BACKDATED: Duration = DAY;

/// Limit on the length of a common name (RFC 5280 appendix A.1: `ub-common-name`).
const COMMON_NAME_CHARS_MAX: usize = 64;

/// Length of a serial number: random enough, and within the limit of 20 octets, sign included.
const SERIAL_BYTES: usize = 16;

/// Why a CA or a certificate can't be created or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A key or a certificate can't be created, or a key can't be read.
    #[error(transparent)]
    Generator(#[from] rcgen::Error),
    /// The certificate can't be read.
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    /// The key is not the certificate's.
    #[error("expected the key of the CA, found another key")]
    OtherKey,
    /// The certificate is one of a server or client.
    #[error("expected the certificate of a CA, found another")]
    NotAuthority,
    /// Certificates signed by the CA would not name it as their issuer.
    #[error("expected a CA that sinkd made, found another")]
    ForeignAuthority,
    /// A serial number can't be drawn.
    #[error("the system has no random numbers")]
    NoRandomness,
}

/// A CA with its key.
#[derive(Debug)]
pub(super) struct Authority {
    certificate: CertificateDer<'static>,
    facts: CertificateFacts,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Creates a CA for the machine `host`, valid until ten years after `now`, the time since 1970.
    pub fn generate(host: &str, now: Duration) -> Result<Authority, AuthorityError> {
        let key = KeyPair::generate()?;
        let name: String =
            format!("sinkd CA of {host}").chars().take(COMMON_NAME_CHARS_MAX).collect();
        let mut params = params(&name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        lasting(&mut params, now, now + AUTHORITY_LASTS)?;
        let certificate = params.self_signed(&key)?.der().clone();
        Authority::from_key_pair(certificate, key)
    }

    /// Restores a CA that was created earlier. Errors: the certificate or the key can't be read,
    /// they don't match, or the certificate is not a CA's.
    pub fn from_parts(
        certificate: CertificateDer<'static>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Authority, AuthorityError> {
        Authority::from_key_pair(certificate, KeyPair::try_from(key)?)
    }

    fn from_key_pair(
        certificate: CertificateDer<'static>,
        key: KeyPair,
    ) -> Result<Authority, AuthorityError> {
        let parsed = parse(&certificate)?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(AuthorityError::OtherKey);
        }
        if !parsed.is_ca() {
            return Err(AuthorityError::NotAuthority);
        }
        let name = parsed.subject().iter_common_name().next().and_then(|it| it.as_str().ok());
        // rcgen derives the key identifier from the key.
        let issuer = Issuer::new(params(name.unwrap_or_default()), key);
        let facts = CertificateFacts::from_der(&certificate)?;
        Ok(Authority { certificate, facts, issuer })
    }

    /// Returns the CA's certificate, which clients trust.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Returns the facts of its certificate.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// Returns its key in PKCS #8.
    pub fn key_der(&self) -> &[u8] {
        self.issuer.key().serialized_der()
    }

    /// Signs a server's certificate for `key` and `names`, valid until a year after `now`, but no
    /// longer than the CA.
    pub fn sign(
        &self,
        key: &LeafKey,
        names: &[String],
        now: Duration,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        self.sign_for(ExtendedKeyUsagePurpose::ServerAuth, key, names, now)
    }

    /// Signs a client's certificate.
    #[cfg(test)]
    pub fn sign_client(
        &self,
        key: &LeafKey,
        names: &[String],
        now: Duration,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        self.sign_for(ExtendedKeyUsagePurpose::ClientAuth, key, names, now)
    }

    fn sign_for(
        &self,
        usage: ExtendedKeyUsagePurpose,
        key: &LeafKey,
        names: &[String],
        now: Duration,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = common_name("sinkd");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        // The certificate must not outlive the CA.
        let last = Duration::from_secs(self.facts.not_after.unsigned_abs());
        lasting(&mut params, now, (now + LEAF_LASTS).min(last))?;
        let signed = params.signed_by(&key.0, &self.issuer)?.der().clone();
        let is_ours = parse(&signed).is_ok_and(|leaf| {
            parse(&self.certificate).is_ok_and(|ca| leaf.issuer().as_raw() == ca.subject().as_raw())
        });
        if is_ours { Ok(signed) } else { Err(AuthorityError::ForeignAuthority) }
    }
}

/// The key of a certificate.
#[derive(Debug)]
pub(super) struct LeafKey(KeyPair);

impl LeafKey {
    /// Creates a key on the curve P-256.
    pub fn generate() -> Result<LeafKey, AuthorityError> {
        Ok(LeafKey(KeyPair::generate()?))
    }

    /// Restores a key that was created earlier.
    pub fn from_der(key: &PrivateKeyDer<'_>) -> Result<LeafKey, AuthorityError> {
        Ok(LeafKey(KeyPair::try_from(key)?))
    }

    /// Returns the key in PKCS #8.
    pub fn der(&self) -> &[u8] {
        self.0.serialized_der()
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params
}

/// Sets the validity, from a day before `now` to `last` (both since 1970), and a random serial
/// number, which must be unique for each certificate of a CA (RFC 5280 section 4.1.2.2).
fn lasting(
    params: &mut CertificateParams,
    now: Duration,
    last: Duration,
) -> Result<(), AuthorityError> {
    let start = date_time_ymd(1970, 1, 1);
    let whole = |time: Duration| Duration::from_secs(time.as_secs());
    params.not_before = start + whole(now.saturating_sub(BACKDATED));
    params.not_after = start + whole(last);
    let mut serial = [0; SERIAL_BYTES];
    let random = provider().secure_random.fill(&mut serial);
    random.map_err(|_| AuthorityError::NoRandomness)?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(())
}
