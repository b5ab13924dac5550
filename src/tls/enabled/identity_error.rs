//! Why a certificate and its key can't be used.
use std::io;
use std::path::PathBuf;

/// Why a certificate and its key can't be used. Each message names the file and the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file can't be read.
    #[error("{path}: cannot be read", path = path.display())]
    Read {
        /// The file that was read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file has no certificate.
    #[error("{path}: expected certificates in PEM, found {found}", path = path.display())]
    NoCertificate {
        /// The file that was read.
        path: PathBuf,
        /// What it has instead, and what to do.
        found: String,
    },
    /// A file has no key.
    #[error("{path}: expected a private key in PEM, found {found}", path = path.display())]
    NoKey {
        /// The file that was read.
        path: PathBuf,
        /// What it has instead, and what to do.
        found: String,
    },
    /// A certificate is not one that TLS can use.
    #[error("{path}: the certificate cannot be used: {why}", path = path.display())]
    Certificate {
        /// The file that was read.
        path: PathBuf,
        /// What was expected, and what was found.
        why: String,
    },
    /// A key is not one that TLS can use.
    #[error(
        "{path}: expected a key that TLS can use (RSA of 2048 to 8192 bits, ECDSA P-256, P-384 or \
         P-521, Ed25519), found another kind or damage",
        path = .0.display()
    )]
    Key(PathBuf),
    /// The key is not the certificate's.
    #[error(
        "{key}: expected the key of the first certificate in {cert}, found another key",
        key = key.display(), cert = cert.display()
    )]
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The certificate has expired.
    #[error("{path}: the certificate expired at {at}: renew it", path = path.display())]
    Expired {
        /// The file that was read.
        path: PathBuf,
        /// The end of its validity.
        at: String,
    },
    /// The certificate is not valid yet.
    #[error(
        "{path}: the certificate is not valid before {at}: check the clock of this machine",
        path = path.display()
    )]
    Future {
        /// The file that was read.
        path: PathBuf,
        /// The beginning of its validity.
        at: String,
    },
}
