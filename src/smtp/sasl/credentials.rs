//! The credentials that a client presents.
use super::secret::Secret;

/// Maximum length of a user name, in octets.
pub const USER_BYTES_MAX: usize = 255;

/// The user that a client claims to be, with its proof.
pub struct Credentials {
    /// UTF-8 of 1 to [`USER_BYTES_MAX`] octets without control characters.
    pub user: String,
    /// How the user is authenticated.
    pub proof: CredentialProof,
}

/// The proof that a mechanism transports.
pub enum CredentialProof {
    /// The password, for PLAIN and LOGIN.
    Password(Secret),
    /// The digest of `challenge` with the password as its key, for CRAM-MD5.
    Digest {
        /// The challenge that was sent, before it was encoded in base64.
        challenge: String,
        /// 32 hexadecimal digits in lower case.
        digest: Secret,
    },
    /// The access token, for XOAUTH2.
    Token(Secret),
}
