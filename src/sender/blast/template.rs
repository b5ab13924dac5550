//! A template: a whole message with placeholders, parsed once.
use std::ops::Range;

use super::template_error::RANDOM_MAX;
pub use super::template_error::{TemplateError, TemplateFault};

/// Maximum length of a line (RFC 5322 section 2.1.1).
const LINE_BYTES_MAX: usize = 998;

/// The value that replaces a placeholder in each message, such as its recipient or its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placeholder {
    Sequence,
    Recipient,
    Local,
    Domain,
    From,
    Date,
    /// This number of random letters and digits.
    Random(u16),
    Uuid,
    /// The cell of this column of the list of recipients.
    Column(usize),
}

/// The section of a template that has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TemplateSection {
    /// In the header, where non-ASCII octets are encoded (RFC 2047).
    Header,
    Body,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TemplatePiece {
    /// Literal text: a range of [`TemplatePieces::text`].
    Literal(Range<usize>),
    Value(Placeholder, TemplateSection),
}

/// Names that a template may use.
pub struct Names<'a> {
    /// The name of the template file, for errors.
    pub file: &'a str,
    /// The columns of the list of recipients; empty without a list.
    pub columns: &'a [String],
}

/// The pieces of a message, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TemplatePieces {
    pub text: Vec<u8>,
    pub pieces: Vec<TemplatePiece>,
}

impl TemplatePieces {
    /// Appends literal octets.
    pub fn push_text(&mut self, octets: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(octets);
        match self.pieces.last_mut() {
            Some(TemplatePiece::Literal(last)) if last.end == start => last.end = self.text.len(),
            _ if octets.is_empty() => {}
            _ => self.pieces.push(TemplatePiece::Literal(start..self.text.len())),
        }
    }

    pub fn push(&mut self, other: &TemplatePieces) {
        for piece in &other.pieces {
            match piece {
                TemplatePiece::Literal(range) => self.push_text(&other.text[range.clone()]),
                TemplatePiece::Value(..) => self.pieces.push(piece.clone()),
            }
        }
    }

    /// Removes and returns the literal text at the end.
    pub fn split_tail(&mut self) -> Vec<u8> {
        match self.pieces.pop() {
            Some(TemplatePiece::Literal(range)) => self.text[range].to_vec(),
            Some(value) => {
                self.pieces.push(value);
                Vec::new()
            }
            None => Vec::new(),
        }
    }
}

/// A header field including folds and the final CRLF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TemplateField {
    /// The name in lower case.
    pub name: String,
    pub pieces: TemplatePieces,
}

/// A valid template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(super) fields: Vec<TemplateField>,
    /// The body; it ends with CRLF, unless it is empty.
    pub(super) body: TemplatePieces,
}

impl Template {
    /// Parses a whole message: header fields, an empty line, the body. Lines end in LF or CRLF;
    /// both become CRLF.
    ///
    /// Errors name line, column and reason.
    pub fn parse(names: &Names<'_>, octets: &[u8]) -> Result<Template, TemplateError> {
        let mut parser = TemplateParser { names, line: 0 };
        let mut fields: Vec<TemplateField> = Vec::new();
        let mut lines = octets.split_inclusive(|&octet| octet == b'\n');
        loop {
            parser.line += 1;
            let Some(line) = lines.next() else {
                return Err(parser.error(1, TemplateFault::HeaderWithoutEnd));
            };
            let line = parser.without_end(line)?;
            match (line.first(), fields.last_mut()) {
                (None, _) => break,
                (Some(b' ' | b'\t'), Some(field)) => {
                    parser.line(line, TemplateSection::Header, &mut field.pieces)?;
                }
                _ => fields.push(parser.field(line)?),
            }
        }
        let mut body = TemplatePieces::default();
        for line in lines {
            parser.line += 1;
            let line = parser.without_end(line)?;
            parser.line(line, TemplateSection::Body, &mut body)?;
        }
        Ok(Template { fields, body })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }
}

struct TemplateParser<'a> {
    names: &'a Names<'a>,
    line: usize,
}

impl TemplateParser<'_> {
    fn error(&self, column: usize, reason: TemplateFault) -> TemplateError {
        let (file, line) = (self.names.file.to_owned(), self.line);
        TemplateError { file, line, column, reason }
    }

    fn without_end<'l>(&self, line: &'l [u8]) -> Result<&'l [u8], TemplateError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match memchr::memchr2(b'\r', 0, line) {
            None => Ok(line),
            Some(at) => Err(self.error(at + 1, TemplateFault::ControlCharacter)),
        }
    }

    /// Parses the first line of a field.
    fn field(&self, line: &[u8]) -> Result<TemplateField, TemplateError> {
        let is_name = |octet: &u8| (b'!'..=b'~').contains(octet);
        let colon = memchr::memchr(b':', line).filter(|&at| line[..at].iter().all(is_name));
        let name = match colon {
            Some(1..) => String::from_utf8_lossy(&line[..colon.unwrap_or(0)]).to_lowercase(),
            _ => return Err(self.error(1, TemplateFault::NotAField)),
        };
        if ["x-sent", "x-sequence", "x-content-crc32c", "x-run"].contains(&name.as_str()) {
            return Err(self.error(1, TemplateFault::OwnField));
        }
        if name.contains("{{") {
            return Err(self.error(1, TemplateFault::PlaceholderInName));
        }
        let mut pieces = TemplatePieces::default();
        self.line(line, TemplateSection::Header, &mut pieces)?;
        Ok(TemplateField { name, pieces })
    }

    /// Parses a line without its end, and appends it with CRLF.
    fn line(
        &self,
        line: &[u8],
        section: TemplateSection,
        out: &mut TemplatePieces,
    ) -> Result<(), TemplateError> {
        let (mut rest, mut bytes) = (line, 0);
        while let Some(at) = memchr::memmem::find(rest, b"{{") {
            let column = line.len() - rest.len() + at + 1;
            let inside = &rest[at + 2..];
            // `{{{{}}` stands for a literal `{{`.
            let from = if inside.starts_with(b"{{}}") { 2 } else { 0 };
            let end = memchr::memmem::find(&inside[from..], b"}}")
                .ok_or_else(|| self.error(column, TemplateFault::PlaceholderWithoutEnd))?;
            out.push_text(&rest[..at]);
            bytes += at;
            match &inside[..from + end] {
                b"{{" => out.push_text(b"{{"),
                name => {
                    let value = self.value(name, column)?;
                    bytes += if let Placeholder::Random(n) = value { usize::from(n) } else { 0 };
                    out.pieces.push(TemplatePiece::Value(value, section));
                }
            }
            rest = &inside[from + end + 2..];
        }
        out.push_text(rest);
        out.push_text(b"\r\n");
        if bytes + rest.len() <= LINE_BYTES_MAX {
            Ok(())
        } else {
            Err(self.error(1, TemplateFault::LongLine))
        }
    }

    fn value(&self, name: &[u8], column: usize) -> Result<Placeholder, TemplateError> {
        let name = String::from_utf8_lossy(name);
        let (word, argument) = match name.trim().split_once(':') {
            Some((word, argument)) => (word, Some(argument)),
            None => (name.trim(), None),
        };
        match (word, argument) {
            ("seq", None) => Ok(Placeholder::Sequence),
            ("rcpt", None) => Ok(Placeholder::Recipient),
            ("rcpt.local", None) => Ok(Placeholder::Local),
            ("rcpt.domain", None) => Ok(Placeholder::Domain),
            ("from", None) => Ok(Placeholder::From),
            ("date", None) => Ok(Placeholder::Date),
            ("uuid", None) => Ok(Placeholder::Uuid),
            ("random", Some(count)) => match count.parse() {
                Ok(count @ 1..=RANDOM_MAX) => Ok(Placeholder::Random(count)),
                _ => Err(self.error(column, TemplateFault::RandomCount)),
            },
            ("col", Some(wanted)) => {
                let found = self.names.columns.iter().position(|name| name == wanted);
                found
                    .map(Placeholder::Column)
                    .ok_or_else(|| self.error(column, self.no_column(wanted)))
            }
            _ => {
                let reason = TemplateFault::UnknownPlaceholder(name.trim().to_owned());
                Err(self.error(column, reason))
            }
        }
    }

    fn no_column(&self, wanted: &str) -> TemplateFault {
        match self.names.columns {
            [] => TemplateFault::NoList(wanted.to_owned()),
            columns => {
                let (wanted, columns) = (wanted.to_owned(), columns.to_vec());
                TemplateFault::NoColumn { wanted, columns }
            }
        }
    }
}

/// Lines of a body that begin with a dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dots {
    /// The number of such lines; all their dots are literal text.
    Literal(u32),
    /// The number depends on values.
    Maybe,
}

/// Counts the lines that begin with a dot. `pieces` start at the beginning of a line.
pub(super) fn dots(pieces: &TemplatePieces) -> Dots {
    let (mut is_start, mut count) = (true, 0);
    for piece in &pieces.pieces {
        match piece {
            TemplatePiece::Literal(range) => {
                let text = &pieces.text[range.clone()];
                count += u32::from(is_start && text.starts_with(b"."));
                count += memchr::memmem::find_iter(text, b"\r\n.").count() as u32;
                is_start = text.ends_with(b"\r\n");
            }
            // The value of a column is not known yet, and may be empty.
            TemplatePiece::Value(Placeholder::Column(_), _) if is_start => return Dots::Maybe,
            // No other value begins with a dot or is empty.
            TemplatePiece::Value(..) => is_start = false,
        }
    }
    Dots::Literal(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Template, String> {
        let columns = ["email".to_owned(), "first name".to_owned()];
        let names = Names { file: "t.eml", columns: &columns };
        Template::parse(&names, text.as_bytes()).map_err(|error| error.to_string())
    }

    /// Returns literal text unchanged, and values as their names.
    fn shown(pieces: &TemplatePieces) -> String {
        let show = |piece: &TemplatePiece| match piece {
            TemplatePiece::Literal(range) => {
                String::from_utf8_lossy(&pieces.text[range.clone()]).into_owned()
            }
            TemplatePiece::Value(value, _) => format!("<{value:?}>"),
        };
        pieces.pieces.iter().map(show).collect()
    }

    #[test]
    fn a_template_is_fields_and_a_body() {
        let template = "Subject: {{seq}} for\n {{ rcpt.local }}\r\nX: y\n\nHi {{col:first name}},\n\
            {{{{}}x}} {{random:12}}{{uuid}}";
        let template = parse(template).unwrap();
        let names: Vec<_> = template.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["subject", "x"]);
        let subject = "Subject: <Sequence> for\r\n <Local>\r\n";
        assert_eq!(shown(&template.fields[0].pieces), subject);
        assert_eq!(shown(&template.body), "Hi <Column(1)>,\r\n{{x}} <Random(12)><Uuid>\r\n");
        assert!(template.has("x") && !template.has("y"));
        assert_eq!(shown(&parse("A: b\n\n").unwrap().body), "");
    }

    #[test]
    fn faults_are_reported_with_their_place() {
        for (text, expected) in [
            ("", "t.eml:1:1: the header has no end"),
            ("A: b\n", "t.eml:2:1: the header has no end"),
            ("Hello\n\n", "t.eml:1:1: expected a header field"),
            (" A: b\n\n", "t.eml:1:1: expected a header field"),
            (": b\n\n", "t.eml:1:1: expected a header field"),
            ("x-sequence: 1\n\n", "t.eml:1:1: this field is written by blast itself"),
            ("{{seq}}: 1\n\n", "t.eml:1:1: expected no placeholder in the name"),
            (
                "A: b\n\nx\nab {{nam}}",
                "t.eml:4:4: unknown placeholder 'nam'; the placeholders are {{seq}},",
            ),
            ("A: b\n\n{{seq}} {{seq", "t.eml:3:9: expected '}}' at the end"),
            ("A: {{random:0}}\n\n", "t.eml:1:4: random takes 1 to 900"),
            ("A: {{random:901}}\n\n", "t.eml:1:4: random takes 1 to 900"),
            ("A: {{col:no}}\n\n", "t.eml:1:4: no column 'no'; the list has email, first name"),
            ("A: b\rc\n\n", "t.eml:1:5: a CR without an LF"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
        let names = Names { file: "t", columns: &[] };
        let error = Template::parse(&names, b"A: {{col:x}}\n\n").unwrap_err().to_string();
        assert!(error.ends_with("there is no list of recipients"), "{error}");
    }

    #[test]
    fn lines_have_their_limit() {
        for (bytes, is_fine) in [(997, true), (998, true), (999, false)] {
            let text = format!("A: b\n\n{}\n", "x".repeat(bytes));
            assert_eq!(parse(&text).is_ok(), is_fine, "{bytes}");
            let text = format!("A: b\n\n{}{{{{random:900}}}}\n", "x".repeat(bytes - 900));
            assert_eq!(parse(&text).is_ok(), is_fine, "{bytes}");
        }
    }

    #[test]
    fn dots_are_known_beforehand() {
        for (body, expected) in [
            ("", Dots::Literal(0)),
            ("a.\nb", Dots::Literal(0)),
            (".a\n.\n..b\n c.", Dots::Literal(3)),
            ("{{rcpt}}.\n.", Dots::Literal(1)),
            ("{{col:email}}.", Dots::Maybe),
            ("a {{col:email}}.", Dots::Literal(0)),
            ("a\n{{col:email}}", Dots::Maybe),
        ] {
            let template = parse(&format!("A: b\n\n{body}")).unwrap();
            assert_eq!(dots(&template.body), expected, "{body:?}");
        }
    }
}
