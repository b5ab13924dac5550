//! The certificates that sinkd makes: a CA, and certificates signed by it.
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::certificate::{CertificateFacts, parse};
use super::provider::provider;

/// A day.
const DAY: Duration = Duration::from_secs(86_400);

/// How long a CA is valid: people configure it in each sender, once.
const AUTHORITY_LASTS: Duration = DAY.saturating_mul(3653);

/// How long a certificate is valid: clients that follow the rules of browsers refuse more than 398
/// days.
pub(super) const LEAF_LASTS: Duration = DAY.saturating_mul(365);

/// Clocks differ: each certificate is valid from a day before it is made.
const BACKDATED: Duration = DAY;

/// Characters of a common name (RFC 5280 appendix A.1: `ub-common-name`).
const COMMON_NAME_CHARS_MAX: usize = 64;

/// Octets of a serial number: as random as it must be, and at most 20 with its sign.
const SERIAL_BYTES: usize = 16;

/// Something of a CA or a certificate that can't be made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct AuthorityError(pub String);

impl From<rcgen::Error> for AuthorityError {
    fn from(error: rcgen::Error) -> AuthorityError {
        AuthorityError(error.to_string())
    }
}

/// A CA with its key.
#[derive(Debug)]
pub(super) struct Authority {
    certificate: CertificateDer<'static>,
    facts: CertificateFacts,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a CA for the machine called `host`, valid from `now`, the time since 1970.
    pub fn generate(host: &str, now: Duration) -> Result<Authority, AuthorityError> {
        let key = KeyPair::generate()?;
        let name: String =
            format!("sinkd CA of {host}").chars().take(COMMON_NAME_CHARS_MAX).collect();
        let mut params = params(&name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        lasting(&mut params, now, now + AUTHORITY_LASTS)?;
        let certificate = params.self_signed(&key)?.der().clone();
        Authority::with(certificate, key)
    }

    /// A CA that was made before. An error: the two do not go together, or they are not what
    /// [`Authority::generate`] makes.
    pub fn from_parts(
        certificate: CertificateDer<'static>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Authority, AuthorityError> {
        Authority::with(certificate, KeyPair::try_from(key)?)
    }

    fn with(
        certificate: CertificateDer<'static>,
        key: KeyPair,
    ) -> Result<Authority, AuthorityError> {
        let parsed = parse(&certificate).map_err(|bad| AuthorityError(bad.to_string()))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(AuthorityError("expected the key of the CA, found another key".into()));
        }
        if !parsed.is_ca() {
            return Err(AuthorityError("expected the certificate of a CA, found another".into()));
        }
        let name = parsed.subject().iter_common_name().next().and_then(|it| it.as_str().ok());
        // The identifier of its key follows from its key.
        let issuer = Issuer::new(params(name.unwrap_or_default()), key);
        let facts =
            CertificateFacts::of(&certificate).map_err(|bad| AuthorityError(bad.to_string()))?;
        Ok(Authority { certificate, facts, issuer })
    }

    /// The CA's certificate, for those who trust it.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What its certificate says.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// Its key in PKCS #8.
    pub fn key_der(&self) -> &[u8] {
        self.issuer.key().serialized_der()
    }

    /// Signs a certificate of a server for `key`, valid for `names` from `now` on, for a year or
    /// until the CA ends.
    pub fn sign(
        &self,
        key: &LeafKey,
        names: &[String],
        now: Duration,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        self.sign_for(ExtendedKeyUsagePurpose::ServerAuth, key, names, now)
    }

    /// The same for a client.
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
        // A year at most, so a CA that ends in time is not 1970.
        let last = Duration::from_secs(self.facts.not_after.unsigned_abs());
        lasting(&mut params, now, (now + LEAF_LASTS).min(last))?;
        let signed = params.signed_by(&key.0, &self.issuer)?.der().clone();
        let is_ours = parse(&signed).is_ok_and(|leaf| {
            parse(&self.certificate).is_ok_and(|ca| leaf.issuer().as_raw() == ca.subject().as_raw())
        });
        match is_ours {
            true => Ok(signed),
            false => Err(AuthorityError("expected a CA that sinkd made, found another".into())),
        }
    }
}

/// The key of a server's certificate.
#[derive(Debug)]
pub(super) struct LeafKey(KeyPair);

impl LeafKey {
    /// Makes one on the curve P-256.
    pub fn generate() -> Result<LeafKey, AuthorityError> {
        Ok(LeafKey(KeyPair::generate()?))
    }

    /// One that was made before.
    pub fn from_der(key: &PrivateKeyDer<'_>) -> Result<LeafKey, AuthorityError> {
        Ok(LeafKey(KeyPair::try_from(key)?))
    }

    /// In PKCS #8.
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

/// Valid from a day before `now` to `last`, both since 1970, with a serial number of its own: two
/// certificates for one key must differ in it (RFC 5280 section 4.1.2.2).
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
    random.map_err(|_| AuthorityError("the system has no random numbers".into()))?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(())
}
