//! Makes safe file names from names that the sender of a message chose.
use sinkd::mime::part::{Part, PartKind};

/// Maximum length of a name in octets; file systems allow 255, and a number may be appended.
const BYTES_MAX: usize = 120;
/// Maximum length of an extension that is kept when a name is shortened.
const EXTENSION_BYTES_MAX: usize = 16;

/// Returns a name for a part's content: its own name made safe, or `part-N` with an extension for
/// its type.
pub fn file_name(part: &Part<'_>, number: usize) -> String {
    let own = part.file_name.as_deref().map(safe).filter(|name| !name.is_empty());
    own.unwrap_or_else(|| format!("part-{number}.{}", extension(part)))
}

/// Returns the harmless part of a name, so that it can't lead elsewhere, hide, or pass for another:
/// the last path component without control characters, direction marks, and leading dots, dashes
/// and tildes, shortened to 120 octets. Characters that other systems forbid become `_`. May be
/// empty.
fn safe(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or("");
    let kept = last.chars().filter(|c| !c.is_control() && !is_unseen(*c));
    let kept: String = kept
        .map(|c| if matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { c })
        .collect();
    let kept = kept.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '.' | '-' | '~'));
    let kept = kept.trim_end_matches(|c: char| c.is_whitespace() || c == '.');
    let cut = cut(kept);
    if is_reserved(&cut) { format!("_{cut}") } else { cut }
}

/// Returns whether a character changes the direction of the following text, or has no width: with
/// such a character, `gpj.exe` looks like `exe.jpg`.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Shortens a long name, and keeps its extension if that is short.
fn cut(name: &str) -> String {
    if name.len() <= BYTES_MAX {
        return name.to_owned();
    }
    let dot = name.rfind('.').filter(|dot| name.len() - dot <= EXTENSION_BYTES_MAX);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let stem = &stem[..stem.floor_char_boundary(BYTES_MAX - extension.len())];
    format!("{}{extension}", stem.trim_end())
}

/// Returns whether Windows reserves the name for a device, whatever its extension; a folder may be
/// shared with Windows.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or("").trim_end().to_ascii_lowercase();
    let is_numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
    };
    matches!(&*stem, "con" | "prn" | "aux" | "nul") || is_numbered("com") || is_numbered("lpt")
}

fn extension(part: &Part<'_>) -> &'static str {
    match (part.kind, &*part.content_type) {
        (PartKind::Message, _) | (_, "message/rfc822" | "message/global") => "eml",
        (_, "text/html") => "html",
        (_, "text/calendar") => "ics",
        (_, "text/csv") => "csv",
        (_, "application/json") => "json",
        (_, "application/pdf") => "pdf",
        (_, "application/zip") => "zip",
        (_, "application/pgp-signature" | "application/pgp-encrypted") => "asc",
        (_, "image/gif") => "gif",
        (_, "image/jpeg") => "jpg",
        (_, "image/png") => "png",
        (_, "image/svg+xml") => "svg",
        (_, kind) if kind.starts_with("text/") || kind.starts_with("message/") => "txt",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_harm_are_made_safe() {
        for (name, expected) in [
            ("a.pdf", "a.pdf"),
            ("Grüße 2026.pdf", "Grüße 2026.pdf"),
            ("../../etc/passwd", "passwd"),
            ("/etc/passwd", "passwd"),
            ("C:\\Windows\\x.dll", "x.dll"),
            ("..", ""),
            ("...", ""),
            ("a/..", ""),
            ("a/", ""),
            ("", ""),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("~root", "root"),
            ("a\0b\nc\x1b[2Jd", "abc[2Jd"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("a:b|c?.txt", "a_b_c_.txt"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("com1", "_com1"),
            ("com10", "com10"),
            ("name. . ", "name"),
        ] {
            assert_eq!(safe(name), expected, "{name:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let name = format!("{}.pdf", "ü".repeat(500));
        let cut = safe(&name);
        assert!(cut.len() <= BYTES_MAX && cut.ends_with("ü.pdf"), "{cut}");
        assert_eq!(safe(&"x".repeat(BYTES_MAX)).len(), BYTES_MAX);
        assert_eq!(safe(&"x".repeat(BYTES_MAX + 1)).len(), BYTES_MAX);
        assert_eq!(safe(&format!("a.{}", "b".repeat(500))).len(), BYTES_MAX);
    }
}
