//! A certificate with its chain and its key: who a server or a client proves to be.
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
use super::pem::{self, Contents};
use super::provider::provider;

/// Octets of a file of certificates or keys: hundreds of certificates.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 20;

/// A certificate with its chain and its key; cheap to clone.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    facts: Arc<CertificateFacts>,
    warning: Option<Arc<str>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads the certificates in `cert`, the server's or client's own first, and the key in `key`;
    /// both in PEM, and they may be one file. `now`: the time since 1970.
    pub fn load(cert: &Path, key: &Path, now: Duration) -> Result<Identity, IdentityError> {
        let chain = certificates(cert)?;
        let private = private_key(key)?;
        let mut identity = Identity::of(chain, private, (cert, key))?;
        let (facts, path) = (&identity.facts, cert.to_path_buf());
        if facts.is_future(now) {
            return Err(IdentityError::Future { path, at: facts.valid_from() });
        }
        if !facts.is_valid_for(Duration::ZERO, now) {
            return Err(IdentityError::Expired { path, at: facts.valid_until() });
        }
        identity.warning = readable(key).map(Arc::from);
        Ok(identity)
    }

    /// Puts together what was read; `files` are for the errors.
    pub(super) fn of(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        files: (&Path, &Path),
    ) -> Result<Identity, IdentityError> {
        let (cert, key_file) = files;
        let unusable = |why: String| IdentityError::Certificate { path: cert.into(), why };
        let own = chain.first().ok_or_else(|| unusable("found none".into()))?;
        let facts = CertificateFacts::of(own).map_err(|error| unusable(error.to_string()))?;
        let signing = provider().key_provider.load_private_key(key).map_err(|error| {
            IdentityError::Key { path: key_file.into(), found: found_key(&error) }
        })?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            // rustls does not know: a key that does not tell its public half.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                let (cert, key) = (cert.into(), key_file.into());
                return Err(IdentityError::Mismatch { cert, key });
            }
            Err(error) => return Err(unusable(error.to_string())),
        }
        Ok(Identity { certified: Arc::new(certified), facts: Arc::new(facts), warning: None })
    }

    /// What its certificate says.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// A sentence about what is allowed and may be a mistake.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// As rustls uses it.
    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }

    /// Its certificates, its own first.
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
        let found = found_instead(&contents, "certificate", "x509");
        return Err(IdentityError::NoCertificate { path: path.into(), found });
    }
    Ok(contents.certificates)
}

/// Reads the first key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let mut contents = read(path)?;
    if contents.keys.is_empty() {
        let found = found_instead(&contents, "key", "pkey");
        return Err(IdentityError::NoKey { path: path.into(), found });
    }
    Ok(contents.keys.swap_remove(0))
}

fn read(path: &Path) -> Result<Contents, IdentityError> {
    let failed = |source| IdentityError::Read { path: path.into(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut text).map_err(failed)?;
    Ok(pem::read(&text))
}

/// What a file without a `wanted` holds, and what to do.
fn found_instead(contents: &Contents, wanted: &str, command: &str) -> String {
    let Contents { certificates, keys, damage, is_encrypted, is_der } = contents;
    match (certificates.is_empty(), keys.is_empty(), damage) {
        (false, _, _) => "a certificate: are the two files swapped?".into(),
        (_, false, _) => "a private key: are the two files swapped?".into(),
        (_, _, Some(why)) => format!("a damaged file ({why})"),
        _ if *is_encrypted => {
            "one that needs a password: decrypt it with openssl pkey -in FILE -out NEW".into()
        }
        _ if *is_der => {
            format!("DER: convert it with openssl {command} -inform DER -in FILE -out NEW")
        }
        _ => format!("no {wanted}"),
    }
}

/// What rustls says about a key, without its own words around it.
fn found_key(error: &Error) -> String {
    match error {
        Error::General(text) => format!("another one ({text})"),
        other => format!("another one ({other})"),
    }
}

/// A sentence if everyone may read a key. A group may: Debian keeps keys for the group ssl-cert.
fn readable(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let is_open = mode & 0o007 != 0;
    is_open.then(|| {
        let path = path.display();
        format!("{path}: everyone can read this private key (mode {mode:04o}): chmod 600 it")
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::path::PathBuf;

    use super::super::authority::{Authority, LeafKey};
    use super::super::pem::encode;
    use super::*;

    /// 2026-11-29.
    const NOW: Duration = Duration::from_secs(1_795_910_400);
    const YEAR: Duration = Duration::from_secs(366 * 86_400);

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
            }
            let cut = |name: &str, at: usize| fs::read(files.path(name)).unwrap()[..at].to_vec();
            files.write("cut.crt", cut("a.crt", 300));
            files.write("cut.key", cut("a.key", 100));
            files.write("empty", "");
            files.write("text", "a certificate\n");
            files.write("locked.key", encode("ENCRYPTED PRIVATE KEY", b"secret"));
            files.write("other.crt", encode("CERTIFICATE", b"not X.509"));
            files.write("other.key", encode("PRIVATE KEY", b"not a key"));
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
                "a.der: expected certificates in PEM, found DER: convert it with openssl x509 \
                 -inform DER -in FILE -out NEW",
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
    fn a_pair_may_be_one_file_or_two() {
        let files = Files::new();
        for (cert, key) in [("a.crt", "a.key"), ("both.pem", "both.pem"), ("a.crt", "both.pem")] {
            let identity = files.load(cert, key).unwrap();
            assert_eq!(identity.facts().names, ["a.example"]);
            assert_eq!(identity.warning(), None);
        }
    }

    #[test]
    fn a_key_that_everyone_can_read_is_warned_of() {
        let files = Files::new();
        for (mode, is_warned_of) in [(0o400, false), (0o640, false), (0o644, true), (0o601, true)] {
            set_permissions(files.path("a.key"), Permissions::from_mode(mode)).unwrap();
            let identity = files.load("a.crt", "a.key").unwrap();
            assert_eq!(identity.warning().is_some(), is_warned_of, "{mode:o}");
        }
    }

    #[test]
    fn no_cut_of_a_file_is_a_panic_or_another_certificate() {
        let files = Files::new();
        let whole = fs::read(files.path("a.crt")).unwrap();
        let facts = files.load("a.crt", "a.key").unwrap().facts().clone();
        for at in 0..whole.len() {
            files.write("cut.crt", &whole[..at]);
            // The last line may lack its end.
            if let Ok(identity) = files.load("cut.crt", "a.key") {
                assert_eq!((at, identity.facts()), (whole.len() - 1, &facts));
            }
        }
    }
}
