//! Error messages of the system, for a person.

/// The text that the standard library puts before the number of a system error.
const BEFORE: &str = " (os error ";

/// Returns `text` without the numbers of system errors, which repeat the words before them. `No
/// such file or directory (os error 2)` becomes `No such file or directory`.
pub fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEFORE) {
        let number = &rest[at + BEFORE.len()..];
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        let is_number = digits > 0 && number[digits..].starts_with(')');
        out.push_str(if is_number { &rest[..at] } else { &rest[..at + BEFORE.len()] });
        rest = if is_number { &number[digits + 1..] } else { number };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_lose_their_numbers_and_nothing_else() {
        for (text, plain) in [
            ("f: No such file or directory (os error 2)", "f: No such file or directory"),
            ("a (os error 2): b (os error 111); c", "a: b; c"),
            ("a (os error )", "a (os error )"),
            ("a (os error x) (os error 2)", "a (os error x)"),
            ("a (os error 2", "a (os error 2"),
            ("", ""),
        ] {
            assert_eq!(without_numbers(text), plain);
        }
        let error = std::io::Error::from_raw_os_error(2);
        assert!(!without_numbers(&error.to_string()).contains("os error"), "{error}");
    }
}
