//! The flags of `sinkctl audit`.
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use regex::bytes::RegexBuilder;
use sinkd::analysis::audit::{
    AddressFolding, ContentRule, KeyKind, KeyRule, KeySource, LateRule, ListRule, LocalCase,
    LogRule, MessageRule, NumberRange, OrderRule, PlusPart, RowRule,
};
use sinkd::wording::Unexpected;

use crate::base::query_words::QueryWords;
use crate::base::span::{SentField, TimeRange};
use crate::base::table_form::TableForm;
use crate::base::value::{count, field_name, size, time};

/// Maximum memory of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Minimum of --memory. The threads use additional memory, which this value does not include.
const MEMORY_MIN: u64 = 1 << 20;
/// Default of --limit in text: what fits on a screen.
const LISTED_IN_TEXT: u64 = 10;

/// The headings of the help.
const LIST: &str = "List of recipients";
const KEYS: &str = "Keys";
const CHECKS: &str = "Further checks";
const SPAN: &str = "Time span";
const LOGS: &str = "Logs of the sender";
const OUTPUT: &str = "Output";

#[derive(Debug, Args)]
pub struct Audit {
    #[command(flatten)]
    pub query: QueryWords,
    /// CSV file with a header line and one row per expected recipient (- is standard input).
    #[arg(long, help_heading = LIST, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// Column with the recipients [default: email, recipient or rcpt_to].
    #[arg(long, help_heading = LIST, value_name = "NAME", requires = "expect")]
    pub column: Option<String>,
    /// Character between the cells of a row.
    #[arg(
        long,
        help_heading = LIST,
        value_name = "CHAR",
        default_value = ",",
        value_parser = separator
    )]
    pub separator: u8,
    /// Treat the audit as inconclusive if the list repeats a recipient.
    #[arg(long, help_heading = LIST, requires = "expect")]
    pub unique_rows: bool,
    /// What identifies a recipient in a message: recipient (each forward-path), from (the
    /// reverse-path), verp (the address inside a reverse-path such as
    /// bounce+ada=example.com@sender.example), or header:NAME [default: recipient; with --sequence
    /// header:X-Sequence].
    #[arg(long, help_heading = KEYS, value_name = "KEY", value_parser = key_source)]
    pub key: Option<KeySource>,
    /// Regular expression for the part of the key that counts: its first capture group, or the
    /// whole match if it has none.
    #[arg(long, help_heading = KEYS, value_name = "REGEX")]
    pub key_match: Option<String>,
    /// Ignore case in local parts too.
    #[arg(long, help_heading = KEYS)]
    pub ignore_case: bool,
    /// Treat ada+news@example.com and ada@example.com as one recipient.
    #[arg(long, help_heading = KEYS)]
    pub fold_plus: bool,
    /// Columns of the list, separated by commas. Each message must contain the values that its
    /// recipient's row has in these columns.
    #[arg(
        long,
        help_heading = CHECKS,
        value_name = "NAME,...",
        value_delimiter = ',',
        requires = "expect"
    )]
    pub must_contain: Vec<String>,
    /// Treat keys as whole numbers. Without --expect, each number from the lowest to the highest is
    /// expected once.
    #[arg(long, help_heading = KEYS)]
    pub sequence: bool,
    /// Range of the expected numbers, such as 0-99999.
    #[arg(
        long,
        help_heading = KEYS,
        value_name = "FIRST-LAST",
        value_parser = numbers,
        requires = "sequence",
        conflicts_with = "expect"
    )]
    pub numbers: Option<NumberRange>,
    /// Treat a number that arrives after a higher one as a fault; otherwise, it is only counted.
    #[arg(long, help_heading = KEYS, requires = "sequence")]
    pub in_order: bool,
    /// Check X-Content-CRC32C, the checksum of the content in mail from sinkctl blast.
    #[arg(long, help_heading = CHECKS)]
    pub check_content: bool,
    #[command(flatten, next_help_heading = CHECKS)]
    pub sent: SentField,
    /// Longest time from sending to arrival; later messages are faults.
    #[arg(
        long,
        help_heading = CHECKS,
        value_name = "DURATION",
        value_parser = time,
        requires = "sent_field"
    )]
    pub late_after: Option<Duration>,
    #[command(flatten, next_help_heading = SPAN)]
    pub during: TimeRange,
    /// Log of the sender, with the message IDs from sinkd's replies: Postfix, Exim, Haraka,
    /// KumoMTA, PowerMTA, or other text, possibly compressed (gzip, zstd). May be repeated.
    #[arg(long = "sender-log", help_heading = LOGS, value_name = "FILE")]
    pub sender_logs: Vec<PathBuf>,
    /// How far the clocks of a sender's log and of sinkd may differ.
    #[arg(
        long,
        help_heading = LOGS,
        value_name = "DURATION",
        default_value = "1h",
        value_parser = time
    )]
    pub clocks_within: Duration,
    /// Memory for sorting; the rest goes to temporary files in $TMPDIR.
    #[arg(
        long,
        help_heading = OUTPUT,
        value_name = "SIZE",
        default_value = "1G",
        value_parser = memory
    )]
    pub memory: u64,
    /// Maximum number of offenders listed for each kind of fault [default: 10 in text, otherwise
    /// all].
    #[arg(long, help_heading = OUTPUT, value_name = "N", value_parser = count)]
    limit: Option<u64>,
    /// Print one JSON object.
    #[arg(long, help_heading = OUTPUT, group = "form")]
    json: bool,
    /// Print the offenders as CSV.
    #[arg(long, help_heading = OUTPUT, group = "form")]
    csv: bool,
    /// File in which to write a JUnit XML report for CI systems.
    #[arg(long, help_heading = OUTPUT, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

impl Audit {
    /// Returns the form of the output.
    pub fn form(&self) -> TableForm {
        match (self.json, self.csv) {
            (true, _) => TableForm::Json,
            (false, true) => TableForm::Csv,
            (false, false) => TableForm::Text,
        }
    }

    /// Returns the maximum number of offenders listed for each kind of fault; `None`: all.
    pub fn listed_max(&self) -> Option<u64> {
        match self.form() {
            TableForm::Text => self.limit.or(Some(LISTED_IN_TEXT)),
            TableForm::Json | TableForm::Csv => self.limit,
        }
    }

    /// Returns how to read the list.
    pub fn list_rule(&self) -> ListRule {
        ListRule {
            column: self.column.clone(),
            must_contain: self.must_contain.iter().map(|name| name.trim().to_owned()).collect(),
            separator: self.separator,
        }
    }

    /// Returns what to check in each message.
    ///
    /// Errors: the pattern is not a regular expression.
    pub fn message_rule(&self) -> anyhow::Result<MessageRule> {
        Ok(MessageRule {
            key: self.key_rule()?,
            content: if self.check_content { ContentRule::Checked } else { ContentRule::Ignored },
            late: self.late_after.zip(self.sent.sent_field.as_ref()).map(|(after, field)| {
                let after_us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
                LateRule { field: field.clone(), after_us }
            }),
            log: if self.sender_logs.is_empty() { LogRule::Without } else { LogRule::Joined },
        })
    }

    fn key_rule(&self) -> anyhow::Result<KeyRule> {
        let pattern = self.key_match.as_deref().map(|text| {
            let built = RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build();
            built.map_err(|error| anyhow::anyhow!("--key-match: {}", reason(&error, text)))
        });
        let source = match (&self.key, self.sequence) {
            (Some(source), _) => source.clone(),
            (None, true) => KeySource::Header("X-Sequence".into()),
            (None, false) => KeySource::Recipient,
        };
        let folding = AddressFolding {
            case: if self.ignore_case { LocalCase::Ignored } else { LocalCase::Kept },
            plus: if self.fold_plus { PlusPart::Folded } else { PlusPart::Kept },
        };
        let kind = if self.sequence { KeyKind::Number } else { KeyKind::Text };
        Ok(KeyRule { source, pattern: pattern.transpose()?, kind, folding })
    }

    /// Returns whether numbers must arrive in order.
    pub fn order_rule(&self) -> OrderRule {
        if self.in_order { OrderRule::Fault } else { OrderRule::Counted }
    }

    /// Returns whether the list may have several rows for one recipient.
    pub fn row_rule(&self) -> RowRule {
        if self.unique_rows { RowRule::Unique } else { RowRule::Repeated }
    }
}

fn key_source(text: &str) -> Result<KeySource, Unexpected> {
    let error = || Unexpected::new("recipient, from, verp or header:NAME", text);
    match text {
        "recipient" => Ok(KeySource::Recipient),
        "from" => Ok(KeySource::ReversePath),
        "verp" => Ok(KeySource::Verp),
        _ => {
            let name = text.strip_prefix("header:").ok_or_else(error)?;
            Ok(KeySource::Header(field_name(name)?))
        }
    }
}

fn separator(text: &str) -> Result<u8, Unexpected> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [octet] if octet.is_ascii() && !matches!(octet, b'"' | b'\r' | b'\n') => Ok(*octet),
        _ => Err(Unexpected::new("one character such as ';', or tab", text)),
    }
}

fn numbers(text: &str) -> Result<NumberRange, Unexpected> {
    let error = || Unexpected::new("two numbers such as 0-99999, the lower one first", text);
    let (first, last) = text.split_once('-').ok_or_else(error)?;
    let number = |text: &str| count(text).map_err(|_| error());
    let (first, last) = (number(first)?, number(last)?);
    let range = NumberRange { first: Some(first), last: Some(last) };
    if first <= last { Ok(range) } else { Err(error()) }
}

fn memory(text: &str) -> Result<u64, Unexpected> {
    let error = || Unexpected::new("a size of at least 1M, such as 64M or 2G", text);
    size(text).ok().filter(|bytes| *bytes >= MEMORY_MIN).ok_or_else(error)
}

/// Returns why `pattern` is not a valid regular expression, in one line: the parser's own report
/// has several.
fn reason(error: &regex::Error, pattern: &str) -> String {
    let report = error.to_string();
    let last = report.lines().last().unwrap_or_default();
    let why = last.trim_start_matches("error: ");
    format!("expected a regular expression, found '{pattern}': {why}")
}
