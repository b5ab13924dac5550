//! Faults of single recipients and messages.
use std::io;

use serde::{Deserialize, Serialize};

use super::delivery::CopyReply;
use super::named::named;
use crate::analysis::sorting::{Merge, SortRecord, Sorted, Sorter};

named! {
    /// A kind of fault, in the order of the output.
    pub enum Fault {
        /// Expected, but not delivered.
        Missing = "missing",
        /// Delivered more than once.
        Repeated = "repeated",
        /// Delivered, but not expected.
        Unexpected = "unexpected",
        /// Delivered, but without anything that identifies the recipient.
        WithoutKey = "without_key",
        /// The message lacks values of its recipient, so it may be meant for another one.
        WrongPerson = "wrong_person",
        /// The content does not match its checksum.
        Changed = "changed",
        /// Arrived after a message with a higher number.
        OutOfOrder = "out_of_order",
        /// Arrived later than allowed.
        Late = "late",
        /// A log claims the delivery, but the message was not received.
        OnlyInLog = "only_in_log",
        /// The message was received, but no log claims it.
        NotInLog = "not_in_log",
    }
}

named! {
    /// What the copies that one recipient got have in common.
    pub enum SameAs {
        /// At least two copies have the same Message-ID and the same content.
        Both = "both",
        /// At least two copies have the same Message-ID, but different or unknown content.
        MessageId = "message_id",
        /// At least two copies have the same content, but a different or unknown Message-ID.
        Content = "content",
        /// The copies are different messages.
        Nothing = "nothing",
        /// No copies are known to be equal, and the content of at least one is not stored in
        /// full or can't be read.
        Unknown = "unknown",
    }
}

/// A message that an answer names, so that it can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCopy {
    /// The name of the folder, if there are several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub folder: Option<String>,
    /// The id, `segment:slot`.
    pub id: String,
    /// When it was received, RFC 3339 with nanoseconds.
    pub received_at: String,
}

/// A fault of one recipient or one message. Keys keep their meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offender {
    /// What is wrong.
    pub fault: Fault,
    /// The recipient; with other kinds of keys, the canonical key.
    pub recipient: String,
    /// The line in the list, or in the log of the sender; null if it is in neither.
    pub line: Option<u64>,
    /// The number of messages with the fault, or of missing ones.
    pub count: u64,
    /// These messages, oldest first, at most ten.
    pub messages: Vec<NamedCopy>,
    /// For a repeated delivery: what the copies have in common.
    pub same: Option<SameAs>,
    /// For a repeated delivery: whether the 250 for the first copy was sent.
    pub first_reply: Option<CopyReply>,
    /// What exactly is wrong, as a sentence; null if the fault says everything.
    pub detail: Option<String>,
}

impl Offender {
    /// Makes an offender without messages and details.
    pub fn new(fault: Fault, recipient: String, line: Option<u64>) -> Offender {
        Offender {
            fault,
            recipient,
            line,
            count: 1,
            messages: Vec::new(),
            same: None,
            first_reply: None,
            detail: None,
        }
    }
}

/// Collects the offenders of one thread, in any order.
#[derive(Debug)]
pub struct OffenderSorter(Sorter);

impl OffenderSorter {
    /// Holds offenders in up to `memory_bytes` octets; further ones go to a temporary file.
    pub fn new(memory_bytes: usize) -> OffenderSorter {
        OffenderSorter(Sorter::new(memory_bytes))
    }

    /// Adds an offender, to be listed by its line.
    ///
    /// Errors: the temporary file can't be made or written.
    pub fn push(&mut self, offender: &Offender) -> io::Result<()> {
        self.push_ranked(offender, offender.line.unwrap_or(u64::MAX))
    }

    /// Adds an offender, to be listed by `rank`, then by recipient.
    ///
    /// Errors: the temporary file can't be made or written.
    pub fn push_ranked(&mut self, offender: &Offender, rank: u64) -> io::Result<()> {
        let mut key = rank.to_be_bytes().to_vec();
        key.extend_from_slice(offender.recipient.as_bytes());
        let value = serde_json::to_vec(offender)?;
        self.0.push(SortRecord { order: offender.fault as u64, key: &key, value: &value })
    }

    /// Returns the offenders, sorted by fault and rank.
    pub fn finish(self) -> Sorted {
        self.0.finish()
    }
}

/// All offenders: by fault, then by line (missing numbers: by number), then by recipient.
#[derive(Debug)]
pub struct Offenders(Merge);

impl Offenders {
    /// Merges the findings of all threads.
    ///
    /// Errors: a temporary file can't be read.
    pub fn new(sorted: impl IntoIterator<Item = Sorted>) -> io::Result<Offenders> {
        Ok(Offenders(Merge::new(sorted)?))
    }

    /// Returns the next offender; `None` at the end.
    ///
    /// Errors: a temporary file can't be read.
    pub fn next_one(&mut self) -> io::Result<Option<Offender>> {
        let Some(record) = self.0.head() else { return Ok(None) };
        let offender = serde_json::from_slice(record.value)?;
        self.0.advance()?;
        Ok(Some(offender))
    }
}
