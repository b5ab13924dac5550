//! Searches a message for a value that belongs to its recipient.
use memchr::memmem;
use unicode_normalization::UnicodeNormalization;

use crate::mime::header::fields;
use crate::mime::part::{PartKind, parts};
use crate::mime::text::BYTES_MAX;

/// A message and its decoded texts. It is decoded only if the raw octets do not contain a value.
pub struct MessageText<'m> {
    message: &'m [u8],
    /// Decoded fields and parts, one per line, with white space as single spaces.
    texts: Option<String>,
}

impl<'m> MessageText<'m> {
    /// `message` must have its dots unstuffed.
    pub fn new(message: &'m [u8]) -> MessageText<'m> {
        MessageText { message, texts: None }
    }

    /// Returns whether the message contains `value` as separate words: anywhere in its octets, or
    /// in its decoded header fields and text parts, with or without markup. In decoded text, runs
    /// of white space are equal, because lines are folded; so are composed and decomposed letters.
    /// Case matters.
    ///
    /// Scans the octets. For the first value that they do not contain, it also decodes all text, up
    /// to 16 MiB.
    pub fn contains(&mut self, value: &[u8]) -> bool {
        if has_words(self.message, value) {
            return true;
        }
        let Ok(value) = str::from_utf8(value) else { return false };
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let value: String = value.nfc().collect();
        let texts = self.texts.get_or_insert_with(|| texts(self.message));
        has_words(texts.as_bytes(), value.as_bytes())
    }
}

/// Returns whether `text` contains `words` and not only as a part of longer words: "Ben 1" is not
/// in "Ben 10".
fn has_words(text: &[u8], words: &[u8]) -> bool {
    // Octets of non-ASCII letters belong to words.
    let is_word =
        |octet: Option<&u8>| octet.is_some_and(|it| it.is_ascii_alphanumeric() || *it > 127);
    let (first, last) = (is_word(words.first()), is_word(words.last()));
    memmem::find_iter(text, words).any(|at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let is_open = |is_edge: bool, beside: Option<&u8>| is_edge && is_word(beside);
        !is_open(first, before) && !is_open(last, text.get(at + words.len()))
    })
}

fn texts(message: &[u8]) -> String {
    let mut texts = String::new();
    let mut left = BYTES_MAX;
    for part in &parts(message).parts {
        fields(part.header).for_each(|field| push(&field.decoded(), &mut texts));
        let is_text = part.is_html() || part.content_type.starts_with("text/");
        if part.kind != PartKind::Leaf || !is_text {
            continue;
        }
        let unicode = part.unicode(left);
        push(&unicode, &mut texts);
        if part.is_html() {
            // In HTML, links have their ampersands as entities.
            push(&unicode.replace("&amp;", "&"), &mut texts);
            push(&part.text(left), &mut texts);
        }
        left = left.saturating_sub(part.body.len());
    }
    texts
}

fn push(text: &str, texts: &mut String) {
    for word in text.split_whitespace() {
        texts.extend(word.nfc());
        texts.push(' ');
    }
    texts.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_wherever_and_however_it_is_written() {
        let message = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_an_Zo=C3=AB?=\r\nX-Code: A-17\r\n\
            MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\n\
            Dear Ada=\r\n Love=\r\nlace, your code is 1=3D1,\r\nMary\r\nShelley\r\n\
            --b\r\nContent-Type: text/html; charset=iso-8859-1\r\n\
            Content-Transfer-Encoding: base64\r\n\r\n\
            PHA+T+dCcmllbiAmYW1wOyA8Yj5Tb248L2I+czwvcD4=\r\n--b--\r\n";
        let mut text = MessageText::new(message.as_bytes());
        for value in [
            "A-17",
            "Zo\u{eb}",
            "Ada Lovelace",
            "1=1",
            "Mary Shelley",
            "O\u{e7}Brien & Sons",
            "<b>Son</b>",
        ] {
            assert!(text.contains(value.as_bytes()), "{value}");
        }
        for value in ["Bob", "A-18", "Ada  X", "Shelley A"] {
            assert!(!text.contains(value.as_bytes()), "{value}");
        }
        assert!(!text.contains(b"\xff"));
    }

    #[test]
    fn a_value_is_not_found_inside_longer_words() {
        let html = "Content-Type: text/html; charset=utf-8\r\n\r\nDear Ben 10, Annabelle, \
            Ju\u{308}rgen, <a href=\"https://s.example/u?id=17&amp;k=2\">x</a>\r\n";
        let mut text = MessageText::new(html.as_bytes());
        for value in ["Ben 10", "Ben", "J\u{fc}rgen", "https://s.example/u?id=17&k=2", "k=2"] {
            assert!(text.contains(value.as_bytes()), "{value}");
        }
        for value in ["Ben 1", "Ann", "rgen", "ben 10", "https://s.example/u?id=1"] {
            assert!(!text.contains(value.as_bytes()), "{value}");
        }
    }
}
