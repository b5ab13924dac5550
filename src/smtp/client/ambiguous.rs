//! Detects content in which a careless server could see the end of data too early.
//!
//! RFC 5321 section 4.1.1.4 ends data with CRLF.CRLF and nothing else. Some servers also accept
//! LF.LF, LF.CRLF, CR.CR and mixtures of them as the end of data, or drop the dot of a line that
//! begins after a bare CR or LF. They then read the rest as commands: a stored message could send
//! another one, to any recipient ("SMTP smuggling").
use memchr::memmem;

/// Octets on each side of the boundary between head and body that are searched together.
const SEAM_BYTES: usize = 8;

/// Returns whether a line-leading dot is next to a bare CR, a bare LF or a NUL (which some servers
/// drop). `head` and `body` are the content as DATA sends it, without the end of data.
///
/// Costs three memmem passes, and copies nothing.
pub(super) fn has_ambiguous_dot(head: &[u8], body: &[u8]) -> bool {
    let of_body = if head.is_empty() { Begin::Data } else { Begin::Middle };
    if is_ambiguous(head, Begin::Data) || is_ambiguous(body, of_body) {
        return true;
    }
    let from = head.len().saturating_sub(SEAM_BYTES);
    let to = body.len().min(SEAM_BYTES);
    let (mut seam, len) = ([0; 2 * SEAM_BYTES], head.len() - from + to);
    seam[..head.len() - from].copy_from_slice(&head[from..]);
    seam[head.len() - from..len].copy_from_slice(&body[..to]);
    is_ambiguous(&seam[..len], if from == 0 { Begin::Data } else { Begin::Middle })
}

/// Where a piece of content begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// At the beginning of the data.
    Data,
    /// After octets outside this piece.
    Middle,
}

/// Searches one piece. In a piece from the middle, a dot with fewer than two octets before it is
/// left to the call that sees those octets.
fn is_ambiguous(piece: &[u8], begin: Begin) -> bool {
    let is_start = begin == Begin::Data;
    let is_bare_after = |dot: usize| match piece[dot + 1..] {
        [b'\n' | b'\0', ..] => true,
        [b'\r', next, ..] => next != b'\n',
        _ => false,
    };
    if is_start && piece.starts_with(b".") && is_bare_after(0) {
        return true;
    }
    let after_lf = |lf: usize| match lf.checked_sub(1) {
        Some(before) if piece[before] == b'\r' => is_bare_after(lf + 1),
        Some(_) => true,
        None => is_start,
    };
    let after_nul = |nul: usize| {
        let before = piece[..nul].iter().rev().find(|octet| **octet != b'\0');
        before.map_or(is_start, |octet| matches!(octet, b'\r' | b'\n'))
    };
    memmem::find_iter(piece, b"\n.").any(after_lf)
        || memmem::find(piece, b"\r.").is_some()
        || memmem::find_iter(piece, b"\0.").any(after_nul)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_leading_dot_next_to_a_bare_line_end_is_ambiguous() {
        for (content, expected) in [
            ("a\n.\nb\r\n", true),
            ("a\n.\r\nb\r\n", true),
            ("a\r\n.\nb\r\n", true),
            ("a\r\n.\rb\r\n", true),
            ("a\r.\r\nb\r\n", true),
            ("a\r.\rb\r\n", true),
            ("a\n.b\r\n", true),
            ("a\r.b\r\n", true),
            (".\nb\r\n", true),
            (".\rb\r\n", true),
            ("\n.\r\n", true),
            ("a\r\n\0.\r\n", true),
            ("a\r\n.\0\r\n", true),
            ("\0.\r\n", true),
            ("", false),
            ("a\r\n..\r\nb\r\n", false),
            ("a\r\n..b\r\n", false),
            ("a\nb\rc.\nd\r\n", false),
            ("a.\n.b\r\n", true),
            ("a\0.b\r\n", false),
            ("..\r\n", false),
            ("a\r\n.b\r\n", false),
        ] {
            for cut in 0..=content.len() {
                let (head, body) = content.as_bytes().split_at(cut);
                assert_eq!(has_ambiguous_dot(head, body), expected, "{content:?} cut at {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_split_between_head_and_body_does_not_matter(
            content in prop::collection::vec(
                prop::sample::select(vec![b'\r', b'\n', b'.', b'\0', b'a']), 0..24),
            cut in 0usize..24,
        ) {
            let (head, body) = content.split_at(cut.min(content.len()));
            // This test does not cover a longer run of NULs across the cut.
            prop_assume!(!content.windows(5).any(|run| run == [0; 5]));
            prop_assert_eq!(has_ambiguous_dot(head, body), is_ambiguous(&content, Begin::Data));
        }
    }
}
