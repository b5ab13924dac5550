//! Words of a command that a person can paste into a shell.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Returns `word` quoted for a POSIX shell, if it needs quotes. A word that is not UTF-8 becomes
/// `$'…'` with escapes, which POSIX has defined since 2024, and which bash, zsh and ksh have long
/// had.
pub fn shell_word(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    match word.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(is_plain) => text.to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', r"'\''")),
        None => format!("$'{}'", word.as_bytes().iter().map(escaped).collect::<String>()),
    }
}

/// Returns an octet as it is written in `$'…'`. An escape of three octal digits ends there, even if
/// a digit follows.
fn escaped(octet: &u8) -> String {
    match octet {
        b'\'' | b'\\' => format!(r"\{}", char::from(*octet)),
        b' '..=b'~' => char::from(*octet).to_string(),
        octet => format!(r"\{octet:03o}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_if_a_shell_would_change_them() {
        for (word, expected) in [
            (&b"/var/mail-1"[..], "/var/mail-1"),
            (b"", "''"),
            (b"my mail", "'my mail'"),
            (b"it's $HOME", r"'it'\''s $HOME'"),
            (b"'", r"''\'''"),
            (b"~", "'~'"),
            (b"a\\b", r"'a\b'"),
            ("f\u{fc}r".as_bytes(), "'f\u{fc}r'"),
            (b"\xfc1 'a'\\\n", r"$'\3741 \'a\'\\\012'"),
        ] {
            assert_eq!(shell_word(OsStr::from_bytes(word)), expected, "{word:?}");
        }
    }

    #[test]
    fn a_shell_reads_back_every_quoted_word() {
        for word in ["", "my mail", "it's $HOME", "'", "~", "a\\b", "\"", "a\nb", "*"] {
            let command = format!("printf %s {}", shell_word(word));
            let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
