//! A certificate with its chain and its key, with which a server or client authenticates itself.
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::certificate::CertificateFacts;
use super::identity_error::IdentityError;
use super::pem::{self, Binary, PemContents};
use super::provider::provider;

/// Limit on the part of a file of certificates or keys that is read: enough for hundreds of
/// certificates.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 20;

/// A certificate that expires sooner causes a warning: it should have been renewed.
const WARNED_BEFORE: Duration = Duration::from_secs(14 * 86_400);

/// The version of X.509 that has server names, and the only one that rustls supports.
const VERSION: u32 = 3;

/// A certificate with its chain and its key; cheap to clone.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    facts: Arc<CertificateFacts>,
    warnings: Vec<String>,
    /// A warning that applies only to a server's certificate.
    nameless: Option<String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads the certificates in `cert`, the server's or client's own first, and the key in `key`.
    /// Both are PEM files, and can be the same file. `now`: the time since 1970.
    pub fn load(cert: &Path, key: &Path, now: Duration) -> Result<Identity, IdentityError> {
        let chain = certificates(cert)?;
        let private = private_key(key)?;
        let mut identity = Identity::from_parts(chain, private, (cert, key))?;
        let (facts, path) = (&identity.facts, cert.to_path_buf());
        if facts.is_future(now) {
            return Err(IdentityError::Future { path, at: facts.valid_from() });
        }
        if !facts.is_valid_for(Duration::ZERO, now) {
            return Err(IdentityError::Expired { path, at: facts.valid_until() });
        }
        identity.warnings = ending(cert, facts, now).into_iter().chain(readable(key)).collect();
        identity.nameless = nameless(cert, facts);
        Ok(identity)
    }

    /// Combines a chain and a key. `files`: their paths, for errors.
    pub(super) fn from_parts(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        files: (&Path, &Path),
    ) -> Result<Identity, IdentityError> {
        let (cert, key_file) = files;
        let unusable = |why: String| IdentityError::Certificate { path: cert.into(), why };
        let own = chain.first().ok_or_else(|| unusable("found none".into()))?;
        let facts = CertificateFacts::from_der(own).map_err(|error| unusable(error.to_string()))?;
        if facts.version != VERSION {
            let found = facts.version;
            return Err(unusable(format!("expected X.509 version {VERSION}, found {found}")));
        }
        let signing = provider().key_provider.load_private_key(key);
        let signing = signing.map_err(|_| IdentityError::Key(key_file.into()))?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            // rustls can't compare them: the key doesn't reveal its public half.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                let (cert, key) = (cert.into(), key_file.into());
                return Err(IdentityError::Mismatch { cert, key });
            }
            Err(error) => return Err(unusable(error.to_string())),
        }
        Ok(Identity {
            certified: Arc::new(certified),
            facts: Arc::new(facts),
            warnings: Vec::new(),
            nameless: None,
        })
    }

    /// Returns the facts of its certificate.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// Returns a sentence for each thing that is allowed but may be a mistake.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the warnings for a certificate that a server presents. They include a missing name:
    /// clients verify the names of servers, but servers don't verify the names of clients.
    pub fn warnings_of_server(&self) -> impl Iterator<Item = &String> {
        self.warnings.iter().chain(&self.nameless)
    }

    /// Returns it in the form that rustls uses.
    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }

    /// Returns its chain of certificates, its own first.
    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }
}

/// Reads every certificate of a file; there is at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let contents = read(path)?;
    if let Some(why) = contents.damage {
        let why = format!("expected PEM, found a damaged file ({why})");
        return Err(IdentityError::Certificate { path: path.into(), why });
    }
    if contents.certificates.is_empty() {
        let found = found_instead(&contents, "certificate");
        return Err(IdentityError::NoCertificate { path: path.into(), found });
    }
    Ok(contents.certificates)
}

/// Reads the first key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let mut contents = read(path)?;
    if contents.keys.is_empty() {
        let found = found_instead(&contents, "key");
        return Err(IdentityError::NoKey { path: path.into(), found });
    }
    Ok(contents.keys.swap_remove(0))
}

fn read(path: &Path) -> Result<PemContents, IdentityError> {
    let failed = |source| IdentityError::Read { path: path.into(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut text).map_err(failed)?;
    Ok(pem::read(&text))
}

/// Describes what a file without a `wanted` contains, and what to do.
fn found_instead(contents: &PemContents, wanted: &str) -> String {
    let PemContents { certificates, keys, damage, is_encrypted, binary } = contents;
    if !certificates.is_empty() {
        return "a certificate: are the two files swapped?".into();
    }
    if !keys.is_empty() {
        return "a private key: are the two files swapped?".into();
    }
    if *is_encrypted {
        return "one that needs a password: decrypt it with openssl pkey -in FILE -out NEW".into();
    }
    let convert = match binary {
        Some(Binary::Certificate) => {
            "a certificate in DER: convert it with openssl x509 -inform DER"
        }
        Some(Binary::Key) => "a key in DER: convert it with openssl pkey -inform DER",
        Some(Binary::Other) => {
            "a binary file, as of PKCS #12: convert it with openssl pkcs12 -nodes"
        }
        None => {
            let damage = damage.as_ref().map(|why| format!("a damaged file ({why})"));
            return damage.unwrap_or_else(|| format!("no {wanted}"));
        }
    };
    format!("{convert} -in FILE -out NEW")
}

/// Returns a sentence if a certificate should have been renewed.
fn ending(path: &Path, facts: &CertificateFacts, now: Duration) -> Option<String> {
    let (path, until) = (path.display(), facts.valid_until());
    let is_near = !facts.is_valid_for(WARNED_BEFORE, now);
    is_near.then(|| format!("{path}: the certificate expires at {until}"))
}

/// Returns a sentence if a certificate's only name is its subject (RFC 9525 section 6.3).
fn nameless(path: &Path, facts: &CertificateFacts) -> Option<String> {
    facts.names.is_empty().then(|| {
        format!(
            "{}: the certificate has no names of servers (subjectAltName), so clients that verify \
             refuse it",
            path.display()
        )
    })
}

/// Returns a sentence if users outside of a key's group can read it. The group may: Debian has a
/// group ssl-cert for keys.
fn readable(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let is_open = mode & 0o004 != 0;
    is_open.then(|| {
        let path = path.display();
        format!("{path}: everyone can read this private key (mode {mode:04o}): chmod 600 it")
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::path::PathBuf;

    use super::*;
    use crate::tls::enabled::authority::{Authority, LeafKey};
    use crate::tls::enabled::pem::encode;

    /// 2026-11-29.
    const NOW: Duration = Duration::from_secs(1_795_910_400);
    const YEAR: Duration = Duration::from_secs(366 * 86_400);

    /// A key with a password, as OpenSSL wrote it before PKCS #8.
    const OLD_LOCKED: &str = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                              DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";

    /// A folder with two certificates, their keys, and files that are neither.
    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Files {
            let files = Files { folder: tempfile::tempdir().unwrap() };
            let ca = Authority::generate("host", NOW).unwrap();
            for (name, now) in [("a", NOW), ("b", NOW), ("old", NOW - YEAR), ("new", NOW + YEAR)] {
                let key = LeafKey::generate().unwrap();
                let leaf = ca.sign(&key, &["a.example".into()], now).unwrap();
                files.write(&format!("{name}.crt"), encode("CERTIFICATE", &leaf));
                files.write(&format!("{name}.key"), encode("PRIVATE KEY", key.der()));
                files.write(&format!("{name}.der"), &leaf);
                files.write("key.der", key.der());
            }
            let cut = |name: &str, at: usize| fs::read(files.path(name)).unwrap()[..at].to_vec();
            let key = LeafKey::generate().unwrap();
            files.write("nameless.crt", encode("CERTIFICATE", &ca.sign(&key, &[], NOW).unwrap()));
            files.write("nameless.key", encode("PRIVATE KEY", key.der()));
            files.write("cut.crt", cut("a.crt", 300));
            files.write("cut.key", cut("a.key", 100));
            files.write("empty", "");
            files.write("text", "a certificate\n");
            files.write("locked.key", encode("ENCRYPTED PRIVATE KEY", b"secret"));
            files.write("old-locked.key", OLD_LOCKED);
            files.write("both.p12", b"\x30\x82\x0A\x00\x02\x01\x03");
            files.write("other.crt", encode("CERTIFICATE", b"not X.509"));
            files.write("other.key", encode("PRIVATE KEY", b"not a key"));
            let marked = [b"\xEF\xBB\xBF", &fs::read(files.path("a.crt")).unwrap()[..]].concat();
            files.write("marked.crt", marked);
            let whole = |name: &str| fs::read(files.path(name)).unwrap();
            files.write("both.pem", [whole("a.key"), whole("a.crt")].concat());
            files
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, text: impl AsRef<[u8]>) {
            fs::write(self.path(name), text).unwrap();
            set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
        }

        fn load(&self, cert: &str, key: &str) -> Result<Identity, String> {
            Identity::load(&self.path(cert), &self.path(key), NOW).map_err(|error| {
                let folder = format!("{}/", self.folder.path().display());
                error.to_string().replace(&folder, "")
            })
        }
    }

    #[test]
    fn every_pair_that_cannot_be_used_names_its_file_and_why() {
        let files = Files::new();
        for (cert, key, expected) in [
            ("none", "a.key", "none: cannot be read"),
            ("a.crt", "none", "none: cannot be read"),
            ("empty", "a.key", "empty: expected certificates in PEM, found no certificate"),
            ("text", "a.key", "text: expected certificates in PEM, found no certificate"),
            ("a.crt", "empty", "empty: expected a private key in PEM, found no key"),
            (
                "a.key",
                "a.crt",
                "a.key: expected certificates in PEM, found a private key: are the two files \
                 swapped?",
            ),
            (
                "a.crt",
                "a.crt",
                "a.crt: expected a private key in PEM, found a certificate: are the two files \
                 swapped?",
            ),
            (
                "a.der",
                "a.key",
                "a.der: expected certificates in PEM, found a certificate in DER: convert it with \
                 openssl x509 -inform DER -in FILE -out NEW",
            ),
            (
                "a.crt",
                "key.der",
                "key.der: expected a private key in PEM, found a key in DER: convert it with \
                 openssl pkey -inform DER -in FILE -out NEW",
            ),
            (
                "a.crt",
                "both.p12",
                "both.p12: expected a private key in PEM, found a binary file, as of PKCS #12: \
                 convert it with openssl pkcs12 -nodes -in FILE -out NEW",
            ),
            (
                "a.crt",
                "old-locked.key",
                "old-locked.key: expected a private key in PEM, found one that needs a password",
            ),
            (
                "cut.crt",
                "a.key",
                "cut.crt: the certificate cannot be used: expected PEM, found a damaged file",
            ),
            ("a.crt", "cut.key", "cut.key: expected a private key in PEM, found a damaged file"),
            (
                "a.crt",
                "locked.key",
                "locked.key: expected a private key in PEM, found one that needs a password",
            ),
            (
                "other.crt",
                "a.key",
                "other.crt: the certificate cannot be used: expected a certificate (X.509)",
            ),
            ("a.crt", "other.key", "other.key: expected a key that TLS can use (RSA of 2048"),
            (
                "a.crt",
                "b.key",
                "b.key: expected the key of the first certificate in a.crt, found another key",
            ),
            (
                "old.crt",
                "old.key",
                "old.crt: the certificate expired at 2026-11-28T00:00:00Z: renew it",
            ),
            (
                "new.crt",
                "new.key",
                "new.crt: the certificate is not valid before 2027-11-29T00:00:00Z: check the",
            ),
        ] {
            let error = files.load(cert, key).expect_err(cert);
            assert!(error.starts_with(expected), "{cert} and {key}: {error}");
        }
    }

    #[test]
    fn a_pair_can_be_one_file_or_two() {
        let files = Files::new();
        for (cert, key) in [
            ("a.crt", "a.key"),
            ("both.pem", "both.pem"),
            ("a.crt", "both.pem"),
            ("marked.crt", "a.key"),
        ] {
            let identity = files.load(cert, key).unwrap();
            assert_eq!(identity.facts().names, ["a.example"]);
            assert_eq!(identity.warnings(), [""; 0]);
        }
    }

    #[test]
    fn a_key_that_everyone_can_read_causes_a_warning() {
        let files = Files::new();
        for (mode, is_warned_of) in [(0o400, false), (0o640, false), (0o604, true), (0o601, false)]
        {
            set_permissions(files.path("a.key"), Permissions::from_mode(mode)).unwrap();
            let identity = files.load("a.crt", "a.key").unwrap();
            assert_eq!(!identity.warnings().is_empty(), is_warned_of, "{mode:o}");
        }
    }

    #[test]
    fn a_certificate_without_names_or_about_to_expire_causes_a_warning() {
        let files = Files::new();
        let load = |cert: &str, key: &str, now| {
            let identity = Identity::load(&files.path(cert), &files.path(key), now).unwrap();
            let as_client = identity.warnings().len();
            let as_server: Vec<String> = identity.warnings_of_server().cloned().collect();
            assert_eq!(as_server.len() - as_client, usize::from(cert == "nameless.crt"));
            as_server
        };
        let days = |days: u32| NOW + Duration::from_secs(86_400) * days;
        assert_eq!(load("a.crt", "a.key", days(351)), [""; 0]);
        let [warning] = &load("a.crt", "a.key", days(352))[..] else { panic!("a warning") };
        let expected = "a.crt: the certificate expires at 2027-11-29T00:00:00Z";
        assert!(warning.ends_with(expected), "{warning}");
        let [warning] = &load("nameless.crt", "nameless.key", NOW)[..] else { panic!("a warning") };
        assert!(warning.contains("nameless.crt: the certificate has no names"), "{warning}");
    }

    #[test]
    fn a_file_cut_anywhere_causes_no_panic_and_no_other_certificate() {
        let files = Files::new();
        let whole = fs::read(files.path("a.crt")).unwrap();
        let facts = files.load("a.crt", "a.key").unwrap().facts().clone();
        for at in 0..whole.len() {
            files.write("cut.crt", &whole[..at]);
            // Only the end of the last line may be missing.
            if let Ok(identity) = files.load("cut.crt", "a.key") {
                assert_eq!((at, identity.facts()), (whole.len() - 1, &facts));
            }
        }
    }
}
