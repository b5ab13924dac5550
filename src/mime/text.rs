//! What a message says, as text: to be matched, and to be read.
//!
//! | part | is it text of the message? |
//! |---|---|
//! | `text/plain` and other text, without a file name and not an attachment | yes |
//! | `text/html`, likewise | yes, without its markup (`html`) |
//! | attachments, and parts with a file name | no |
//! | a forwarded message (`message/rfc822`), attached or not | its text is |
//! | one that is encoded, which it must not be | likewise, three deep |
//! | delivery and disposition notifications | yes, as they stand |
//! | a multipart in which no part begins | yes, as it stands |
//!
//! Bounds: `part::PARTS_MAX` parts, `part::DEPTH_MAX` deep, 16 MiB of octets before they are
//! decoded; what is beyond is not matched.
use super::fold::fold;
use super::part::{Part, Parts, parts};

/// Octets of text parts that are decoded, all parts together.
pub const BYTES_MAX: usize = 16 << 20;
/// Encoded messages inside of one another that are decoded.
const ENCODED_DEPTH_MAX: usize = 3;

/// Appends the words of the body, folded (`fold`): all texts, those of HTML too where it stands
/// beside the same as plain text.
///
/// A line break stands between the words of two parts, so that no phrase reaches from one into the
/// other. Costs a walk, and for each octet of text decoding and folding.
pub fn fold_body(message: &[u8], words: &mut String) {
    let mut left = BYTES_MAX;
    each_message(message, ENCODED_DEPTH_MAX, &mut |parts| {
        for part in parts.parts.iter().filter(|part| part.is_body_text()) {
            fold(&part.text(left), words);
            words.push('\n');
            left = left.saturating_sub(part.body.len());
        }
    });
}

/// The text for a person, with a line break behind each part that has none; of alternatives the
/// plain text alone, if there is one. `None` if no part is text.
pub fn plain(message: &[u8]) -> Option<String> {
    let mut lines = Paragraphs::default();
    each_message(message, ENCODED_DEPTH_MAX, &mut |parts| {
        let has_plain = containers_of_plain(parts);
        for part in parts.parts.iter().filter(|part| part.is_body_text()) {
            let is_told_twice = part.is_html()
                && ancestors(parts, part).any(|number| {
                    has_plain[number] && parts.parts[number].content_type == ALTERNATIVE
                });
            if !is_told_twice {
                lines.push(part, |part, left| part.text(left));
            }
        }
    });
    lines.text
}

/// The HTML of the message, decoded and otherwise as it stands; `None` if there is none.
pub fn html(message: &[u8]) -> Option<String> {
    let mut lines = Paragraphs::default();
    each_message(message, ENCODED_DEPTH_MAX, &mut |parts| {
        let parts = parts.parts.iter().filter(|part| part.is_body_text() && part.is_html());
        parts.for_each(|part| lines.push(part, |part, left| part.unicode(left)));
    });
    lines.text
}

const ALTERNATIVE: &str = "multipart/alternative";

/// Calls `visit` for `message`, and for each encoded message in it.
pub(super) fn each_message(message: &[u8], depth: usize, visit: &mut dyn FnMut(&Parts<'_>)) {
    let parts = parts(message);
    visit(&parts);
    let encoded = parts.parts.iter().filter(|part| part.is_encoded_message());
    for part in encoded.filter(|_| depth > 0) {
        each_message(&part.content(), depth - 1, visit);
    }
}

/// Texts behind one another.
#[derive(Default)]
struct Paragraphs {
    text: Option<String>,
    bytes: usize,
}

impl Paragraphs {
    fn push(&mut self, part: &Part<'_>, of: impl Fn(&Part<'_>, usize) -> String) {
        let text = self.text.get_or_insert_default();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&of(part, BYTES_MAX.saturating_sub(self.bytes)));
        self.bytes += part.body.len();
    }
}

/// For each part: is there plain text in it?
fn containers_of_plain(parts: &Parts<'_>) -> Vec<bool> {
    let mut has_plain = vec![false; parts.parts.len()];
    for part in parts.parts.iter().filter(|part| part.content_type == "text/plain") {
        if part.is_body_text() {
            ancestors(parts, part).for_each(|number| has_plain[number] = true);
        }
    }
    has_plain
}

/// The containers around `part`, from the inside out: at most `part::DEPTH_MAX`.
fn ancestors<'p>(parts: &'p Parts<'_>, part: &Part<'_>) -> impl Iterator<Item = usize> + use<'p> {
    std::iter::successors(part.parent, |number| parts.parts[*number].parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(message: &[u8]) -> String {
        let mut words = String::new();
        fold_body(message, &mut words);
        words
    }

    const ALTERNATIVES: &[u8] = b"Content-Type: multipart/alternative; boundary=b\r\n\r\n\
        --b\r\n\r\nHello Ann\r\n--b\r\nContent-Type: text/html\r\n\r\n\
        <p>Hello <b>Ann</b><td>Bob\r\n--b--\r\n";

    #[test]
    fn alternatives_are_all_matched_and_one_is_read() {
        assert_eq!(words(ALTERNATIVES), " hello ann \n hello ann bob \n");
        assert_eq!(plain(ALTERNATIVES).as_deref(), Some("Hello Ann"));
        assert_eq!(html(ALTERNATIVES).as_deref(), Some("<p>Hello <b>Ann</b><td>Bob"));
        let html_only = b"Content-Type: text/html\r\n\r\n<p>Hello<p>Ann";
        assert_eq!(plain(html_only).as_deref(), Some("Hello\nAnn"));
        assert_eq!(html(b"\r\nHello"), None);
    }

    #[test]
    fn forwarded_messages_are_matched_and_attachments_are_not() {
        let encoded = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n\
            U3ViamVjdDogeA0KDQppbnNpZGU=\r\n";
        assert_eq!(words(encoded), " inside \n");
        let mixed = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Disposition: attachment; filename=forwarded.eml\r\n\
            Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nforwarded\r\n\
            --b\r\nContent-Type: text/plain; name=a.txt\r\n\r\nattached\r\n\
            --b\r\nContent-Disposition: inline\r\n\r\nfooter\r\n--b--\r\n";
        assert_eq!(words(mixed), " forwarded \n footer \n");
        assert_eq!(plain(mixed).as_deref(), Some("forwarded\nfooter"));
        let attached = b"Content-Disposition: attachment\r\n\r\nattached";
        assert_eq!((words(attached), plain(attached)), (String::new(), None));
    }

    #[test]
    fn text_is_decoded_up_to_a_bound() {
        let mut message = b"\r\n".to_vec();
        message.resize(BYTES_MAX + 2 - 5, b'.');
        message.extend_from_slice(b" last beyond");
        assert_eq!(words(&message), " last \n");
    }
}
