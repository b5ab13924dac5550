//! What a format makes of a line.
use std::borrow::Cow;

use super::answer::Answer;
use super::reason::Reason;
use crate::log::MessageId;

/// What a format makes of a line.
#[derive(Debug)]
pub(super) enum Reading<'a> {
    /// The line is not of this format.
    Foreign,
    /// The line is of this format and claims no delivery with an id.
    Nothing,
    /// The line claims deliveries.
    Claim(Claim<'a>),
    /// The line is of this format and cannot be used.
    Bad(Reason),
}

/// The deliveries that a line claims: of one message.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub id: MessageId,
    pub sink: Option<Cow<'a, str>>,
    pub recipients: Recipients<'a>,
    /// Unix time in ns.
    pub at_ns: Option<u64>,
    /// The reply ends where its line does, so that a line without an end may have cut it.
    pub is_at_end: bool,
}

/// Whom a line names.
#[derive(Debug)]
pub(super) enum Recipients<'a> {
    /// No recipient, or more than one that could be meant.
    Unnamed,
    One(Cow<'a, [u8]>),
    /// More than one recipient of one transaction.
    Several(Vec<Cow<'a, [u8]>>),
}

impl<'a> Claim<'a> {
    /// Of a reply that a mark ends, such as a quote: a line without end has not cut it.
    pub fn of(answer: Answer<'a>, recipients: Recipients<'a>, at_ns: Option<u64>) -> Claim<'a> {
        let sink = answer.sink.map(Cow::Borrowed);
        Claim { id: answer.id, sink, recipients, at_ns, is_at_end: false }
    }
}

impl<'a> Reading<'a> {
    /// `recipient`: the address that the line names.
    pub fn of(answer: Answer<'a>, recipient: Recipients<'a>, at_ns: Option<u64>) -> Reading<'a> {
        Reading::Claim(Claim::of(answer, recipient, at_ns))
    }
}
