//! The text of a message, for searching and for reading.
//!
//! | part | searched | displayed |
//! |---|---|---|
//! | `text/plain` and other text, without a file name and not an attachment | yes | yes |
//! | `text/html` without either | yes, without markup (`html`) | if there is no plain text |
//! | other alternatives to plain text (such as an invitation) | yes | no |
//! | text with a file name, if the message has no other | yes | yes |
//! | attachments, and other parts with a file name | no | no |
//! | a forwarded message (`message/rfc822`) | its text | its text |
//! | an attached message | its text | no |
//! | an encoded message (forbidden) | its text, three levels deep | unless attached |
//! | delivery and disposition notifications | yes, unchanged | yes |
//! | a multipart without parts | yes, unchanged | yes |
//!
//! Limits: `part::PARTS_MAX` parts, nested `part::DEPTH_MAX` deep, and 16 MiB of octets before
//! decoding. Text beyond these limits is not searched.
use super::fold::fold;
use super::page::Pages;
use super::part::{Part, Parts, parts};
use super::role::{PartRole, Roles};

/// Maximum number of octets of text that are decoded, in all parts together.
pub const BYTES_MAX: usize = 16 << 20;
/// Maximum nesting of encoded messages that are decoded.
const ENCODED_DEPTH_MAX: usize = 3;

/// Appends the folded words of the body (`fold`): of all texts, including HTML alternatives of
/// plain text.
///
/// The words of two parts are separated by a line break, so that no phrase spans both. Costs a walk
/// over the parts, plus decoding and folding for each octet of text.
pub fn fold_body(message: &[u8], words: &mut String) {
    let mut left = BYTES_MAX;
    each_message(message, MessageReach::Attached, ENCODED_DEPTH_MAX, &mut |parts, roles| {
        for (number, part) in parts.parts.iter().enumerate() {
            if roles.role(number) != PartRole::Other {
                fold(&part.text(left), words);
                words.push('\n');
                left = left.saturating_sub(part.body.len());
            }
        }
    });
}

/// Returns the text for a person; each part begins on a new line. Of alternatives, returns the
/// plain text if there is one, else the HTML as text. Returns `None` if no part is text.
pub fn plain(message: &[u8]) -> Option<String> {
    let mut lines = Paragraphs::default();
    each_message(message, MessageReach::Shown, ENCODED_DEPTH_MAX, &mut |parts, roles| {
        let [has_plain, has_html] =
            ["text/plain", "text/html"].map(|form| containers_of(form, parts, roles));
        for part in shown(parts, roles) {
            let is_plain = part.content_type == "text/plain";
            let has_better_form = ancestors(parts, part).any(|number| {
                let is_better = has_plain[number] || (has_html[number] && !part.is_html());
                parts.parts[number].is_alternative() && is_better
            });
            if is_plain || !has_better_form {
                lines.push(part, |part, left| part.text(left));
            }
        }
    });
    lines.text
}

/// Returns the HTML of the message as a page in UTF-8 (`page`), which declares this charset and
/// contains its images, up to 32 MiB. Returns `None` if there is no HTML.
pub fn html(message: &[u8]) -> Option<String> {
    let mut lines = Paragraphs::default();
    each_message(message, MessageReach::Shown, ENCODED_DEPTH_MAX, &mut |parts, roles| {
        let html = shown(parts, roles).filter(|part| part.is_html());
        let mut pages = Pages::of(parts);
        html.for_each(|part| lines.push(part, |part, left| pages.page(&part.unicode(left))));
    });
    lines.text
}

/// Returns the texts of the message and of the messages displayed with it, including all
/// alternatives.
pub(super) fn shown<'p, 'm>(
    parts: &'p Parts<'m>,
    roles: &Roles,
) -> impl Iterator<Item = &'p Part<'m>> {
    let is_shown = |(number, _): &(usize, _)| roles.role(*number) == PartRole::Text;
    parts.parts.iter().enumerate().filter(is_shown).map(|(_, part)| part)
}

/// Which encoded messages are decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MessageReach {
    /// Every encoded message.
    Attached,
    /// Encoded messages that are not attachments.
    Shown,
}

/// Calls `visit` for `message`, and for each encoded message within it, up to `depth` levels.
fn each_message(
    message: &[u8],
    reach: MessageReach,
    depth: usize,
    visit: &mut dyn FnMut(&Parts<'_>, &Roles),
) {
    let parts = parts(message);
    let roles = Roles::of(&parts);
    visit(&parts, &roles);
    for (number, part) in parts.parts.iter().enumerate().filter(|_| depth > 0) {
        let is_reached = reach == MessageReach::Attached || !roles.is_attached(number);
        if part.is_encoded_message() && is_reached {
            each_message(&part.content(), reach, depth - 1, visit);
        }
    }
}

/// Texts of parts, each of which begins on a new line. `None` until the first.
#[derive(Default)]
struct Paragraphs {
    text: Option<String>,
    bytes: usize,
}

impl Paragraphs {
    fn push(&mut self, part: &Part<'_>, of: impl FnOnce(&Part<'_>, usize) -> String) {
        let text = self.text.get_or_insert_default();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&of(part, BYTES_MAX.saturating_sub(self.bytes)));
        self.bytes += part.body.len();
    }
}

/// Returns, for each part, whether it contains text of this type.
fn containers_of(content_type: &str, parts: &Parts<'_>, roles: &Roles) -> Vec<bool> {
    let mut has_it = vec![false; parts.parts.len()];
    for part in shown(parts, roles).filter(|part| part.content_type == content_type) {
        ancestors(parts, part).for_each(|number| has_it[number] = true);
    }
    has_it
}

/// Returns the containers around `part`, from the innermost: at most `part::DEPTH_MAX`.
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
        assert_eq!(plain(mixed).as_deref(), Some("footer"), "an attached message is not read");
        let inline =
            String::from_utf8_lossy(mixed).replace("attachment; filename", "inline; filename");
        assert_eq!(plain(inline.as_bytes()).as_deref(), Some("forwarded\nfooter"));
        let encoded = String::from_utf8_lossy(encoded);
        assert_eq!(plain(encoded.as_bytes()).as_deref(), Some("inside"));
        let attached = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\nContent-Disposition: attachment\r\n{encoded}--b--\r\n"
        );
        assert_eq!(words(attached.as_bytes()), " inside \n");
        assert_eq!(plain(attached.as_bytes()), None);
        let attached = b"Content-Disposition: attachment\r\n\r\nattached";
        assert_eq!((words(attached), plain(attached)), (String::new(), None));
    }

    #[test]
    fn the_only_text_of_a_message_is_its_text_file_name_or_not() {
        let inline =
            b"Content-Type: text/html; name=a.html\r\nContent-Disposition: inline\r\n\r\n<p>a";
        assert_eq!((words(inline), plain(inline)), (" a \n".into(), Some("a".into())));
        assert_eq!(html(inline).as_deref(), Some("<p>a"));
        let part = |head: &str| format!("--b\r\nContent-Type: {head}\r\n\r\n{head}\r\n");
        for (container, parts, expected) in [
            ("mixed", &["text/x; name=1", "text/x; name=2"][..], Some("text/x; name=1")),
            ("mixed", &["text/x; name=1", "text/y"], Some("text/y")),
            ("mixed", &["text/x\r\nContent-Disposition: attachment"], None),
            ("mixed", &["image/png; name=1", "text/x; name=2"], Some("text/x; name=2")),
            (
                "alternative",
                &["text/plain; name=1", "text/html; name=2"],
                Some("text/plain; name=1"),
            ),
            ("alternative", &["text/html; name=1", "text/calendar"], Some("text/calendar")),
        ] {
            let head = format!("Content-Type: multipart/{container}; boundary=b\r\n\r\n");
            let parts: String = parts.iter().map(|head| part(head)).collect();
            let message = format!("{head}{parts}--b--\r\n");
            assert_eq!(plain(message.as_bytes()).as_deref(), expected, "{message}");
        }
    }

    #[test]
    fn of_alternatives_the_plain_text_is_read_or_else_the_html() {
        let part = |kind: &str| format!("--b\r\nContent-Type: {kind}\r\n\r\n{kind}\r\n");
        for (kinds, expected) in [
            (&["text/plain", "text/html", "text/calendar"][..], "text/plain"),
            (&["text/html", "text/calendar"], "text/html"),
            (&["text/calendar"], "text/calendar"),
        ] {
            let parts: String = kinds.iter().map(|kind| part(kind)).collect();
            let head = "Content-Type: multipart/alternative; boundary=b\r\n\r\n";
            let message = format!("{head}{parts}--b--\r\n");
            assert_eq!(plain(message.as_bytes()).as_deref(), Some(expected));
            assert_eq!(words(message.as_bytes()).lines().count(), kinds.len(), "all are matched");
        }
    }

    #[test]
    fn text_is_decoded_up_to_a_bound() {
        let mut message = b"\r\n".to_vec();
        message.resize(BYTES_MAX + 2 - 5, b'.');
        message.extend_from_slice(b" last beyond");
        assert_eq!(words(&message), " last \n");
    }
}
