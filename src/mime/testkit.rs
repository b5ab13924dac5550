//! Checks that hold for any octets read as a message, for fuzzing and tests.
use super::part::{DEPTH_MAX, PARTS_MAX, parts};
use super::{fold, header, link, text};

/// Reads everything in `message`. Panics unless each part comes after its container and lies within
/// it, and folding leaves folded words unchanged.
pub fn check_mail(message: &[u8]) {
    let taken = parts(message);
    assert!((1..=PARTS_MAX).contains(&taken.parts.len()));
    for (number, part) in taken.parts.iter().enumerate() {
        assert_eq!(part.parent.is_none(), part.depth == 0 && number == 0);
        if let Some(parent) = part.parent {
            let around = &taken.parts[parent];
            assert!(parent < number && part.depth == around.depth + 1 && part.depth <= DEPTH_MAX);
            let inside = |p: &[u8]| p.as_ptr_range();
            let (inner, outer) = (inside(part.body), inside(around.body));
            assert!(outer.start <= inner.start && inner.end <= outer.end);
        }
        // Decoded content is never longer than the body; text can be, because of U+FFFD.
        assert!(part.content().len() <= part.body.len());
    }
    for field in header::fields(message) {
        assert!(!field.unfolded().contains(&b'\n') && !field.name_octets.is_empty());
        field.decoded();
    }
    assert!(header::header_bytes(message) <= message.len());
    link::links(message);
    text::html(message);
    let mut words = String::new();
    text::fold_body(message, &mut words);
    for line in words.lines() {
        let mut again = String::new();
        fold::fold(line, &mut again);
        assert_eq!(line, again);
    }
    // Text that is displayed can also be found; texts of attached messages can only be found.
    assert!(!words.is_empty() || text::plain(message).is_none());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn random_mails_are_read(pieces in prop::collection::vec(
            prop::sample::select(vec![
                "\r\n", "\n", "--b", "--c", "--", "b", "c", " ", "\t", ":", ";", "\"", "=", "?=",
                "Content-Type: ", "multipart/mixed; boundary=b",
                "multipart/alternative; boundary=c",
                "multipart/digest; boundary=\"b\"", "message/rfc822", "text/html", "text/plain",
                "Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: quoted-printable",
                "Content-Disposition: attachment", "; charset=utf-16", "; name=x",
                "; name*0*=a'b'%C3",
                "Subject: ", "=?utf-8?q?", "U3ViamVjdDogeA0KDQp5", "<p>", "<a href=", "&amp;",
                "<!--",
                "https://x", "word", " \r\n", "--b--", "(", ")", "\\", "boundary*0*=''b;", ">From ",
                "charset=utf-7 ", "charset=hz-gb-2312;", "charset=iso-2022-kr", "+", "~{", "\u{e}",
                "Content-Disposition: inline; filename=x", "message/rfc822; name=x",
                "<meta charset=",
                "&copy", "&#x80", "<https://", ">", "\u{ff09}", "cid:", "Content-ID: <i>",
                "\u{e9}", "\0", "=C3", "\r",
            ]), 0..60,
        )) {
            check_mail(pieces.concat().as_bytes());
        }

        #[test]
        fn random_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            check_mail(&octets);
        }
    }
}
