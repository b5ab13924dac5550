//! The state of a mail transaction: from the accepted MAIL to its final reply or reset (RFC 5321
//! 3.3).
use crate::smtp::deviation::Deviations;
use crate::smtp::envelope::Envelope;
use crate::smtp::reply::{self, Reply};

/// The state of an open transaction.
#[derive(Debug, Default)]
pub struct OpenTransaction {
    pub envelope: Envelope,
    /// Number of octets in its chunks, including the current one.
    pub chunk_bytes: u64,
    /// Number of forward-paths.
    pub recipients: u32,
    /// Deviations that are already in its envelope.
    pub noted: Deviations,
    pub stage: Stage,
    /// MAIL requested SMTPUTF8.
    pub is_smtputf8: bool,
    /// MAIL requested BODY=BINARYMIME.
    pub is_binary: bool,
    /// A RCPT was refused.
    pub was_rcpt_refused: bool,
}

/// The progress of a transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// Accepts RCPT, or the beginning of the payload.
    #[default]
    Recipients,
    /// Mail data is being received.
    Data,
    /// A chunk is being received.
    Chunk { last: bool },
    /// Between two chunks.
    Chunks,
}

/// Why DATA or BDAT is out of sequence (RFC 5321 4.1.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOfSequence {
    Hello(&'static Reply),
    Mail,
    Rcpt,
    /// All RCPT commands were refused.
    NoValidRecipients,
}

impl OutOfSequence {
    pub fn reply_to_data(self) -> &'static Reply {
        match self {
            OutOfSequence::Hello(reply) => reply,
            OutOfSequence::Mail => &reply::MAIL_FIRST,
            OutOfSequence::Rcpt => &reply::RCPT_FIRST,
            OutOfSequence::NoValidRecipients => &reply::NO_VALID_RECIPIENTS,
        }
    }

    pub fn reply_to_bdat(self) -> &'static Reply {
        match self {
            OutOfSequence::Mail => &reply::CHUNK_OUT_OF_SEQUENCE,
            other => other.reply_to_data(),
        }
    }
}
