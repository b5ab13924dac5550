//! What a client claims, and how it proves it.
use super::secret::Secret;

/// Octets of a user's name.
pub const USER_BYTES_MAX: usize = 255;

/// The user that a client claims to be, with its proof.
pub struct Credentials {
    /// UTF-8 of 1 to [`USER_BYTES_MAX`] octets without control characters.
    pub user: String,
    /// Why it should be believed.
    pub proof: Proof,
}

/// The proof of a mechanism.
pub enum Proof {
    /// PLAIN, LOGIN: the password.
    Password(Secret),
    /// CRAM-MD5: the digest of `challenge` with the password as its key, in hexadecimal.
    Digest {
        /// As it was sent, decoded.
        challenge: String,
        /// 32 digits in lower case.
        digest: Secret,
    },
    /// XOAUTH2: the access token.
    Token(Secret),
}
