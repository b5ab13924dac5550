//! What the index keeps of a message, found without decoding any part.
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::{Address, HeaderValue};
use xxhash_rust::xxh3::Xxh3;

use super::fields::{Field, HeaderEnd, ended, fields};
use super::structure::{Part, Structure};

/// Octets of a header that are looked at; what stands behind them is not found by its field.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// Fields that differ between two copies of the same content: they say how a copy travelled, or
/// hold a checksum over what does.
const CHANGING_FIELDS: &[&str] = &[
    "arc-authentication-results",
    "arc-message-signature",
    "arc-seal",
    "authentication-results",
    "date",
    "delivered-to",
    "dkim-signature",
    "domainkey-signature",
    "message-id",
    "received",
    "received-spf",
    "return-path",
    "x-received",
];

/// What is known of a message's content. Lists are lines; no string holds another line break or a
/// control character.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The first Subject field, decoded.
    pub subject: String,
    /// The first Message-ID field, without angle brackets.
    pub message_id: String,
    /// Addresses in From and Sender.
    pub from: String,
    /// Addresses in To.
    pub to: String,
    /// Addresses in Cc.
    pub cc: String,
    /// Names of the parts that have one, decoded.
    pub file_names: String,
    /// A part is to be saved rather than shown.
    pub has_attachment: bool,
    /// Hash of what two copies of the same content have in common: all octets but the fields of
    /// [`CHANGING_FIELDS`], the sequence field, boundaries, and parts that are signatures.
    pub content_hash: u128,
    /// The number in the sequence field.
    pub sequence: Option<u64>,
    /// It could not be taken apart: everything else is empty, the hash is that of all its octets.
    pub is_unparsed: bool,
}

impl Facts {
    fn clear(&mut self) {
        let lists = [&mut self.from, &mut self.to, &mut self.cc, &mut self.file_names];
        lists.into_iter().for_each(String::clear);
        self.subject.clear();
        self.message_id.clear();
        self.has_attachment = false;
        self.content_hash = 0;
        self.sequence = None;
        self.is_unparsed = false;
    }
}

/// Takes messages apart; one for each thread.
pub struct Extractor {
    header_end: HeaderEnd,
    structure: Structure,
    sequence_field: Option<String>,
    /// What the hash leaves out, in order.
    cuts: Vec<Range<usize>>,
}

impl Extractor {
    /// `sequence_field`: the name of the header field that numbers messages.
    pub fn new(sequence_field: Option<&str>) -> Extractor {
        Extractor {
            header_end: HeaderEnd::new(),
            structure: Structure::new(),
            sequence_field: sequence_field.map(str::to_owned),
            cuts: Vec::new(),
        }
    }

    /// Fills `facts` from `message` (dots unstuffed). Total: any octets give facts.
    ///
    /// Costs about 4 us for a message of 4.5 KB: see docs/performance.md.
    pub fn extract(&mut self, message: &[u8], facts: &mut Facts) {
        facts.clear();
        let taken_apart = guarded(|| self.take_apart(message, facts));
        if taken_apart.is_none() {
            facts.clear();
            facts.is_unparsed = true;
            self.cuts.clear();
            self.structure = Structure::new();
        }
        self.cuts.sort_unstable_by_key(|cut| cut.start);
        facts.content_hash = hash_without(message, &self.cuts);
    }

    fn take_apart(&mut self, message: &[u8], facts: &mut Facts) {
        self.cuts.clear();
        let body_at = self.header_end.find(&message[..message.len().min(HEADER_BYTES_MAX)]);
        let header = ended(&message[..body_at]);
        let mut root = Part::default();
        for field in fields(&header) {
            self.take_field(&field, facts);
            root.take(&field);
        }
        self.structure.walk(message, body_at, &root, &mut self.cuts, facts);
    }

    fn take_field(&mut self, field: &Field<'_>, facts: &mut Facts) {
        let of = |list: &mut String| {
            if let HeaderValue::Address(addresses) = field.addresses() {
                push_addresses(list, &addresses);
            }
        };
        if field.is("From") || field.is("Sender") {
            of(&mut facts.from);
        } else if field.is("To") {
            of(&mut facts.to);
        } else if field.is("Cc") {
            of(&mut facts.cc);
        } else if field.is("Subject") {
            if let (HeaderValue::Text(text), true) = (field.text(), facts.subject.is_empty()) {
                push_clean(&mut facts.subject, &text);
            }
        } else if field.is("Message-ID") && facts.message_id.is_empty() {
            let id = match field.ids() {
                HeaderValue::Text(id) => Some(id),
                HeaderValue::TextList(ids) => ids.into_iter().next(),
                _ => None,
            };
            id.into_iter().for_each(|id| push_clean(&mut facts.message_id, &id));
        }
        let is_sequence = self.sequence_field.as_deref().is_some_and(|name| field.is(name));
        if is_sequence && facts.sequence.is_none() {
            facts.sequence = number_in(field.value);
        }
        if is_sequence || CHANGING_FIELDS.iter().any(|name| field.is(name)) {
            self.cuts.push(field.range.clone());
        }
    }
}

thread_local! {
    static IS_TAKING_APART: Cell<bool> = const { Cell::new(false) };
}

/// Is this thread taking a message apart? A panic is then caught: for a panic hook that ends the
/// program otherwise.
pub fn is_taking_apart() -> bool {
    IS_TAKING_APART.get()
}

/// Runs `take_apart`; `None`: the library panicked over the message.
fn guarded<T>(take_apart: impl FnOnce() -> T) -> Option<T> {
    IS_TAKING_APART.set(true);
    let result = catch_unwind(AssertUnwindSafe(take_apart));
    IS_TAKING_APART.set(false);
    result.ok()
}

/// The last run of digits.
fn number_in(value: &[u8]) -> Option<u64> {
    let end = value.iter().rposition(u8::is_ascii_digit)? + 1;
    let start = value[..end].iter().rposition(|octet| !octet.is_ascii_digit());
    std::str::from_utf8(&value[start.map_or(0, |at| at + 1)..end]).ok()?.parse().ok()
}

fn hash_without(message: &[u8], cuts: &[Range<usize>]) -> u128 {
    let mut hash = Xxh3::new();
    let mut at = 0;
    for cut in cuts {
        // One may lie inside the one before.
        if cut.start > at {
            hash.update(&message[at..cut.start.min(message.len())]);
        }
        at = at.max(cut.end);
    }
    hash.update(message.get(at..).unwrap_or_default());
    hash.digest128()
}

fn push_addresses(list: &mut String, addresses: &Address<'_>) {
    for address in addresses.iter().filter_map(|a| a.address.as_deref()) {
        push_line(list, address);
    }
}

/// Appends a line, unless it is empty.
pub(super) fn push_line(list: &mut String, text: &str) {
    if text.trim().is_empty() {
        return;
    }
    if !list.is_empty() {
        list.push('\n');
    }
    push_clean(list, text.trim());
}

/// Appends text whose line breaks and other control characters become spaces.
pub fn push_clean(to: &mut String, text: &str) {
    if text.bytes().any(|octet| octet < b' ' || octet == 0x7f || octet == 0xc2) {
        to.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
    } else {
        to.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(message: &[u8]) -> Facts {
        let mut facts = Facts::default();
        Extractor::new(Some("X-Number")).extract(message, &mut facts);
        facts
    }

    const MAIL: &str = "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n\
        Content-Type: multipart/mixed; boundary=\"one\"\r\n\
        Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n\
        Message-ID: <1@example.org>\r\n\
        X-Number: run-7/000042\r\n\
        Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= to\r\n all\r\n\
        From: \"Ann\" <ann@example.org>\r\nSender: list@example.org\r\n\
        To: bob@example.com, team: carl@example.com, dora@example.net;\r\n\
        Cc: <eve@example.com>\r\n\
        \r\n\
        --one\r\nContent-Type: text/plain\r\n\r\nHello\r\n\
        --one\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\n\
        Content-Disposition: attachment; filename*=utf-8''%E2%82%AC.pdf\r\n\r\nQUJD\r\n\
        --one--\r\n";

    #[test]
    fn what_the_header_and_the_parts_say() {
        for mail in [MAIL.to_owned(), MAIL.replace("\r\n", "\n")] {
            let facts = facts(mail.as_bytes());
            assert_eq!(facts.subject, "Gr\u{fc}\u{df}e to all");
            assert_eq!(facts.message_id, "1@example.org");
            assert_eq!(facts.from, "ann@example.org\nlist@example.org");
            assert_eq!(facts.to, "bob@example.com\ncarl@example.com\ndora@example.net");
            assert_eq!(facts.cc, "eve@example.com");
            assert_eq!(facts.file_names, "\u{20ac}.pdf");
            assert!(facts.has_attachment);
            assert_eq!(facts.sequence, Some(42));
            assert!(!facts.is_unparsed);
        }
    }

    #[test]
    fn the_hash_leaves_out_what_always_changes() {
        let hash = |mail: &str| facts(mail.as_bytes()).content_hash;
        let same = hash(MAIL);
        let copies = [
            ("Date: Mon, 1 Jan", "Date: Tue, 2 Jan"),
            ("<1@example.org>", "<2@example.org>"),
            ("from a by b", "from c by d"),
            ("000042", "000043"),
            ("one", "another"),
            ("Cc:", "DKIM-Signature: v=1; bh=x\r\nCc:"),
        ];
        for (was, is) in copies {
            assert_eq!(hash(&MAIL.replace(was, is)), same, "{was} became {is}");
        }
        for (was, is) in [("Hello", "Hallo"), ("Cc: <eve", "Cc: <eva"), ("to\r\n all", "to all")] {
            assert_ne!(hash(&MAIL.replace(was, is)), same, "{was} became {is}");
        }
    }

    #[test]
    fn signatures_in_parts_are_left_out() {
        let mail = |signature: &str| {
            let head = "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n";
            let of = "--b\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\n";
            facts(format!("{head}{of}{signature}\r\n--b--\r\n").as_bytes()).content_hash
        };
        assert_eq!(mail("AAAA"), mail("BBBB"));
    }

    #[test]
    fn parts_are_found_in_multiparts_in_messages_in_multiparts() {
        let inner = "Content-Type: multipart/mixed; boundary=in\r\n\r\n\
            --in\r\nContent-Type: image/png; name=in.png\r\n\r\nx\r\n--in--\r\n";
        let mail = format!(
            "Content-Type: multipart/mixed; boundary=out\r\n\r\n\
             --out\r\nContent-Type: message/rfc822\r\n\r\n{inner}\
             --out \t\r\nContent-Disposition: inline; filename=\"out.txt\"\r\n\r\ny\r\n--out--\r\n"
        );
        assert_eq!(facts(mail.as_bytes()).file_names, "in.png\nout.txt");
    }

    #[test]
    fn what_only_looks_like_a_delimiter_is_none() {
        let mail = "Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --bc\r\nContent-Disposition: attachment\r\n\r\n\
            x--b\r\nContent-Disposition: attachment\r\n\r\n\
            --b\r\n\r\nHello\r\n--b--\r\nContent-Disposition: attachment\r\n\r\n";
        assert!(!facts(mail.as_bytes()).has_attachment);
    }

    #[test]
    fn any_octets_give_facts() {
        for mail in [&b""[..], b"\r\n", b"\0\0\0", b"no header", b": x\r\n\r\n", &[0xff; 1000]] {
            assert_eq!(facts(mail).subject, "", "{mail:?}");
        }
        assert_eq!(facts(b"Subject: a\tb\0c\r\n").subject, "a b c");
        let nested = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n".repeat(20_000);
        assert!(!facts(nested.as_bytes()).is_unparsed);
    }

    #[test]
    fn a_panic_over_a_message_is_caught() {
        let is_known = guarded(is_taking_apart);
        assert_eq!((is_known, is_taking_apart()), (Some(true), false));
        assert_eq!(guarded(|| panic!("a test's own")), None::<()>);
        assert!(!is_taking_apart());
    }

    #[test]
    fn a_number_is_the_last_run_of_digits() {
        let table = [
            ("17", Some(17)),
            (" 8-0019 \r\n", Some(19)),
            ("18446744073709551616", None),
            ("x", None),
            ("", None),
        ];
        for (value, number) in table {
            assert_eq!(number_in(value.as_bytes()), number, "{value}");
        }
    }
}
