//! Where the messages of a thread come from.
use crate::sender::source::{Pulled, Source, SourceError};
use crate::smtp::client::OutgoingMail;

/// Maximum number of unused mails kept for reuse.
const SPARE_MAX: usize = 1024;

/// The source of one thread, and mails for it to fill.
pub struct MessageSupply {
    pub source: Box<dyn Source>,
    /// Whether the source has nothing until another message is done.
    pub is_waiting: bool,
    /// Mails for reuse; boxed, because sessions pass them on.
    #[expect(clippy::vec_box, reason = "they come and go as boxes")]
    spare: Vec<Box<OutgoingMail>>,
}

impl MessageSupply {
    pub fn new(source: Box<dyn Source>) -> MessageSupply {
        MessageSupply { source, is_waiting: false, spare: Vec::new() }
    }

    /// Returns the next message of the source, if it has one now.
    pub fn pull(&mut self) -> Result<(Pulled, Box<OutgoingMail>), SourceError> {
        let mut mail = self.spare.pop().unwrap_or_default();
        let next = self.source.next(&mut mail)?;
        Ok((next, mail))
    }

    /// Returns a message of the source once more; `None` if it no longer has it.
    pub fn pull_again(&mut self, ticket: u64) -> Option<Box<OutgoingMail>> {
        let mut mail = self.spare.pop().unwrap_or_default();
        if !self.source.refill(ticket, &mut mail) {
            self.keep(mail);
            return None;
        }
        Some(mail)
    }

    /// Keeps a mail for reuse.
    pub fn keep(&mut self, mut mail: Box<OutgoingMail>) {
        if self.spare.len() < SPARE_MAX {
            mail.clear();
            self.spare.push(mail);
        }
    }
}
