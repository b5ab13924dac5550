//! Sizes in bytes, as people write them.

/// Parses a size: `4096`, `64K` or `64KiB` (powers of 1024), `10MB` (powers of 1000, as in all
/// output). Case does not matter.
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("64K", Some(65536)),
            ("64 KiB", Some(65536)),
            ("10MB", Some(10_000_000)),
            ("64kB", Some(64_000)),
            ("3GB", Some(3_000_000_000)),
            ("2g", Some(2 << 30)),
            ("", None),
            ("K", None),
            ("-1", None),
            ("1.5M", None),
            ("1T", Some(1 << 40)),
            ("4 TiB", Some(4 << 40)),
            ("2tb", Some(2_000_000_000_000)),
            ("1P", None),
            ("16777216T", None),
            ("99999999999999999999", None),
            ("99999999999G", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }
}
