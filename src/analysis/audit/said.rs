//! What a message says anywhere: whether a value that belongs to its recipient appears in it.
use memchr::memmem;

use crate::mime::header::fields;
use crate::mime::part::{PartKind, parts};
use crate::mime::text::BYTES_MAX;

/// The texts of a message. They are made when the octets themselves do not have what is looked for.
pub struct SaidText<'m> {
    message: &'m [u8],
    /// Decoded fields and parts, a line for each, white space as single spaces.
    texts: Option<String>,
}

impl<'m> SaidText<'m> {
    /// `message`: with its dots unstuffed.
    pub fn new(message: &'m [u8]) -> SaidText<'m> {
        SaidText { message, texts: None }
    }

    /// Returns whether the message says `value`: in a header field, in a text part with or without
    /// its markup, as it stands or decoded. Runs of white space are equal, as lines are folded.
    ///
    /// Costs a scan; for the first value that does not stand in the octets, decoding all text (up
    /// to 16 MiB).
    pub fn says(&mut self, value: &[u8]) -> bool {
        if memmem::find(self.message, value).is_some() {
            return true;
        }
        let Ok(value) = str::from_utf8(value) else { return false };
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let texts = self.texts.get_or_insert_with(|| texts(self.message));
        memmem::find(texts.as_bytes(), value.as_bytes()).is_some()
    }
}

fn texts(message: &[u8]) -> String {
    let mut texts = String::new();
    let mut left = BYTES_MAX;
    for part in &parts(message).parts {
        fields(part.header).for_each(|field| push(&field.decoded(), &mut texts));
        if part.kind == PartKind::Leaf && (part.is_html() || part.content_type.starts_with("text/"))
        {
            push(&part.unicode(left), &mut texts);
            if part.is_html() {
                push(&part.text(left), &mut texts);
            }
            left = left.saturating_sub(part.body.len());
        }
    }
    texts
}

fn push(text: &str, texts: &mut String) {
    for word in text.split_whitespace() {
        texts.push_str(word);
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
        let mut said = SaidText::new(message.as_bytes());
        for value in [
            "A-17",
            "Zo\u{eb}",
            "Ada Lovelace",
            "1=1",
            "Mary Shelley",
            "O\u{e7}Brien & Sons",
            "<b>Son</b>",
        ] {
            assert!(said.says(value.as_bytes()), "{value}");
        }
        for value in ["Bob", "A-18", "Ada  X", "Shelley A"] {
            assert!(!said.says(value.as_bytes()), "{value}");
        }
        assert!(!said.says(b"\xff"));
    }
}
