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
/// Costs three memmem passes, and a copy of a few octets.
pub(super) fn has_ambiguous_dot(head: &[u8], body: &[u8]) -> bool {
    let of_body = if head.is_empty() { Begin::Data } else { Begin::Middle };
    if is_ambiguous(head, Begin::Data) || is_ambiguous(body, of_body) {
        return true;
    }
    // The octets around the boundary. A run of NULs there becomes one NUL, which means the same.
    let is_octet = |octet: &u8| *octet != b'\0';
    let before = &head[..head.iter().rposition(is_octet).map_or(0, |last| last + 1)];
    let after = &body[body.iter().position(is_octet).unwrap_or(body.len())..];
    let has_nul = before.len() < head.len() || after.len() < body.len();
    let from = before.len().saturating_sub(SEAM_BYTES);
    let to = after.len().min(SEAM_BYTES);
    let (mut seam, mut len) = ([0; 2 * SEAM_BYTES + 1], 0);
    for piece in [&before[from..], &b"\0"[..usize::from(has_nul)], &after[..to]] {
        seam[len..len + piece.len()].copy_from_slice(piece);
        len += piece.len();
    }
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

    #[test]
    fn a_run_of_nuls_across_the_boundary_hides_no_dot() {
        for (before, after) in [(0, 8), (8, 0), (20, 30), (0, 1), (1, 0)] {
            let head = [&b"X-Mark: a\r\n"[..], &vec![0; before]].concat();
            let body = [&vec![0; after][..], b".\r\nMAIL"].concat();
            assert!(has_ambiguous_dot(&head, &body), "{before} and {after} NULs");
        }
    }

    proptest! {
        #[test]
        fn the_split_between_head_and_body_does_not_matter(
            octets in prop::collection::vec(
                prop::sample::select(vec![b'\r', b'\n', b'.', b'\0', b'a']), 0..24),
            nuls in (0usize..24, 0usize..40),
            cut in 0usize..64,
        ) {
            let mut content = octets;
            // A long run of NULs, often across the cut.
            let at = nuls.0.min(content.len());
            content.splice(at..at, std::iter::repeat_n(0, nuls.1));
            let (head, body) = content.split_at(cut.min(content.len()));
            prop_assert_eq!(has_ambiguous_dot(head, body), is_ambiguous(&content, Begin::Data));
        }
    }
}
