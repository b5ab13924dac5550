//! SHA-256, and fingerprints of certificates.
use rustls::SupportedCipherSuite;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;

/// Length of a digest.
pub(super) const DIGEST_BYTES: usize = 32;

/// Returns the SHA-256 of the concatenated `parts`.
///
/// The hash function of a cipher suite is used, which saves a crate.
pub(super) fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; DIGEST_BYTES] {
    let SupportedCipherSuite::Tls13(suite) = TLS13_AES_128_GCM_SHA256 else {
        unreachable!("a suite of TLS 1.3")
    };
    let mut hash = suite.common.hash_provider.start();
    parts.into_iter().for_each(|part| hash.update(part));
    hash.finish().as_ref().try_into().expect("SHA-256 has 32 octets")
}

/// Returns the SHA-256 of `der` as `openssl x509 -fingerprint -sha256` prints it: `AB:CD:…`.
pub(super) fn fingerprint(der: &[u8]) -> String {
    let octets = sha256([der]).map(|octet| format!("{octet:02X}"));
    octets.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of FIPS 180-2 appendix B.1, in one piece and in two.
    #[test]
    fn the_digest_is_sha256() {
        let expected = "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:\
                        B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
        assert_eq!(fingerprint(b"abc"), expected);
        assert_eq!(sha256([&b"a"[..], b"bc"]), sha256([&b"abc"[..]]));
    }
}
