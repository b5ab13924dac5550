//! Terms of a query: a field and its condition.
use std::fmt;
use std::ops::Range;

use super::address::AddressPattern;
use super::error::{QueryError, QueryFault};
use super::lexer::RawTerm;
use super::pattern::{Pattern, quoted, value};
use super::size::{NotASize, SizeRange};
use crate::log::{Moment, Runs};
use crate::smtp::deviation::Deviation;
use crate::smtp::tls::TlsVersion;
use crate::time::{Span, UnixNs};

/// The context that names in a query refer to.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownNames<'k> {
    /// The time from which "10m ago" counts back, in ns since the Unix epoch.
    pub now_ns: UnixNs,
    pub runs: &'k Runs,
}

/// One condition on a message. Texts are compared folded, addresses and the ends of file names
/// without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term {
    /// Words in the subject or the body.
    Words(Pattern),
    Subject(Pattern),
    Body(Pattern),
    From(AddressPattern),
    To(AddressPattern),
    Cc(AddressPattern),
    /// A header field with this name, and optionally a pattern that its value contains.
    Header(String, Option<Pattern>),
    /// A Message-ID without angle brackets.
    MessageId(String),
    HasAttachment,
    /// Any deviation.
    HasDeviation,
    FileName(Pattern),
    /// The end of a file name, in lower case.
    FileNameEnd(String),
    Size(SizeRange),
    /// Received before this time.
    Before(UnixNs),
    /// Received at this time or later.
    After(UnixNs),
    /// Received during the run with this name and span.
    Run(String, Span),
    /// The name of a listener, or its address if it has no name.
    Listener(String),
    /// The user that the client authenticated as, exactly.
    Auth(String),
    HasAuth,
    /// Received under TLS of this version; `None`: in plain text.
    Tls(Option<TlsVersion>),
    HasTls,
    Deviation(Deviation),
}

impl Term {
    /// Parses a term. `at` is its range in the query, which an error points at.
    pub(super) fn parse(
        raw: &RawTerm<'_>,
        at: &Range<usize>,
        known: &KnownNames<'_>,
    ) -> Result<Term, QueryError> {
        let fail = |fault| QueryError::new(at.clone(), fault);
        let (field, rest) = match raw.head.split_once(':') {
            Some((field, rest)) if is_field(field) => (Some(field.to_ascii_lowercase()), rest),
            _ => (None, raw.head),
        };
        let text = raw.quoted.as_deref().unwrap_or(rest);
        let value = FieldValue { text, has_star: raw.has_star, is_quoted: raw.quoted.is_some() };
        let Some(field) = field else {
            // `12:"x"` does not begin with the name of a field.
            if raw.quoted.is_some() && !raw.head.is_empty() {
                return Err(fail(QueryFault::QuoteInside));
            }
            return value.pattern().map(Term::Words).map_err(fail);
        };
        if field == "header" {
            return value.header(rest).map_err(fail);
        }
        if value.is_quoted && !rest.is_empty() {
            return Err(fail(QueryFault::QuoteInside));
        }
        value.term(&field, known).map_err(fail)
    }

    /// Returns whether matching may need more than the columns of a message.
    pub(super) fn needs_message(&self) -> bool {
        self.needs_body() || matches!(self, Term::Header(..))
    }

    /// Returns whether matching may need more than the header of a message.
    pub(super) fn needs_body(&self) -> bool {
        matches!(self, Term::Words(_) | Term::Body(_))
    }
}

/// Returns whether this can be the name of a field. Names have only letters and hyphens: `12:30`
/// and `::1` are words.
fn is_field(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
}

/// The text after a field's colon.
struct FieldValue<'v> {
    text: &'v str,
    has_star: bool,
    is_quoted: bool,
}

impl FieldValue<'_> {
    fn term(&self, field: &str, known: &KnownNames<'_>) -> Result<Term, QueryFault> {
        Ok(match field {
            "subject" => Term::Subject(self.given("subject", "invoice")?.pattern()?),
            "body" => Term::Body(self.given("body", "unsubscribe")?.pattern()?),
            "from" => Term::From(self.address("from", "example.org")?),
            "to" => Term::To(recipient(self.address("to", "ann@example.org")?)?),
            "cc" => Term::Cc(recipient(self.address("cc", "ann@example.org")?)?),
            "message-id" => message_id(self.exactly("message-id", "<1@example.org>")?)?,
            "has" => match self.exactly("has", "attachment")? {
                "attachment" => Term::HasAttachment,
                "deviation" => Term::HasDeviation,
                "auth" => Term::HasAuth,
                "tls" => Term::HasTls,
                other => return Err(QueryFault::NotAThing(format!("has:{other}"))),
            },
            "filename" => self.given("filename", ".pdf")?.file_name()?,
            "size" => Term::Size(size(self.exactly("size", ">1M")?)?),
            "before" => Term::Before(Moment::parse(self.exactly("before", "2h")?, known.now_ns)?.0),
            "after" => Term::After(Moment::parse(self.exactly("after", "2h")?, known.now_ns)?.0),
            "run" => run(self.exactly("run", "nightly")?, known)?,
            "listener" => Term::Listener(self.exactly("listener", "mx-a")?.to_owned()),
            "auth" => Term::Auth(self.exactly("auth", "ann")?.to_owned()),
            "tls" => tls(self.exactly("tls", "1.3")?)?,
            "deviation" => deviation(self.exactly("deviation", "no-brackets")?)?,
            _ => return Err(QueryFault::UnknownField(field.to_owned())),
        })
    }

    /// Returns the value itself. Errors: it is empty; `field` and `example` are for the sentence.
    fn given(&self, field: &'static str, example: &'static str) -> Result<&Self, QueryFault> {
        if self.text.is_empty() && !self.has_star {
            return Err(QueryFault::NoValue(field, example));
        }
        Ok(self)
    }

    /// Returns the text of the value, for fields that take no pattern.
    fn exactly(&self, field: &'static str, example: &'static str) -> Result<&str, QueryFault> {
        let value = self.given(field, example)?;
        if value.has_star { Err(QueryFault::StarNotHere(field)) } else { Ok(value.text) }
    }

    /// Parses an address, or a pattern for addresses. A star in quotes is literal.
    fn address(
        &self,
        field: &'static str,
        example: &'static str,
    ) -> Result<AddressPattern, QueryFault> {
        let text = self.given(field, example)?.text;
        let address = match (self.is_quoted, self.has_star) {
            (true, true) => return Err(QueryFault::StarNotHere(field)),
            (true, false) => AddressPattern::parse(text),
            (false, true) => AddressPattern::parse_wildcard(&format!("{text}*")),
            (false, false) if text.contains('*') => AddressPattern::parse_wildcard(text),
            (false, false) => AddressPattern::parse(text),
        };
        address.ok_or(QueryFault::NotAnAddress)
    }

    fn pattern(&self) -> Result<Pattern, QueryFault> {
        if !self.is_quoted && self.text.contains('*') {
            return Err(QueryFault::StarInside);
        }
        let pattern =
            if self.has_star { Pattern::prefix(self.text) } else { Pattern::words(self.text) };
        pattern.ok_or(QueryFault::NoWords)
    }

    /// Parses the value of `header:`. `rest` is the text after the colon, up to a quote if there is
    /// one.
    fn header(&self, rest: &str) -> Result<Term, QueryFault> {
        let (name, unquoted) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (rest, None),
        };
        let is_good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        if !is_good || name.contains('*') {
            return Err(self.not_a_header(rest));
        }
        let Some(unquoted) = unquoted else {
            return match self.is_quoted {
                true => Err(self.not_a_header(rest)),
                false if self.has_star => Err(QueryFault::StarNotHere("header")),
                false => Ok(Term::Header(name.to_owned(), None)),
            };
        };
        if self.is_quoted && !unquoted.is_empty() {
            return Err(QueryFault::QuoteInside);
        }
        let text = if self.is_quoted { self.text } else { unquoted };
        let value = FieldValue { text, ..*self };
        let pattern = value.given("header", "X-Campaign=spring")?.pattern()?;
        Ok(Term::Header(name.to_owned(), Some(pattern)))
    }

    fn not_a_header(&self, rest: &str) -> QueryFault {
        let quoted = if self.is_quoted { format!("\"{}\"", self.text) } else { String::new() };
        QueryFault::NotAHeader(format!("header:{rest}{quoted}"))
    }

    /// Parses a pattern for file names. With a `*` or a dot at its start, it matches the end of the
    /// name.
    fn file_name(&self) -> Result<Term, QueryFault> {
        let end = match self.text.strip_prefix('*') {
            None if self.text.starts_with('.') && !self.has_star => self.text,
            None => return self.pattern().map(Term::FileName),
            Some(_) if self.has_star => return Err(QueryFault::StarInside),
            Some(end) => end,
        };
        match end {
            "" => Err(QueryFault::NoWords),
            end if end.contains('*') && !self.is_quoted => Err(QueryFault::StarInside),
            end => Ok(Term::FileNameEnd(end.to_lowercase())),
        }
    }
}

/// Refuses the null reverse-path, to which no message is sent.
fn recipient(address: AddressPattern) -> Result<AddressPattern, QueryFault> {
    Some(address).filter(|a| *a != AddressPattern::Null).ok_or(QueryFault::NotAnAddress)
}

fn message_id(text: &str) -> Result<Term, QueryFault> {
    let id = text.strip_prefix('<').unwrap_or(text);
    let id = id.strip_suffix('>').unwrap_or(id);
    match id {
        "" => Err(QueryFault::NoValue("message-id", "<1@example.org>")),
        id => Ok(Term::MessageId(id.to_owned())),
    }
}

fn size(text: &str) -> Result<SizeRange, QueryFault> {
    SizeRange::parse(text).map_err(|error| match error {
        NotASize::Malformed => QueryFault::NotASize(format!("size:{text}")),
        NotASize::Empty => QueryFault::EmptySize,
    })
}

fn run(name: &str, known: &KnownNames<'_>) -> Result<Term, QueryFault> {
    let run = known.runs.find(name).map_err(|_| QueryFault::UnknownRun(name.to_owned()))?;
    Ok(Term::Run(name.to_owned(), run.span()))
}

fn tls(version: &str) -> Result<Term, QueryFault> {
    if version == "none" {
        return Ok(Term::Tls(None));
    }
    let known = TlsVersion::ALL.into_iter().find(|known| known.number() == version);
    known
        .map(|version| Term::Tls(Some(version)))
        .ok_or_else(|| QueryFault::NotATlsVersion(version.to_owned()))
}

fn deviation(name: &str) -> Result<Term, QueryFault> {
    let kind = Deviation::ALL.into_iter().find(|kind| kind.name() == name);
    kind.map(Term::Deviation).ok_or_else(|| QueryFault::NotADeviation(name.to_owned()))
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Words(pattern) => pattern.fmt(f),
            Term::Subject(pattern) => write!(f, "subject:{pattern}"),
            Term::Body(pattern) => write!(f, "body:{pattern}"),
            Term::From(address) => write!(f, "from:{address}"),
            Term::To(address) => write!(f, "to:{address}"),
            Term::Cc(address) => write!(f, "cc:{address}"),
            Term::Header(name, None) => write!(f, "header:{name}"),
            Term::Header(name, Some(pattern)) => write!(f, "header:{name}={pattern}"),
            Term::MessageId(id) => {
                f.write_str("message-id:")?;
                value(f, &format!("<{id}>"))
            }
            Term::HasAttachment => f.write_str("has:attachment"),
            Term::HasDeviation => f.write_str("has:deviation"),
            Term::HasAuth => f.write_str("has:auth"),
            Term::Tls(version) => {
                write!(f, "tls:{}", version.map_or("none", TlsVersion::number))
            }
            Term::HasTls => f.write_str("has:tls"),
            Term::FileName(pattern) => write!(f, "filename:{pattern}"),
            Term::FileNameEnd(end) => {
                f.write_str("filename:")?;
                quoted(f, &format!("*{end}"))
            }
            Term::Size(size) => write!(f, "size:{size}"),
            // By RFC 3339, so that it means the same moment later.
            Term::Before(at_ns) => write!(f, "before:{}", at_ns.timestamp()),
            Term::After(at_ns) => write!(f, "after:{}", at_ns.timestamp()),
            Term::Run(name, _) => {
                f.write_str("run:")?;
                value(f, name)
            }
            Term::Listener(name) => {
                f.write_str("listener:")?;
                value(f, name)
            }
            Term::Auth(user) => {
                f.write_str("auth:")?;
                value(f, user)
            }
            Term::Deviation(kind) => write!(f, "deviation:{}", kind.name()),
        }
    }
}
