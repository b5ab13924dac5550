//! Finds the reply with which sinkd accepts a message in the text of a log: `Ok 17:3 sink-a` after
//! `250 2.0.0`, `250 2.1.5` (LMTP) or `250` (`smtp/reply.rs`).
use memchr::memmem;

use super::reason::{Reason, quoted};
use crate::log::MessageId;

/// The text before the id in every reply.
const WORD: &[u8] = b"Ok ";
/// Maximum length of the name of a sink, as in `config/names.rs`.
const SINK_BYTES_MAX: usize = 64;

/// The part of a log line in which sinkd's reply names a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SinkReply<'a> {
    pub id: MessageId,
    /// The name of the sink, if the word after the id is certainly one.
    pub sink: Option<&'a str>,
    /// Whether the reply ends where the text ends, so that a cut line may have cut the id.
    pub is_at_end: bool,
}

/// Whether the text contains the reply code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// The reply has its code 250, or follows a quote.
    Kept,
    /// The text is a reply without its code, because some senders log it that way.
    Stripped,
}

/// Returns whether [`find`] may find a reply. Takes one pass over the line.
pub(super) fn is_possible(line: &[u8]) -> bool {
    memmem::find_iter(line, WORD).any(|at| line.get(at + WORD.len()).is_some_and(is_digit))
}

/// Finds the reply in `text`; `None` if there is none.
///
/// Errors: two different ids, or numbers that are not an id.
pub(super) fn find(text: &[u8], code: Code) -> Result<Option<SinkReply<'_>>, Reason> {
    let mut found: Option<SinkReply<'_>> = None;
    for at in memmem::find_iter(text, WORD) {
        if !is_reply(&text[..at], code) {
            continue;
        }
        let Some(answer) = at_id(&text[at + WORD.len()..])? else { continue };
        match found {
            None => found = Some(answer),
            Some(first) if first.id != answer.id => return Err(Reason::SeveralIds),
            Some(_) => {}
        }
    }
    Ok(found)
}

/// Returns whether a reply begins after `before`: after a reply code, after a quote, or at the
/// start of the text.
fn is_reply(before: &[u8], code: Code) -> bool {
    let rest = without_enhanced_code(before);
    let Some(last) = rest.last() else { return code == Code::Stripped };
    if matches!(last, b'"' | b'\'' | b'`') {
        return true;
    }
    let Some(rest) = rest.strip_suffix(b" ").or(rest.strip_suffix(b"-")) else { return false };
    let Some(rest) = rest.strip_suffix(b"250") else { return false };
    !rest.last().is_some_and(|octet| octet.is_ascii_alphanumeric() || b".:-".contains(octet))
}

/// Removes an enhanced code such as `2.0.0 ` from the end.
fn without_enhanced_code(before: &[u8]) -> &[u8] {
    let Some(text) = before.strip_suffix(b" ") else { return before };
    let word = text.iter().rev().take_while(|octet| is_digit(octet) || **octet == b'.').count();
    let (rest, word) = text.split_at(text.len() - word);
    let mut parts = word.split(|octet| *octet == b'.');
    let is_code = parts.next() == Some(b"2")
        && parts.by_ref().take(2).filter(|part| (1..=3).contains(&part.len())).count() == 2
        && parts.next().is_none();
    if is_code { rest } else { before }
}

/// Parses the id at the start of `text`; `None` without an id.
fn at_id(text: &[u8]) -> Result<Option<SinkReply<'_>>, Reason> {
    let digits = |text: &[u8]| text.iter().take_while(|octet| is_digit(octet)).count();
    let segment = digits(text);
    if segment == 0 || text.get(segment) != Some(&b':') {
        return Ok(None);
    }
    let length = segment + 1 + digits(&text[segment + 1..]);
    let (id, rest) = text.split_at(length);
    // sinkd writes no leading zeros, so `10:00` is a time.
    let is_written_so = |part: &[u8]| part == b"0" || part.first().is_some_and(|d| *d != b'0');
    if !is_written_so(&id[..segment]) || !is_written_so(&id[segment + 1..]) || !is_end(rest) {
        return Ok(None);
    }
    let parsed = str::from_utf8(id).ok().and_then(|id| id.parse::<MessageId>().ok());
    let Some(id) = parsed.filter(|id| id.segment > 0) else {
        return Err(Reason::Id(quoted(id)));
    };
    let sink = sink(rest);
    let is_at_end = rest.len() == sink.map_or(0, |sink| sink.len() + 1);
    Ok(Some(SinkReply { id, sink, is_at_end }))
}

/// Returns the name after an id: a single word at the end of the reply. Logs may have other text
/// after an id.
fn sink(rest: &[u8]) -> Option<&str> {
    let rest = rest.strip_prefix(b" ")?;
    let is_name_octet = |octet: &&u8| octet.is_ascii_alphanumeric() || b".-_".contains(octet);
    let length = rest.iter().take_while(is_name_octet).count();
    let (name, after) = rest.split_at(length);
    let is_over = !after.starts_with(b" ") || after.starts_with(b" Ok ");
    let is_name = (1..=SINK_BYTES_MAX).contains(&length) && is_end(after) && is_over;
    str::from_utf8(name).ok().filter(|_| is_name && !after.starts_with(b":"))
}

/// Returns whether a word ends before `rest`: at a delimiter, or at the end of the text.
fn is_end(rest: &[u8]) -> bool {
    rest.first().is_none_or(|octet| b" \t)\"'`\\,;<>]}".contains(octet))
}

fn is_digit(octet: &u8) -> bool {
    octet.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, code: Code, expected: Option<(&str, Option<&str>)>) {
        let answer = find(text.as_bytes(), code).unwrap();
        let expected = expected.map(|(id, sink)| (id.parse().unwrap(), sink));
        assert_eq!(answer.map(|answer| (answer.id, answer.sink)), expected, "{text}");
    }

    #[test]
    fn replies_are_found_with_their_names() {
        for (text, expected) in [
            ("250 2.0.0 Ok 17:3 sink-a", ("17:3", Some("sink-a"))),
            ("250 2.1.5 Ok 17:3", ("17:3", None)),
            ("250 Ok 1:0", ("1:0", None)),
            ("250 Ok 4294967295:4294967295 a.b_c", ("4294967295:4294967295", Some("a.b_c"))),
            ("smtp;250 2.0.0 Ok 17:3 sink-a", ("17:3", Some("sink-a"))),
            ("250-2.0.0 Ok 17:3", ("17:3", None)),
            ("reply: b'250 2.0.0 Ok 17:3 sink-a\\r\\n'", ("17:3", Some("sink-a"))),
            ("data: (250, b'2.0.0 Ok 17:3')", ("17:3", None)),
            ("{\"response\":\"Ok 17:3 sink-a\",", ("17:3", Some("sink-a"))),
            ("250 2.0.0 from MTA(smtp:[::1]:10025): 250 2.0.0 Ok 17:3", ("17:3", None)),
            // The text after the id is not always a name.
            ("250 2.0.0 Ok 17:3 in 0.3 s", ("17:3", None)),
            ("250 2.0.0 Ok 17:3 sink-a: done", ("17:3", None)),
            // One message, logged twice (by LMTP for two recipients, or by a verbose client).
            ("\"Ok 17:3 sink-a Ok 17:3 sink-a\"", ("17:3", Some("sink-a"))),
            ("250 Ok 17:3 sink-a, 250 Ok 17:3 sink-a", ("17:3", Some("sink-a"))),
        ] {
            check(text, Code::Kept, Some(expected));
        }
        check("Ok 17:3 sink-a", Code::Stripped, Some(("17:3", Some("sink-a"))));
        check("2.0.0 Ok 17:3", Code::Stripped, Some(("17:3", None)));
    }

    #[test]
    fn other_texts_are_not_replies() {
        for text in [
            "Ok 17:3",
            "2.0.0 Ok 17:3",
            "it was Ok 17:3",
            "1250 Ok 17:3",
            "x250 Ok 17:3",
            "10.250 Ok 17:3",
            "450 4.0.0 Ok 17:3",
            "250 4.0.0 Ok 17:3",
            "250 2.0.0.1 Ok 17:3",
            "250 2.0.0 ok 17:3",
            "250 2.0.0 OK 17:3",
            "250 2.0.0 Ok: queued as 17:3",
            "250 2.0.0 Ok queued as 17:3",
            "250 2.0.0 Ok  17:3",
            "250 2.0.0 Ok 17",
            "250 2.0.0 Ok 17:",
            "250 2.0.0 Ok :3",
            "250 2.0.0 Ok 17:3:1",
            "250 2.0.0 Ok 10:00",
            "250 2.0.0 Ok 07:15",
            "250 2.0.0 Ok 10:30:05",
            "250 2.0.0 Ok 17:3.5",
            "250 2.0.0 Ok 17:3a",
            "250 2.0.0 Ok 17:3-4",
            "",
        ] {
            check(text, Code::Kept, None);
        }
        check("so Ok 17:3", Code::Stripped, None);
    }

    #[test]
    fn numbers_that_cannot_be_an_id_and_two_ids_are_errors() {
        for (text, expected) in [
            ("250 Ok 4294967296:0", "4294967296:0 is not a message ID"),
            ("250 Ok 0:3", "0:3 is not a message ID"),
            ("250 Ok 1:2, 250 Ok 1:3", "two message IDs"),
        ] {
            let error = find(text.as_bytes(), Code::Kept).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_reply_at_the_end_of_its_text_says_so() {
        for (text, expected) in [
            ("250 Ok 17:3", true),
            ("250 Ok 17:3 sink-a", true),
            ("250 Ok 17:3 ", false),
            ("'250 Ok 17:3'", false),
            ("250 Ok 17:3 sink-a)", false),
        ] {
            let answer = find(text.as_bytes(), Code::Kept).unwrap().unwrap();
            assert_eq!(answer.is_at_end, expected, "{text}");
        }
    }
}
