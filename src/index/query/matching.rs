//! Matches a query against a message.
use super::address::AddressPattern;
use super::pattern::Pattern;
use super::term::Term;
use super::tree::Node;
use crate::index::{Columns, TextColumn};
use crate::mime::fold::fold;
use crate::mime::{header, text};

/// A term that the columns can't decide.
#[derive(Debug, Clone, Copy)]
enum ContentTerm<'t> {
    Body(&'t Pattern),
    /// A header field with this name, and optionally a pattern that its value contains.
    Header {
        name: &'t str,
        value: Option<&'t Pattern>,
    },
}

/// Buffers that are reused for all messages; one per thread.
#[derive(Debug, Default)]
pub struct Scratch {
    subject: Folded,
    body: Folded,
    /// The value of a header field, or a file name.
    value: String,
}

/// A text of one message, which is folded on first use.
#[derive(Debug, Default)]
struct Folded {
    words: String,
    is_done: bool,
}

impl Folded {
    fn get(&mut self, fold_into: impl FnOnce(&mut String)) -> &str {
        if !self.is_done {
            self.words.clear();
            fold_into(&mut self.words);
            self.is_done = true;
        }
        &self.words
    }
}

/// A message to match, as far as it has been read.
pub(super) struct Candidate<'s> {
    columns: &'s Columns<'s>,
    /// The octets of the message; `None` while only its columns are known.
    message: Option<&'s [u8]>,
    scratch: &'s mut Scratch,
}

impl<'s> Candidate<'s> {
    pub(super) fn new(
        columns: &'s Columns<'s>,
        message: Option<&'s [u8]>,
        scratch: &'s mut Scratch,
    ) -> Candidate<'s> {
        scratch.subject.is_done = false;
        scratch.body.is_done = false;
        Candidate { columns, message, scratch }
    }

    /// Matches the columns. Returns `None` if the message is needed to decide.
    pub(super) fn matches_columns(&mut self, node: &Node) -> Option<bool> {
        match node {
            Node::And(nodes) => self.all_match_columns(nodes),
            Node::Or(nodes) => self.any_matches_columns(nodes),
            Node::Not(node) => self.matches_columns(node).map(|is_true| !is_true),
            Node::Term(term) => self.term_matches_columns(term).ok(),
        }
    }

    /// Returns `None` if no node is false, but the message is needed for one of them.
    fn all_match_columns(&mut self, nodes: &[Node]) -> Option<bool> {
        let mut all_match = Some(true);
        for node in nodes {
            match self.matches_columns(node) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => all_match = None,
            }
        }
        all_match
    }

    /// Returns `None` if no node is true, but the message is needed for one of them.
    fn any_matches_columns(&mut self, nodes: &[Node]) -> Option<bool> {
        let mut any_matches = Some(false);
        for node in nodes {
            match self.matches_columns(node) {
                Some(false) => {}
                Some(true) => return Some(true),
                None => any_matches = None,
            }
        }
        any_matches
    }

    /// Matches the message, whose octets must be known. Asks the columns first: decoding a body
    /// costs as much as matching a thousand of them.
    pub(super) fn matches_message(&mut self, node: &Node) -> bool {
        match node {
            Node::And(nodes) => self
                .all_match_columns(nodes)
                .unwrap_or_else(|| nodes.iter().all(|node| self.matches_message(node))),
            Node::Or(nodes) => self
                .any_matches_columns(nodes)
                .unwrap_or_else(|| nodes.iter().any(|node| self.matches_message(node))),
            Node::Not(node) => !self.matches_message(node),
            Node::Term(term) => self
                .term_matches_columns(term)
                .unwrap_or_else(|content| self.content_matches(content)),
        }
    }

    /// Returns whether the term matches. Error: the content of the message decides.
    fn term_matches_columns<'t>(&mut self, term: &'t Term) -> Result<bool, ContentTerm<'t>> {
        let columns = self.columns;
        Ok(match term {
            Term::Words(pattern) if self.subject_has(pattern) => true,
            Term::Words(pattern) | Term::Body(pattern) => return Err(ContentTerm::Body(pattern)),
            Term::Header(name, pattern) => {
                return Err(ContentTerm::Header { name, value: pattern.as_ref() });
            }
            Term::Subject(pattern) => self.subject_has(pattern),
            Term::From(AddressPattern::Null) => columns.reverse_path.is_empty(),
            Term::From(address) => {
                address.is(columns.reverse_path) || is_one_of(address, columns.from)
            }
            Term::To(address) => {
                is_one_of(address, columns.forward_paths) || is_one_of(address, columns.to)
            }
            Term::Cc(address) => is_one_of(address, columns.cc),
            Term::MessageId(id) => columns.message_id == id,
            Term::HasAttachment => columns.has_attachment,
            Term::HasDeviation => !columns.deviations.is_empty(),
            Term::FileName(pattern) => {
                columns.file_names.iter().any(|name| self.value_has(name, pattern))
            }
            Term::FileNameEnd(end) => {
                columns.file_names.iter().any(|name| name.to_lowercase().ends_with(end))
            }
            Term::Size(size) => size.includes(columns.message_bytes),
            Term::Before(at_ns) => columns.received_at_ns < *at_ns,
            Term::After(at_ns) => columns.received_at_ns >= *at_ns,
            Term::Run(_, during) => during.contains(columns.received_at_ns),
            Term::Listener(name) => columns.listener == name,
            Term::Auth(user) => columns.auth_user == user,
            Term::HasAuth => !columns.auth_user.is_empty(),
            Term::Tls(version) => columns.tls == *version,
            Term::HasTls => columns.tls.is_some(),
            Term::Deviation(kind) => columns.deviations.kinds().any(|it| it == *kind),
        })
    }

    fn content_matches(&mut self, term: ContentTerm<'_>) -> bool {
        let message = self.message.unwrap_or_default();
        match term {
            ContentTerm::Body(pattern) => {
                let body = &mut self.scratch.body;
                pattern.is_in(body.get(|words| text::fold_body(message, words)))
            }
            ContentTerm::Header { name, value } => {
                let mut fields = header::fields(message).filter(|f| f.is_named(name));
                match value {
                    None => fields.next().is_some(),
                    Some(value) => fields.any(|f| self.value_has(&f.decoded(), value)),
                }
            }
        }
    }

    fn subject_has(&mut self, pattern: &Pattern) -> bool {
        let subject = self.columns.subject;
        pattern.is_in(self.scratch.subject.get(|words| fold(subject, words)))
    }

    fn value_has(&mut self, value: &str, pattern: &Pattern) -> bool {
        self.scratch.value.clear();
        fold(value, &mut self.scratch.value);
        pattern.is_in(&self.scratch.value)
    }
}

fn is_one_of(address: &AddressPattern, candidates: TextColumn<'_>) -> bool {
    candidates.iter().any(|candidate| address.is(candidate))
}
