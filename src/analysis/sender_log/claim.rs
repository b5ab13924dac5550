//! The result of reading a line.
use std::borrow::Cow;

use super::answer::SinkReply;
use super::reason::Reason;
use crate::log::MessageId;
use crate::time::UnixNs;

/// The result of reading a line in one format.
#[derive(Debug)]
pub(super) enum Reading<'a> {
    /// The line does not have this format.
    Foreign,
    /// The line has this format, but claims no delivery with an id.
    Nothing,
    /// The line claims deliveries.
    Claim(LoggedClaim<'a>),
    /// The line has this format, but is unusable.
    Bad(Reason),
}

/// The deliveries of one message that a line claims.
#[derive(Debug)]
pub(super) struct LoggedClaim<'a> {
    pub id: MessageId,
    pub sink: Option<Cow<'a, str>>,
    pub recipients: Recipients<'a>,
    /// When the line was logged; `None` if the line has no unambiguous time.
    pub at_ns: Option<UnixNs>,
    /// Whether the reply ends at the end of the line; if the line is cut off, the reply may be,
    /// too.
    pub is_at_end: bool,
}

/// The recipients that the claim is about, as the line names them.
#[derive(Debug)]
pub(super) enum Recipients<'a> {
    /// No recipient, or several candidates.
    Unnamed,
    One(Cow<'a, [u8]>),
    /// Several recipients, each of whom got the message.
    Several(Vec<Cow<'a, [u8]>>),
}

impl<'a> LoggedClaim<'a> {
    /// Makes the claim of a reply that ends with a delimiter, such as a quote, so it is whole even
    /// if the line is cut off.
    pub fn new(
        answer: SinkReply<'a>,
        recipients: Recipients<'a>,
        at_ns: Option<UnixNs>,
    ) -> LoggedClaim<'a> {
        let sink = answer.sink.map(Cow::Borrowed);
        LoggedClaim { id: answer.id, sink, recipients, at_ns, is_at_end: false }
    }
}

impl<'a> Reading<'a> {
    /// Makes a reading of the claim that [`LoggedClaim::new`] makes.
    pub fn claim(
        answer: SinkReply<'a>,
        recipient: Recipients<'a>,
        at_ns: Option<UnixNs>,
    ) -> Reading<'a> {
        Reading::Claim(LoggedClaim::new(answer, recipient, at_ns))
    }
}
