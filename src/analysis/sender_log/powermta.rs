//! PowerMTA: an accounting file in CSV. This parser is based on its documentation (*Accounting*).
//!
//! ```text
//! type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta
//! d,2026-11-28 10:00:01+0000,…,a@b.example,,relayed,2.0.0 (success),smtp;250 2.0.0 Ok 17:3,…
//! ```
//!
//! The header line names the columns; concatenated files have several header lines.
use std::borrow::Cow;

use csv::{ByteRecord, ReaderBuilder};

use super::address;
use super::answer::{self, Code};
use super::claim::{LoggedClaim, Reading, Recipients};
use super::reason::Reason;
use super::stamp;
use crate::time::UnixNs;

/// The first column of every accounting file.
const HEADER: &[u8] = b"type,";
/// The types of records about a delivery.
const DELIVERED: [&[u8]; 2] = [b"d", b"delivery"];
/// Maximum length of a type in the first column; a longer word is not a row.
const TYPE_BYTES_MAX: usize = 16;

/// The positions of the columns, according to the last header line.
#[derive(Default)]
pub(super) struct Accounting {
    columns: Option<CsvColumns>,
    record: ByteRecord,
}

struct CsvColumns {
    count: usize,
    diagnosis: usize,
    recipient: Option<usize>,
    logged: Option<usize>,
}

impl Accounting {
    /// Updates the columns if `line` is a header line. Must be called for every line.
    pub fn follow(&mut self, line: &[u8]) {
        if line.starts_with(HEADER) && self.split_row(line) {
            let place = |name: &[u8]| self.record.iter().position(|column| column == name);
            let Some(diagnosis) = place(b"dsnDiag") else { return };
            self.columns = Some(CsvColumns {
                count: self.record.len(),
                diagnosis,
                recipient: place(b"rcpt"),
                logged: place(b"timeLogged"),
            });
        }
    }

    /// Reads a line that is not a header, by the columns of the last header.
    pub fn read<'a>(&mut self, line: &[u8]) -> Reading<'a> {
        let Some(end) = line.iter().take(TYPE_BYTES_MAX).position(|octet| *octet == b',') else {
            return Reading::Foreign;
        };
        let kind = &line[..end];
        if kind.is_empty() || !kind.iter().all(u8::is_ascii_lowercase) {
            return Reading::Foreign;
        }
        if self.columns.is_none() {
            let is_row = kind == b"d" && line.get(2).is_some_and(u8::is_ascii_digit);
            return if is_row { Reading::Bad(Reason::NoHeader) } else { Reading::Foreign };
        }
        if !DELIVERED.contains(&kind) {
            return Reading::Nothing;
        }
        if line.iter().filter(|octet| **octet == b'"').count() % 2 == 1 {
            return Reading::Bad(Reason::OpenQuote);
        }
        if !self.split_row(line) {
            return Reading::Foreign;
        }
        self.row().unwrap_or_else(Reading::Bad)
    }

    /// Makes a claim from the record.
    fn row<'a>(&self) -> Result<Reading<'a>, Reason> {
        let Some(columns) = &self.columns else { return Ok(Reading::Foreign) };
        if self.record.len() != columns.count {
            let (expected, found) = (columns.count, self.record.len());
            return Err(Reason::Columns { expected, found });
        }
        let Some(answer) = answer::find(&self.record[columns.diagnosis], Code::Kept)? else {
            return Ok(Reading::Nothing);
        };
        let recipients = match columns.recipient.map(|at| &self.record[at]) {
            Some(text) => Recipients::One(Cow::Owned(address::checked(text)?.to_vec())),
            None => Recipients::Unnamed,
        };
        let is_last = columns.diagnosis + 1 == columns.count;
        Ok(Reading::Claim(LoggedClaim {
            id: answer.id,
            sink: answer.sink.map(|sink| Cow::Owned(sink.to_owned())),
            recipients,
            at_ns: columns.logged.and_then(|at| time(&self.record[at])),
            is_at_end: answer.is_at_end && is_last,
        }))
    }

    /// Splits a line into cells, which replace the cells of the last line. Returns whether it has
    /// any.
    fn split_row(&mut self, line: &[u8]) -> bool {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(line.len())
            .from_reader(line);
        reader.read_byte_record(&mut self.record).unwrap_or(false)
    }
}

/// Parses `2026-11-28 10:00:01+0000`, or seconds since 1970.
fn time(text: &[u8]) -> Option<UnixNs> {
    if !text.is_empty() && text.len() <= 12 && text.iter().all(u8::is_ascii_digit) {
        return str::from_utf8(text).ok()?.parse().ok().and_then(stamp::of_seconds);
    }
    stamp::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sender_log::testkit::{
        check_bad, check_claim, check_foreign, check_nothing,
    };

    const HEADER: &str = "type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,\
        dsnMta,vmta";
    const AT_NS: UnixNs = UnixNs::of_second(1_795_860_001);

    fn row(kind: &str, recipient: &str, diagnosis: &str) -> String {
        format!(
            "{kind},2026-11-28 10:00:01+0000,2026-11-28 10:00:00+0000,s@x.example,{recipient},,\
             relayed,2.0.0 (success),{diagnosis},b.example (192.0.2.1),vmta1"
        )
    }

    fn after<'a>(header: &str) -> impl FnMut(&'a [u8]) -> Reading<'a> + use<'a> {
        let mut accounting = Accounting::default();
        accounting.follow(header.as_bytes());
        move |line| accounting.read(line)
    }

    #[test]
    fn a_delivered_row_claims_its_recipient() {
        for (recipient, diagnosis, expected, sink) in [
            ("a@b.example", "smtp;250 2.0.0 Ok 17:3 sink-a", "a@b.example", Some("sink-a")),
            ("a@b.example", "\"smtp;250 2.0.0 Ok 17:3\"", "a@b.example", None),
            (
                "\"\"\"a, b\"\"@b.example\"",
                "smtp;250 Ok 17:3 sink-a",
                "\"a, b\"@b.example",
                Some("sink-a"),
            ),
        ] {
            let line = row("d", recipient, diagnosis);
            check_claim(after(HEADER), &line, ("17:3", sink, Some(expected), Some(AT_NS)));
        }
    }

    #[test]
    fn columns_are_those_of_the_header() {
        for (header, line, at_ns) in [
            ("type,rcpt,dsnDiag", "d,a@b,smtp;250 2.0.0 Ok 17:3", None),
            (
                "type,dsnDiag,timeLogged,rcpt",
                "d,smtp;250 2.0.0 Ok 17:3,1795860001,a@b",
                Some(AT_NS),
            ),
        ] {
            check_claim(after(header), line, ("17:3", None, Some("a@b"), at_ns));
        }
        let no_recipient = "type,dsnDiag,vmta";
        check_claim(after(no_recipient), "d,250 Ok 17:3,x", ("17:3", None, None, None));
    }

    #[test]
    fn other_rows_and_lines_claim_nothing() {
        for kind in ["b", "t", "tq", "rb", "r"] {
            check_nothing(after(HEADER), &row(kind, "a@b", "smtp;250 2.0.0 Ok 17:3"));
        }
        check_nothing(after(HEADER), &row("d", "a@b", "smtp;250 2.0.0 OK queued as 17:3"));
        check_foreign(after(HEADER), "Nov 28 10:00:01 mx x: 250 2.0.0 Ok 17:3");
        check_foreign(after("type,email,reply"), "sent,a@b,250 2.0.0 Ok 17:3");
    }

    #[test]
    fn what_cannot_be_used_has_its_reason() {
        let diagnosis = "smtp;250 2.0.0 Ok 17:3";
        let line = row("d", "a@b", diagnosis);
        check_bad(after(""), &line, "a row without a header line");
        check_bad(after(HEADER), &line[..line.len() - 6], "a row of 10 columns, expected 11");
        check_bad(after(HEADER), &format!("{line},x"), "a row of 12 columns, expected 11");
        check_bad(after(HEADER), &row("d", "\"a@b", diagnosis), "a quoted field does not end");
        check_bad(after(HEADER), &row("d", "a b@c", diagnosis), "is not an address");
        check_bad(after(HEADER), &row("d", "", diagnosis), "is not an address");
    }
}
