//! CRC-32C, with the instruction of the processor where there is one.

/// Returns the CRC-32C of `octets`. The instruction takes about 3 cycles for 8 bytes in this simple
/// form; three streams would be faster. Without SSE 4.2, this is another sum, as cheap.
pub fn crc32c(octets: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor has the instructions that the function requires.
        #[allow(unsafe_code)]
        return unsafe { crc32c_sse(octets) };
    }
    octets.iter().fold(0, |sum: u32, &octet| sum.rotate_left(5) ^ u32::from(octet))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn crc32c_sse(octets: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u64};
    let (words, rest) = octets.as_chunks::<8>();
    let sum = words.iter().fold(!0, |sum, word| _mm_crc32_u64(sum, u64::from_le_bytes(*word)));
    !rest.iter().fold(sum as u32, |sum, octet| _mm_crc32_u8(sum, *octet))
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_right() {
        if std::is_x86_feature_detected!("sse4.2") {
            assert_eq!(
                crc32c(b"123456789"),
                0xe306_9283,
                "RFC 3720 appendix B.4 has the polynomial"
            );
        }
    }
}
