//! The CRAM-MD5 digest (RFC 2195, RFC 2104).
use std::fmt::Write;

use hmac::{Hmac, Mac};
use md5::Md5;

/// Returns the HMAC-MD5 of `challenge` with `password` as its key, as 32 hexadecimal digits in
/// lower case.
pub(super) fn digest(challenge: &str, password: &[u8]) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(password).expect("a key may have any length");
    mac.update(challenge.as_bytes());
    let octets = mac.finalize().into_bytes();
    octets.iter().fold(String::with_capacity(32), |mut digits, octet| {
        write!(digits, "{octet:02x}").expect("text takes all that is written");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 2195 section 2.
    #[test]
    fn the_digest_matches_the_rfc_example() {
        let challenge = "<1896.697170952@postoffice.reston.mci.net>";
        assert_eq!(digest(challenge, b"tanstaaftanstaaf"), "b913a602c7eda7a495b4e6e7334d3890");
    }
}
