//! Extracts the facts that the index stores about a message, without decoding any part.
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;
use xxhash_rust::xxh3::Xxh3;

use super::encoded_word;
use super::header::{HeaderField, fields};
use super::part::{Part, PartKind, parts};
use super::sent_time::{SENT_FIELD, SentTime};

/// Maximum length of a field's value in which addresses are searched for, in octets.
const ADDRESSES_BYTES_MAX: usize = 1 << 20;

/// What a header field means for the facts of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FieldRole {
    Originator,
    To,
    Cc,
    Subject,
    MessageId,
    /// The field with the time of sending.
    Sent,
    /// The field can differ between copies of the same content: it describes how a copy traveled,
    /// or has a checksum over such fields.
    Changing,
    /// The field describes a part. Its parsed value is hashed, without the boundary.
    Description,
    Other,
}

/// Length of the longest name that has a role, in octets.
const NAME_BYTES_MAX: usize = 32;

impl FieldRole {
    fn of(name: &[u8]) -> FieldRole {
        let mut lower = [0; NAME_BYTES_MAX];
        let Some(lower) = lower.get_mut(..name.len()) else { return FieldRole::Other };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"from" | b"sender" => FieldRole::Originator,
            b"to" => FieldRole::To,
            b"cc" => FieldRole::Cc,
            b"subject" => FieldRole::Subject,
            b"message-id" => FieldRole::MessageId,
            SENT_FIELD => FieldRole::Sent,
            b"content-type" | b"content-disposition" | b"content-transfer-encoding" => {
                FieldRole::Description
            }
            b"arc-authentication-results" | b"arc-message-signature" | b"arc-seal" => {
                FieldRole::Changing
            }
            b"authentication-results" | b"date" | b"delivered-to" => FieldRole::Changing,
            b"dkim-signature" | b"domainkey-signature" | b"received" => FieldRole::Changing,
            b"received-spf" | b"return-path" | b"x-received" => FieldRole::Changing,
            _ => FieldRole::Other,
        }
    }
}

/// The facts of a message's content. Lists have one item per line; no string contains other line
/// breaks or control characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailFacts {
    /// The first Subject field, with encoded words decoded; empty if there is none.
    pub subject: String,
    /// The first Message-ID field, without angle brackets or white space.
    pub message_id: String,
    /// Addresses in the header fields From and Sender, without display names, in order.
    pub from: String,
    /// Addresses in the header field To, without display names.
    pub to: String,
    /// Addresses in the header field Cc, without display names.
    pub cc: String,
    /// File names of all parts that have one, decoded, in the order of the parts.
    pub file_names: String,
    /// Whether any part is an attachment: see [`Part::is_attachment`].
    pub has_attachment: bool,
    /// Hash of what copies of the same content have in common. Excludes fields that describe how a
    /// copy traveled (docs/search.md lists them), Message-ID and Date, the sequence field, folds in
    /// the header, boundaries, and signature parts.
    pub content_hash: u128,
    /// The sequence number: the last run of digits of the first sequence field in which that run is
    /// below 2^64; `None` if there is no such field.
    pub sequence: Option<u64>,
    /// What the first X-Sent field says. An invalid first one counts, even if a valid one follows.
    pub sent: SentTime,
    /// Whether the message could not be parsed. Then everything else is empty or 0.
    pub is_unparsed: bool,
}

impl MailFacts {
    fn clear(&mut self) {
        let lists = [&mut self.from, &mut self.to, &mut self.cc, &mut self.file_names];
        lists.into_iter().for_each(String::clear);
        self.subject.clear();
        self.message_id.clear();
        self.has_attachment = false;
        self.content_hash = 0;
        self.sequence = None;
        self.sent = SentTime::Absent;
        self.is_unparsed = false;
    }
}

/// Extracts facts from messages; one per thread.
pub struct Extractor {
    sequence_field: Option<String>,
}

impl Extractor {
    /// Creates an extractor. `sequence_field` is the name of the header field that numbers
    /// messages.
    pub fn new(sequence_field: Option<&str>) -> Extractor {
        Extractor { sequence_field: sequence_field.map(str::to_owned) }
    }

    /// Fills `facts` from `message` (with dots unstuffed). Accepts any octets.
    ///
    /// Linear in the length of `message`; `benches/index.rs` measures it for 5 KB.
    pub fn extract(&self, message: &[u8], facts: &mut MailFacts) {
        facts.clear();
        if guarded(|| self.analyze(message, facts)).is_none() {
            facts.clear();
            facts.is_unparsed = true;
        }
    }

    fn analyze(&self, message: &[u8], facts: &mut MailFacts) {
        let mut hash = Xxh3::new();
        for (n, part) in parts(message).parts.iter().enumerate() {
            match part.kind {
                _ if n == 0 => self.add_own_header(part.header, facts, &mut hash),
                // The header of such a part has no boundary, so it is hashed as it is.
                PartKind::Leaf => hash.update(part.header),
                PartKind::Multipart | PartKind::Message => hash_header(part.header, &mut hash),
            }
            if let Some(name) = &part.file_name {
                push_line(&mut facts.file_names, name);
            }
            facts.has_attachment |= part.is_attachment();
            hash_content(part, &mut hash);
        }
        facts.content_hash = hash.digest128();
    }

    /// Reads and hashes the header of the message itself.
    fn add_own_header(&self, header: &[u8], facts: &mut MailFacts, hash: &mut Xxh3) {
        for field in fields(header) {
            let role = FieldRole::of(field.name_octets);
            if self.add_field(&field, role, facts) {
                hash_field(&field, role, hash);
            }
        }
    }

    /// Reads a field of the message's own header. Returns whether copies of the same content share
    /// the field.
    fn add_field(&self, field: &HeaderField<'_>, role: FieldRole, facts: &mut MailFacts) -> bool {
        match role {
            FieldRole::Originator => push_addresses(&mut facts.from, field),
            FieldRole::To => push_addresses(&mut facts.to, field),
            FieldRole::Cc => push_addresses(&mut facts.cc, field),
            FieldRole::Subject if facts.subject.is_empty() => {
                push_clean(&mut facts.subject, &field.decoded());
            }
            FieldRole::MessageId if facts.message_id.is_empty() => {
                push_id(&mut facts.message_id, field.raw);
            }
            FieldRole::Sent if facts.sent == SentTime::Absent => {
                facts.sent = SentTime::of(&field.unfolded());
            }
            _ => {}
        }
        let is_sequence = self.sequence_field.as_deref().is_some_and(|name| field.is_named(name));
        if is_sequence && facts.sequence.is_none() {
            facts.sequence = number_in(field.raw);
        }
        let changes = [FieldRole::Changing, FieldRole::MessageId, FieldRole::Sent];
        !is_sequence && !changes.contains(&role)
    }
}

/// Hashes the header of a container within the message.
fn hash_header(header: &[u8], hash: &mut Xxh3) {
    for field in fields(header) {
        hash_field(&field, FieldRole::of(field.name_octets), hash);
    }
}

fn hash_field(field: &HeaderField<'_>, role: FieldRole, hash: &mut Xxh3) {
    if role != FieldRole::Description {
        hash.update(field.name_octets);
        hash.update(&field.unfolded());
    }
}

fn hash_content(part: &Part<'_>, hash: &mut Xxh3) {
    hash.update(part.content_type.as_bytes());
    for text in [&part.charset, &part.disposition, &part.file_name] {
        hash.update(text.as_deref().unwrap_or_default().as_bytes());
        // Separates the text from the next one.
        hash.update(b"\0");
    }
    let signatures = ["pgp-signature", "pkcs7-signature", "x-pkcs7-signature"];
    let is_signature = |subtype: &str| signatures.contains(&subtype);
    if part.kind == PartKind::Leaf
        && !part.content_type.strip_prefix("application/").is_some_and(is_signature)
    {
        hash.update(part.body);
    }
}

thread_local! {
    static IS_ANALYZING: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread is parsing a message, so that a panic will be caught. For a panic
/// hook that would otherwise end the program.
pub fn is_analyzing() -> bool {
    IS_ANALYZING.get()
}

/// Runs `analyze`. Returns `None` if the library panicked.
fn guarded<T>(analyze: impl FnOnce() -> T) -> Option<T> {
    IS_ANALYZING.set(true);
    let result = catch_unwind(AssertUnwindSafe(analyze));
    IS_ANALYZING.set(false);
    result.ok()
}

fn push_id(to: &mut String, raw: &[u8]) {
    let value = String::from_utf8_lossy(raw);
    let id = value.split_once('<').map_or(&*value, |(_, id)| id).trim_start_matches('<');
    let id = id.split('>').next().unwrap_or_default();
    id.split_ascii_whitespace().for_each(|piece| push_clean(to, piece));
}

/// Returns the last run of digits; `None` if there is none, or if it is not below 2^64.
fn number_in(value: &[u8]) -> Option<u64> {
    let end = value.iter().rposition(u8::is_ascii_digit)? + 1;
    let start = value[..end].iter().rposition(|octet| !octet.is_ascii_digit());
    std::str::from_utf8(&value[start.map_or(0, |at| at + 1)..end]).ok()?.parse().ok()
}

fn push_addresses(list: &mut String, field: &HeaderField<'_>) {
    if let Some(address) = only_address(field.raw) {
        return push_line(list, address);
    }
    // Encoded words occur in names, and the library takes quadratic time for invalid ones.
    let raw = &field.raw[..field.raw.len().min(ADDRESSES_BYTES_MAX)];
    let mut value = encoded_word::blanked(raw);
    // The library requires the line end.
    value.push(b'\n');
    if let HeaderValue::Address(addresses) = MessageStream::new(&value).parse_address() {
        let addresses = addresses.iter().filter_map(|address| address.address.as_deref());
        addresses.for_each(|address| push_line(list, address));
    }
}

/// Returns the address of `ann@example.org` or `Ann Smith <ann@example.org>`. Most fields have this
/// form, for which the library takes a microsecond. Returns `None` for any other form.
fn only_address(raw: &[u8]) -> Option<&str> {
    let value = raw.trim_ascii();
    let address = match value.strip_suffix(b">") {
        None => value,
        Some(value) => {
            let at = memchr::memchr(b'<', value)?;
            let is_word = |octet: &u8| octet.is_ascii_alphanumeric() || b" -_'".contains(octet);
            value[..at].iter().all(is_word).then_some(&value[at + 1..])?
        }
    };
    let is_atom = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_+.".contains(octet);
    let (local, domain) = address.split_at(memchr::memchr(b'@', address)?);
    let is_plain = !local.is_empty() && domain.len() > 1 && local.iter().all(is_atom);
    let is_plain = is_plain && domain[1..].iter().all(is_atom);
    is_plain.then(|| std::str::from_utf8(address).ok()).flatten()
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

/// Appends text, with line breaks and other control characters replaced by spaces.
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

    fn facts(message: &[u8]) -> MailFacts {
        let mut facts = MailFacts::default();
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
    fn facts_come_from_header_and_parts() {
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
    fn the_first_x_sent_field_counts_even_if_it_is_not_a_time() {
        let at = SentTime::At(1_795_248_000_123_000_000);
        for (header, expected) in [
            ("X-Sent: 1795248000123\r\nx-sent: 1795248000124\r\n", at),
            ("Date: x\r\nx-SENT:\r\n 1795248000123 \r\n", at),
            ("X-Sent: soon\r\nX-Sent: 1795248000123\r\n", SentTime::NotATime),
            ("X-Sent:\r\n", SentTime::NotATime),
            ("X-Sent-Too: 1795248000123\r\n", SentTime::Absent),
            ("Content-Type: message/rfc822\r\n\r\nX-Sent: 1795248000123\r\n", SentTime::Absent),
        ] {
            assert_eq!(facts(header.as_bytes()).sent, expected, "{header}");
        }
    }

    #[test]
    fn the_hash_excludes_fields_that_differ_between_copies() {
        let hash = |mail: &str| facts(mail.as_bytes()).content_hash;
        let same = hash(MAIL);
        let copies = [
            ("Date: Mon, 1 Jan", "Date: Tue, 2 Jan"),
            ("<1@example.org>", "<2@example.org>"),
            ("from a by b", "from c by d"),
            ("000042", "000043"),
            ("one", "another"),
            ("to\r\n all", "to all"),
            ("Cc:", "DKIM-Signature: v=1; bh=x\r\nCc:"),
            ("Cc:", "X-Sent: 1795248000123\r\nCc:"),
        ];
        for (was, is) in copies {
            assert_eq!(hash(&MAIL.replace(was, is)), same, "{was} became {is}");
        }
        for (was, is) in [("Hello", "Hallo"), ("Cc: <eve", "Cc: <eva"), ("%82%AC", "%82%AD")] {
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
    fn lines_that_resemble_delimiters_are_content() {
        let mail = "Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --bc\r\nContent-Disposition: attachment\r\n\r\n\
            x--b\r\nContent-Disposition: attachment\r\n\r\n\
            --b\r\n\r\nHello\r\n--b--\r\nContent-Disposition: attachment\r\n\r\n";
        assert!(!facts(mail.as_bytes()).has_attachment);
    }

    #[test]
    fn broken_words_in_addresses_delay_no_message() {
        let words = "=?aa?q?b ".repeat(100_000);
        let mail = format!("To: {words}<ann@x>\r\nCc: =?utf-8?q?Doe,_Bob?= <bob@x>\r\n\r\n");
        // Scanning to the end for each of these words would take minutes.
        let facts = facts(mail.as_bytes());
        assert_eq!((&*facts.to, &*facts.cc), ("ann@x", "bob@x"));
    }

    #[test]
    fn white_space_in_a_message_id_is_removed() {
        for (value, expected) in [
            (" <1@example.org>\r\n", "1@example.org"),
            ("\r\n <1@example.org>\r\n", "1@example.org"),
            (" <1@exam\r\n\tple .org >\r\n", "1@example.org"),
            (" (folded) <1@example.org> x\r\n", "1@example.org"),
            (" 1@example.org\r\n", "1@example.org"),
            (" <<1@example.org\r\n", "1@example.org"),
            (" <>\r\n", ""),
        ] {
            assert_eq!(facts(format!("Message-ID:{value}\r\n").as_bytes()).message_id, expected);
        }
    }

    #[test]
    fn any_octets_have_facts() {
        for mail in [&b""[..], b"\r\n", b"\0\0\0", b"no header", b": x\r\n\r\n", &[0xff; 1000]] {
            assert_eq!(facts(mail).subject, "", "{mail:?}");
        }
        assert_eq!(facts(b"Subject: a\tb\0c\r\n").subject, "a b c");
        let nested = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n".repeat(20_000);
        assert!(!facts(nested.as_bytes()).is_unparsed);
    }

    #[test]
    fn plain_addresses_agree_with_the_library() {
        let table = [
            ("ann@example.org", true),
            (" <ann@example.org>\r\n", true),
            ("Ann O'Neil-Smith <a.b+c@example.org>", true),
            ("Ann <ann@example.org>, bob@example.org", false),
            ("\"Ann, B\" <ann@example.org>", false),
            ("ann@example.org (Ann)", false),
            ("=?utf-8?q?=C3=84?= <ann@example.org>", false),
            ("ann@b@example.org", false),
            ("ann", false),
            ("<>", false),
            ("a <b <c@d>", false),
            ("@example.org", false),
            ("ann@", false),
        ];
        for (value, is_plain) in table {
            let field = HeaderField { name_octets: b"To", raw: value.as_bytes() };
            assert_eq!(only_address(field.raw).is_some(), is_plain, "{value}");
            let octets = format!("{value}\n");
            let library = match MessageStream::new(octets.as_bytes()).parse_address() {
                HeaderValue::Address(a) => a.first().and_then(|a| a.address.clone()),
                _ => None,
            };
            if is_plain {
                assert_eq!(only_address(field.raw), library.as_deref(), "{value}");
            }
        }
    }

    #[test]
    fn a_panic_over_a_message_is_caught() {
        let is_known = guarded(is_analyzing);
        assert_eq!((is_known, is_analyzing()), (Some(true), false));
        assert_eq!(guarded(|| panic!("a test's own")), None::<()>);
        assert!(!is_analyzing());
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
