//! Keys: the part of a message that identifies its recipient, and when two keys are equal.
use regex::bytes::Regex;
use xxhash_rust::xxh3::xxh3_64;

use super::address::{AddressFault, AddressFolding, LocalCase, push_canonical, push_path};
use crate::mime::header::fields;
use crate::smtp::envelope::Decoded;

/// Maximum length of a key in octets: more than any address (RFC 5321 section 4.5.3.1).
pub const KEY_BYTES_MAX: usize = 4096;

/// The part of a message that identifies its recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// Each forward-path: a message for several recipients has several keys.
    Recipient,
    /// The reverse-path: a message has one key.
    ReversePath,
    /// The recipient's address inside the reverse-path: `bounce+ada=example.com@sender.example`
    /// is about ada@example.com.
    Verp,
    /// The value of the first header field with this name.
    Header(String),
}

/// How keys are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// An address, or any other text.
    Text,
    /// A whole number below 2^64; only its value counts, not leading zeros.
    Number,
}

/// How to find the keys of messages and of rows.
#[derive(Debug, Clone)]
pub struct KeyRule {
    /// The part of a message that has the key.
    pub source: KeySource,
    /// Selects the key within that part: the first capture group, or the whole match if there is
    /// none.
    pub pattern: Option<Regex>,
    /// Whether keys are compared as text or as numbers. Only numbers can be expected as a range.
    pub kind: KeyKind,
    /// Differences between addresses that are ignored.
    pub folding: AddressFolding,
}

/// Why a cell of a list is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// The cell should hold an address.
    #[error(transparent)]
    Address(#[from] AddressFault),
    /// The cell is empty, apart from white space.
    #[error("no value")]
    Empty,
    /// The cell should hold a number.
    #[error("not a whole number")]
    NotANumber,
    /// The cell is text in an encoding other than UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// The cell is longer than any address.
    #[error("longer than {KEY_BYTES_MAX} octets")]
    TooLong,
}

/// A key in canonical form. Its buffer is reused.
#[derive(Debug, Default)]
pub struct Key {
    /// The first sort criterion: the number, or a hash of the text.
    pub order: u64,
    /// The canonical text, which is compared if hashes are equal; empty for a number.
    pub text: Vec<u8>,
}

impl KeyRule {
    /// Returns whether finding the key needs the header section of a message.
    pub fn needs_header(&self) -> bool {
        matches!(self.source, KeySource::Header(_))
    }

    /// Calls `each` with each key of a message, and returns the number of recipients without a key.
    /// `header` is the beginning of the message.
    pub fn keys_of(
        &self,
        envelope: &Decoded<'_>,
        header: &[u8],
        key: &mut Key,
        each: &mut dyn FnMut(&Key),
    ) -> u64 {
        let mut without = 0;
        let mut take = |octets: Option<&[u8]>| {
            if octets.is_some_and(|it| self.set(it, key)) { each(key) } else { without += 1 }
        };
        match &self.source {
            KeySource::Recipient => {
                envelope.recipients().for_each(|recipient| take(Some(recipient.path)));
            }
            KeySource::ReversePath => take(Some(envelope.mail_from)),
            KeySource::Verp => take(verp_recipient(envelope.mail_from).as_deref()),
            KeySource::Header(name) => {
                let field = fields(header).find(|field| field.is_named(name));
                let value = field.map(|field| field.decoded());
                take(value.as_deref().map(str::as_bytes));
            }
        }
        without
    }

    /// Sets `key` from a part of a message. Returns false if the part is not a key.
    fn set(&self, octets: &[u8], key: &mut Key) -> bool {
        let octets = match &self.pattern {
            None => octets,
            Some(pattern) => match found(pattern, octets) {
                Some(octets) => octets,
                None => return false,
            },
        };
        if octets.is_empty() || octets.len() > KEY_BYTES_MAX {
            return false;
        }
        match self.kind {
            KeyKind::Number => key.set_number(octets).is_ok(),
            KeyKind::Text => {
                key.text.clear();
                self.push_text(octets, &mut key.text);
                key.set_hash();
                true
            }
        }
    }

    /// Sets `key` from a cell of a list, ignoring white space around it.
    ///
    /// Errors: the cell is not a key.
    pub fn set_from_list(&self, cell: &[u8], key: &mut Key) -> Result<(), KeyFault> {
        let cell = cell.trim_ascii();
        let must_be_address = self.pattern.is_none()
            && matches!(self.source, KeySource::Recipient | KeySource::Verp)
            && self.kind == KeyKind::Text;
        if cell.is_empty() {
            return Err(if must_be_address { AddressFault::Empty.into() } else { KeyFault::Empty });
        }
        if cell.len() > KEY_BYTES_MAX {
            return Err(KeyFault::TooLong);
        }
        if self.kind == KeyKind::Number {
            return key.set_number(cell);
        }
        let Ok(text) = str::from_utf8(cell) else { return Err(KeyFault::NotUtf8) };
        if must_be_address && text.chars().any(is_invisible) {
            return Err(AddressFault::Invisible.into());
        }
        key.text.clear();
        if must_be_address {
            push_canonical(cell, self.folding, &mut key.text)?
        } else {
            self.push_text(cell, &mut key.text)
        }
        key.set_hash();
        Ok(())
    }

    /// Appends the canonical form of a text that may be an address.
    fn push_text(&self, text: &[u8], out: &mut Vec<u8>) {
        push_path(text, self.folding, out);
        let is_address = out.contains(&b'@');
        if !is_address && self.folding.case == LocalCase::Ignored {
            out.make_ascii_lowercase();
        }
    }
}

impl Key {
    fn set_number(&mut self, digits: &[u8]) -> Result<(), KeyFault> {
        self.text.clear();
        let digits = digits.trim_ascii();
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let number = str::from_utf8(digits).ok().filter(|_| is_number);
        let number = number.and_then(|digits| digits.parse().ok());
        self.order = number.ok_or(KeyFault::NotANumber)?;
        Ok(())
    }

    /// Sets the hash of the text. A hostile list can't provoke slow collisions: keys with equal
    /// hashes are compared as text.
    fn set_hash(&mut self) {
        self.order = xxh3_64(&self.text);
    }
}

/// Returns whether `c` is invisible and was probably left in the cell by a spreadsheet or a web
/// page. An ASCII space is not invisible here, because quoted addresses can contain it.
fn is_invisible(c: char) -> bool {
    let is_widthless = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    is_widthless || c.is_control() || (c.is_whitespace() && c != ' ')
}

/// Returns the first group of the pattern's match, or the whole match if the pattern has no group.
fn found<'a>(pattern: &Regex, octets: &'a [u8]) -> Option<&'a [u8]> {
    let groups = pattern.captures(octets)?;
    let group = if groups.len() > 1 { groups.get(1) } else { groups.get(0) };
    group.map(|group| group.as_bytes())
}

/// Returns the recipient encoded in a variable envelope return path: the text between the first
/// plus sign and the @, with its last = replaced by @.
fn verp_recipient(path: &[u8]) -> Option<Vec<u8>> {
    let at = memchr::memrchr(b'@', path)?;
    let local = &path[..at];
    let inner = &local[memchr::memchr(b'+', local)? + 1..];
    let equals = memchr::memrchr(b'=', inner)?;
    let mut address = inner.to_vec();
    address[equals] = b'@';
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::envelope::{self, Tag, VERSION, append_field};

    fn rule(source: KeySource) -> KeyRule {
        let folding = AddressFolding::default();
        KeyRule { source, pattern: None, kind: KeyKind::Text, folding }
    }

    fn keys(rule: &KeyRule, from: &str, to: &[&str], header: &str) -> (Vec<String>, u64) {
        let mut bytes = Vec::new();
        append_field(&mut bytes, Tag::Version, &[VERSION]);
        append_field(&mut bytes, Tag::ReversePath, from.as_bytes());
        to.iter().for_each(|to| append_field(&mut bytes, Tag::ForwardPath, to.as_bytes()));
        let mut found = Vec::new();
        let envelope = envelope::decode(&bytes).unwrap();
        let without = rule.keys_of(&envelope, header.as_bytes(), &mut Key::default(), &mut |key| {
            found.push(match key.text.as_slice() {
                [] => key.order.to_string(),
                text => String::from_utf8(text.to_vec()).unwrap(),
            });
        });
        (found, without)
    }

    #[test]
    fn a_key_is_any_part_that_names_the_recipient() {
        let to = ["Ada@A.example", "bob@b.example"];
        let header = "X-Member: 00042\r\n folded\r\nX-Member: no\r\n\r\n";
        let member = || rule(KeySource::Header("x-member".into()));
        let found = |rule: KeyRule, from: &str| keys(&rule, from, &to, header);
        let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let only = |text: &str| (texts(&[text]), 0);
        let recipients = (texts(&["Ada@a.example", "bob@b.example"]), 0);
        assert_eq!(found(rule(KeySource::Recipient), ""), recipients);
        assert_eq!(found(rule(KeySource::ReversePath), "n@S.example"), only("n@s.example"));
        let verp = "list+Ada=a=A.example@sender.example";
        assert_eq!(found(rule(KeySource::Verp), verp), only("Ada=a@a.example"));
        assert_eq!(found(rule(KeySource::Verp), "list@sender.example"), (vec![], 1));
        assert_eq!(found(member(), ""), only("00042 folded"));
        assert_eq!(found(rule(KeySource::Header("X-None".into())), ""), (vec![], 1));
        let pattern = |pattern, rule: KeyRule| KeyRule {
            pattern: Some(Regex::new(pattern).unwrap()),
            ..rule
        };
        assert_eq!(found(pattern("^0*([0-9]+)", member()), ""), only("42"));
        assert_eq!(found(pattern("[a-z]+", member()), ""), only("folded"));
        let domains = pattern("@(.*)", rule(KeySource::Recipient));
        assert_eq!(found(domains, "").0, ["A.example", "b.example"]);
        let number = KeyRule { kind: KeyKind::Number, ..pattern("[0-9]+", member()) };
        assert_eq!(found(number, ""), only("42"));
        assert_eq!(found(KeyRule { kind: KeyKind::Number, ..member() }, ""), (vec![], 1));
    }

    #[test]
    fn a_cell_of_a_list_has_the_key_of_the_message_that_it_is_about() {
        let mut key = Key::default();
        let recipient = rule(KeySource::Recipient);
        for (cell, fault) in [
            (&b" \t"[..], KeyFault::Address(AddressFault::Empty)),
            (b"ada", KeyFault::Address(AddressFault::NoDomain)),
            (b"\xfc@a.example", KeyFault::NotUtf8),
            (&[b'a'; 5000], KeyFault::TooLong),
            ("\u{200b}a@a.example".as_bytes(), KeyFault::Address(AddressFault::Invisible)),
            ("a@a.example\u{a0}".as_bytes(), KeyFault::Address(AddressFault::Invisible)),
            (b"a\0@a.example", KeyFault::Address(AddressFault::Invisible)),
        ] {
            assert_eq!(recipient.set_from_list(cell, &mut key), Err(fault));
        }
        assert_eq!(recipient.set_from_list(b" Ada@A.example ", &mut key), Ok(()));
        assert_eq!(key.text, b"Ada@a.example");
        let number = KeyRule { kind: KeyKind::Number, ..rule(KeySource::Header("X".into())) };
        assert_eq!(number.set_from_list(b"0042", &mut key), Ok(()));
        assert_eq!((key.order, key.text.len()), (42, 0));
        for cell in [&b"-1"[..], b"4 2", b"+4", b"99999999999999999999", b"4.0"] {
            assert_eq!(number.set_from_list(cell, &mut key), Err(KeyFault::NotANumber));
        }
        assert_eq!(number.set_from_list(b"", &mut key), Err(KeyFault::Empty));
        let header = rule(KeySource::Header("X".into()));
        assert_eq!(header.set_from_list(b"any text", &mut key), Ok(()));
    }
}
