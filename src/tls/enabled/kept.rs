//! The certificates that sinkd creates and keeps in its data folder.
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::authority::{Authority, AuthorityError, LEAF_LASTS, LeafKey};
use super::certificate::CertificateFacts;
use super::folder;
use super::identity::{Identity, certificates, private_key};
use super::identity_error::IdentityError;
use super::pem::encode;

/// The folder's name in the data folder.
const FOLDER: &str = "tls";

/// The CA's certificate, which senders trust.
const CA: &str = "ca.pem";

/// The CA's key. It is needed only to create the next certificate.
const CA_KEY: &str = "ca-key.pem";

/// The server's certificate, followed by the CA's.
const CERT: &str = "cert.pem";

/// The server's key.
const KEY: &str = "key.pem";

/// A certificate that expires sooner is renewed.
const RENEWED_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// A CA that expires sooner is replaced, so that it outlives every certificate that it signs.
const CA_RENEWED_BEFORE: Duration = LEAF_LASTS.saturating_add(RENEWED_BEFORE);

/// The certificates in a data folder: a CA, and a server's certificate signed by it.
#[derive(Debug, Clone)]
pub struct CertificateFolder {
    folder: PathBuf,
}

/// Why the certificates of a data folder can't be used or created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// A file can't be written.
    #[error("{path}: certificates cannot be stored there", path = path.display())]
    Write {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] IdentityError),
    /// The CA's certificate can be read, but its key is missing or can't be used, so no other
    /// certificate can be signed.
    #[error(
        "{path}: a certificate has to be made, but the key of the CA cannot be used (put the key \
         back, or remove the folder to start over with another CA)",
        path = path.display()
    )]
    CaKey {
        /// The file of the key.
        path: PathBuf,
        /// Why it can't be used.
        source: AuthorityFileError,
    },
    /// Creating a certificate failed.
    #[error("{path}: a certificate cannot be created", path = path.display())]
    Make {
        /// The folder.
        path: PathBuf,
        /// What failed.
        source: AuthorityError,
    },
}

/// Why the CA of a data folder can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityFileError {
    /// The file of the certificate or the one of the key can't be used.
    #[error(transparent)]
    File(#[from] IdentityError),
    /// The certificate and the key do not belong to a CA.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// Why a certificate or CA is replaced.
type Reason = String;

impl CertificateFolder {
    /// Returns the certificates of the data folder `data`.
    pub fn in_data_folder(data: &Path) -> CertificateFolder {
        CertificateFolder { folder: data.join(FOLDER) }
    }

    /// Returns the path of the CA's certificate, which senders trust.
    pub fn ca_path(&self) -> PathBuf {
        self.folder.join(CA)
    }

    /// Reads the facts of the CA's certificate.
    pub fn ca(&self) -> Result<CertificateFacts, IdentityError> {
        facts(&self.ca_path())
    }

    /// Reads the facts of the server's certificate.
    pub fn certificate(&self) -> Result<CertificateFacts, IdentityError> {
        facts(&self.folder.join(CERT))
    }

    /// Returns whether the server's certificate was signed by the CA.
    ///
    /// The file of the certificate contains the CA that signed it, so the two are compared. Names
    /// would not suffice: the CAs of two folders on one machine have the same name.
    pub fn is_signed(&self) -> Result<bool, IdentityError> {
        let (chain, ca) = (certificates(&self.folder.join(CERT))?, certificates(&self.ca_path())?);
        Ok(chain.get(1) == ca.first())
    }

    /// Returns the certificate for `names`, which are DNS names and IP addresses, the machine's own
    /// name first. `now`: the time since 1970.
    ///
    /// Creates the certificate if there is none, or if it can't be used, has other names, expires
    /// soon, or was not signed by the CA in the folder. Then it also creates the CA if its file is
    /// missing or damaged, or if it expires soon. A CA whose key is kept elsewhere is never
    /// replaced; the existing server's certificate is then used as long as it is valid. Other
    /// processes always see complete files. The certificate's key is reused if possible.
    pub fn identity(&self, names: &[String], now: Duration) -> Result<Identity, KeptError> {
        let names = &names.iter().map(|name| normal(name)).collect::<Vec<_>>()[..];
        if !self.folder.is_dir() && self.create(names, now)? {
            let ca = self.ca_path();
            tracing::info!(ca = %ca.display(), "a CA and a certificate were made for TLS");
            return Ok(self.load(now)?);
        }
        match self.load(now) {
            Ok(identity) => match self.stale(&identity, names, now) {
                None => Ok(identity),
                Some(reason) => match self.renew(names, now, &reason) {
                    Err(error @ KeptError::CaKey { .. }) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(%reason, error, "the certificate for TLS is unchanged");
                        Ok(identity)
                    }
                    renewed => renewed,
                },
            },
            Err(error) => self.renew(names, now, &error.to_string()),
        }
    }

    fn load(&self, now: Duration) -> Result<Identity, IdentityError> {
        Identity::load(&self.folder.join(CERT), &self.folder.join(KEY), now)
    }

    /// Returns why `identity` has to be replaced, if it does.
    fn stale(&self, identity: &Identity, names: &[String], now: Duration) -> Option<Reason> {
        let facts = identity.facts();
        if facts.names != names {
            return Some(format!("its names were {}", facts.names.join(", ")));
        }
        if !facts.is_valid_for(RENEWED_BEFORE, now) {
            return Some(format!("it ends at {}", facts.valid_until()));
        }
        // Senders trust the CA in the file, so it must be the one that signed the certificate.
        match self.is_signed() {
            Ok(true) => None,
            Ok(false) => Some("its CA is not the one in ca.pem".into()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Creates the folder. Returns `false` if another process got there first.
    fn create(&self, names: &[String], now: Duration) -> Result<bool, KeptError> {
        let authority = self.created(Authority::generate(host(names), now))?;
        let key = self.created(LeafKey::generate())?;
        let leaf = self.created(authority.sign(&key, names, now))?;
        let files = [
            (CA_KEY, encode("PRIVATE KEY", authority.key_der())),
            (CA, encode("CERTIFICATE", authority.certificate())),
            (KEY, encode("PRIVATE KEY", key.der())),
            (CERT, chain(&leaf, &authority)),
        ];
        folder::create(&self.folder, &files).map_err(|source| self.unwritten(source))
    }

    /// Replaces the certificate.
    fn renew(&self, names: &[String], now: Duration, reason: &str) -> Result<Identity, KeptError> {
        let authority = self.authority(names, now)?;
        let kept = private_key(&self.folder.join(KEY));
        let key = match kept.ok().and_then(|key| LeafKey::from_der(&key).ok()) {
            Some(key) => key,
            None => {
                let key = self.created(LeafKey::generate())?;
                self.write(KEY, &encode("PRIVATE KEY", key.der()))?;
                key
            }
        };
        let leaf = self.created(authority.sign(&key, names, now))?;
        self.write(CERT, &chain(&leaf, &authority))?;
        tracing::info!(%reason, "a new certificate for TLS was made");
        Ok(self.load(now)?)
    }

    /// Returns the CA, and replaces it if it can no longer be used.
    fn authority(&self, names: &[String], now: Duration) -> Result<Authority, KeptError> {
        let reason = match self.kept_authority() {
            Ok(authority) if authority.facts().is_valid_for(CA_RENEWED_BEFORE, now) => {
                return Ok(authority);
            }
            Ok(authority) => format!("it ends at {}", authority.facts().valid_until()),
            Err(source) if certificates(&self.ca_path()).is_ok() => {
                return Err(KeptError::CaKey { path: self.folder.join(CA_KEY), source });
            }
            Err(reason) => reason.to_string(),
        };
        let authority = self.created(Authority::generate(host(names), now))?;
        // The key is written first. After a crash in between, it doesn't match the CA's file: a
        // damaged file is replaced then, and a readable one leads to `KeptError::CaKey`.
        self.write(CA_KEY, &encode("PRIVATE KEY", authority.key_der()))?;
        self.write(CA, &encode("CERTIFICATE", authority.certificate()))?;
        let ca = self.ca_path();
        tracing::warn!(
            %reason, ca = %ca.display(),
            "a new CA for TLS was made: senders that verify must trust it"
        );
        Ok(authority)
    }

    fn kept_authority(&self) -> Result<Authority, AuthorityFileError> {
        let ca = certificates(&self.ca_path())?.swap_remove(0);
        let key = private_key(&self.folder.join(CA_KEY))?;
        Ok(Authority::from_parts(ca, &key)?)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), KeptError> {
        folder::write(&self.folder, name, text).map_err(|source| self.unwritten(source))
    }

    fn unwritten(&self, source: io::Error) -> KeptError {
        KeptError::Write { path: self.folder.clone(), source }
    }

    fn created<T>(&self, created: Result<T, AuthorityError>) -> Result<T, KeptError> {
        created.map_err(|source| KeptError::Make { path: self.folder.clone(), source })
    }
}

/// Returns an address in the form it has in a certificate: `::1` for `0:0::1`.
fn normal(name: &str) -> String {
    name.parse::<IpAddr>().map_or_else(|_| name.to_owned(), |address| address.to_string())
}

/// Returns the machine's own name.
fn host(names: &[String]) -> &str {
    names.first().map_or("localhost", |name| name)
}

/// Returns a certificate and the CA that signed it, in PEM.
fn chain(leaf: &[u8], authority: &Authority) -> String {
    encode("CERTIFICATE", leaf) + &encode("CERTIFICATE", authority.certificate())
}

/// Reads the facts of the first certificate of a file.
fn facts(path: &Path) -> Result<CertificateFacts, IdentityError> {
    let certificates = certificates(path)?;
    CertificateFacts::from_der(&certificates[0])
        .map_err(|bad| IdentityError::Certificate { path: path.into(), why: bad.to_string() })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::tls::enabled::certificate::parse;

    /// 2026-11-29.
    const NOW: Duration = Duration::from_secs(1_795_910_400);
    const DAY: Duration = Duration::from_secs(86_400);

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn local() -> Vec<String> {
        names(&["mx.example", "localhost", "127.0.0.1", "::1"])
    }

    /// A data folder.
    struct Data(tempfile::TempDir);

    impl Data {
        fn new() -> Data {
            Data(tempfile::tempdir().unwrap())
        }

        fn kept(&self) -> CertificateFolder {
            CertificateFolder::in_data_folder(self.0.path())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(FOLDER).join(name)
        }

        fn text(&self, name: &str) -> String {
            fs::read_to_string(self.path(name)).unwrap()
        }

        /// Returns which of the CA, its key, the certificate and its key were replaced by
        /// `identity`.
        fn changed(&self, names: &[String], now: Duration) -> [bool; 4] {
            let files = [CA, CA_KEY, CERT, KEY];
            let before = files.map(|name| fs::read_to_string(self.path(name)).ok());
            let identity = self.kept().identity(names, now).unwrap();
            assert_eq!(identity.facts().names, names);
            assert_eq!(identity.facts(), &self.kept().certificate().unwrap());
            let after = files.map(|name| Some(self.text(name)));
            std::array::from_fn(|at| before[at] != after[at])
        }
    }

    #[test]
    fn the_folder_is_for_its_owner_alone_and_nothing_else_is_left() {
        let data = Data::new();
        data.kept().identity(&local(), NOW).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data.0.path().join(FOLDER)), 0o700);
        for name in [CA, CA_KEY, CERT, KEY] {
            assert_eq!(mode(&data.path(name)), 0o600, "{name}");
        }
        data.kept().identity(&names(&["other.example"]), NOW).unwrap();
        assert_eq!(mode(&data.path(CERT)), 0o600);
        assert_eq!(fs::read_dir(data.0.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(data.0.path().join(FOLDER)).unwrap().count(), 4);
    }

    /// The checks of strict clients (RFC 5280 section 4.2.1, and Python's VERIFY_X509_STRICT).
    #[test]
    fn a_generated_certificate_has_what_strict_clients_check() {
        let data = Data::new();
        let identity = data.kept().identity(&local(), NOW).unwrap();
        let [leaf, ca] = identity.chain() else { panic!("a certificate and its CA") };
        let (leaf, ca) = (parse(leaf).unwrap(), parse(ca).unwrap());
        let basic = |it: &x509_parser::prelude::X509Certificate<'_>| {
            let found = it.basic_constraints().unwrap().unwrap();
            (found.critical, found.value.ca, found.value.path_len_constraint)
        };
        assert_eq!((basic(&ca), basic(&leaf)), ((true, true, Some(0)), (true, false, None)));
        let usage = ca.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
        let usage = leaf.key_usage().unwrap().unwrap();
        assert!(usage.value.digital_signature() && !usage.value.key_cert_sign());
        assert!(leaf.extended_key_usage().unwrap().unwrap().value.server_auth);
        assert_eq!(leaf.issuer().as_raw(), ca.subject().as_raw());
        assert_ne!(leaf.raw_serial(), ca.raw_serial());
        use x509_parser::extensions::ParsedExtension::{
            AuthorityKeyIdentifier, SubjectKeyIdentifier,
        };
        let own = ca.iter_extensions().find_map(|it| match it.parsed_extension() {
            SubjectKeyIdentifier(id) => Some(id.0),
            _ => None,
        });
        let signers = leaf.iter_extensions().find_map(|it| match it.parsed_extension() {
            AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
            _ => None,
        });
        assert!(own.is_some() && own == signers, "{own:?} {signers:?}");
        assert_eq!(identity.facts().names, local());
        assert_eq!(identity.facts().valid_from(), "2026-11-28T00:00:00Z");
        assert_eq!(identity.facts().valid_until(), "2027-11-29T00:00:00Z");
        let ca = data.kept().ca().unwrap();
        assert_eq!(ca.subject, "CN=sinkd CA of mx.example");
        assert_eq!(ca.valid_until(), "2036-11-29T00:00:00Z");
    }

    #[test]
    fn a_certificate_is_renewed_if_its_names_change_or_it_expires_soon() {
        let data = Data::new();
        assert_eq!(data.changed(&local(), NOW), [true; 4]);
        let no = [false; 4];
        assert_eq!(data.changed(&local(), NOW), no);
        assert_eq!(data.changed(&local(), NOW + DAY * 335), no);
        // The CA and both keys stay, so clients that trust or pin them are not affected.
        let only_certificate = [false, false, true, false];
        assert_eq!(data.changed(&local(), NOW + DAY * 336), only_certificate);
        assert_eq!(data.changed(&local(), NOW + DAY * 336), no);
        assert_eq!(data.changed(&names(&["b.example"]), NOW + DAY * 336), only_certificate);
        assert_eq!(data.changed(&names(&["b.example"]), NOW + DAY * 3000), only_certificate);
        // The CA would expire before the certificate.
        assert_eq!(data.changed(&local(), NOW + DAY * 3650), [true, true, true, false]);
    }

    #[test]
    fn two_certificates_for_one_key_have_two_serial_numbers() {
        let data = Data::new();
        let one = data.kept().identity(&local(), NOW).unwrap();
        let two = data.kept().identity(&names(&["b.example"]), NOW).unwrap();
        let serial = |it: &Identity| parse(&it.chain()[0]).unwrap().raw_serial().to_vec();
        assert_ne!(serial(&one), serial(&two));
    }

    #[test]
    fn addresses_are_compared_by_value() {
        let data = Data::new();
        data.kept().identity(&names(&["0:0:0:0:0:0:0:1"]), NOW).unwrap();
        assert_eq!(data.changed(&names(&["::1"]), NOW), [false; 4]);
    }

    /// Each row has a file that is damaged or missing, and the files that are replaced because of
    /// it.
    #[test]
    fn damaged_files_are_replaced_and_the_others_stay() {
        for (name, changed) in [
            (CERT, [false, false, true, false]),
            (KEY, [false, false, true, true]),
            (CA, [true, true, true, false]),
        ] {
            for text in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAAAA\n")] {
                let data = Data::new();
                data.kept().identity(&local(), NOW).unwrap();
                match text {
                    None => fs::remove_file(data.path(name)).unwrap(),
                    Some(text) => fs::write(data.path(name), text).unwrap(),
                }
                assert_eq!(data.changed(&local(), NOW), changed, "{name}: {text:?}");
                assert_eq!(data.changed(&local(), NOW), [false; 4], "{name}: {text:?}");
            }
        }
    }

    /// The user may keep the CA's key elsewhere, and senders trust the CA. It is replaced only if
    /// the user removes it.
    #[test]
    fn a_ca_whose_key_is_elsewhere_stays_and_its_certificate_is_used_as_long_as_it_is_valid() {
        for key in [None, Some("not a key"), Some("another")] {
            let (data, other) = (Data::new(), Data::new());
            data.kept().identity(&local(), NOW).unwrap();
            other.kept().identity(&local(), NOW).unwrap();
            match key {
                None => fs::remove_file(data.path(CA_KEY)).unwrap(),
                Some("another") => drop(fs::copy(other.path(CA_KEY), data.path(CA_KEY)).unwrap()),
                Some(text) => fs::write(data.path(CA_KEY), text).unwrap(),
            }
            let before = [CA, CERT, KEY].map(|name| data.text(name));
            let shown = data.kept().identity(&local(), NOW).unwrap();
            for (names, now) in [
                (names(&["b.example"]), NOW),
                (local(), NOW + LEAF_LASTS - Duration::from_secs(86_400)),
            ] {
                let still = data.kept().identity(&names, now).unwrap();
                assert_eq!(still.facts(), shown.facts(), "{key:?}");
            }
            let ended = data.kept().identity(&local(), NOW + LEAF_LASTS * 2);
            assert!(matches!(ended, Err(KeptError::CaKey { .. })), "{key:?}");
            assert_eq!(before, [CA, CERT, KEY].map(|name| data.text(name)), "{key:?}");
        }
    }

    /// A fleet can share one CA.
    #[test]
    fn a_ca_that_was_copied_into_the_folder_signs_the_certificate() {
        let (data, fleet) = (Data::new(), Data::new());
        fleet.kept().identity(&names(&["a.example"]), NOW).unwrap();
        fs::create_dir(data.0.path().join(FOLDER)).unwrap();
        for name in [CA, CA_KEY] {
            fs::copy(fleet.path(name), data.path(name)).unwrap();
        }
        assert_eq!(data.changed(&local(), NOW), [false, false, true, true]);
        assert!(data.kept().is_signed().unwrap());
        assert_ne!(data.text(KEY), fleet.text(KEY));
    }

    #[test]
    fn files_of_another_sinkd_are_recognized() {
        let (data, other) = (Data::new(), Data::new());
        data.kept().identity(&local(), NOW).unwrap();
        other.kept().identity(&local(), NOW).unwrap();
        fs::copy(other.path(CA_KEY), data.path(CA_KEY)).unwrap();
        // The key of another CA is not needed while the certificate is good.
        assert_eq!(data.changed(&local(), NOW), [false; 4]);
        // Together with the other CA's certificate, the key is used.
        fs::copy(other.path(CA), data.path(CA)).unwrap();
        assert_eq!(data.changed(&local(), NOW), [false, false, true, false]);
        assert!(data.kept().is_signed().unwrap());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let data = Data::new();
        fs::write(data.0.path().join("file"), "").unwrap();
        let folder = data.0.path().join("file/data");
        let error = CertificateFolder::in_data_folder(&folder).identity(&local(), NOW).unwrap_err();
        let expected = format!("{}/tls: certificates cannot be stored there", folder.display());
        assert_eq!(error.to_string(), expected);
    }
}
