//! The transactions of a client session that are in progress, and what earlier ones decide for
//! them.
use std::collections::VecDeque;

use crate::time::MonotonicUs;

use super::announced::Announced;
use super::code::ReplyCode;
use super::content_command::ContentCommand;
use super::mail::OutgoingMail;
use super::options::Options;
use super::outbox::Outbox;
use super::remnant::Remnant;
use super::transaction::{AfterData, ClientTransaction, NextCommand, PayloadReplies};
use super::watch::{Done, Phase, SessionEnd, SessionWatch};

/// Whether the server continues to serve the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Continues,
    /// The server replied 421.
    Ended,
}

/// What follows a reply to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterReply {
    /// The command was answered completely.
    Answered,
    /// The command was answered completely, and its content was queued; the reply to this is
    /// expected next.
    Sent(Phase),
    /// The same command gets further replies.
    MoreReplies,
}

/// The transactions in progress, oldest first. Only the newest one still has commands to queue.
#[derive(Debug)]
pub(super) struct Transactions<T> {
    in_progress: VecDeque<ClientTransaction<T>>,
    /// What failed transactions have left at the server.
    remnant: Remnant,
    /// Number of messages accepted for at least one recipient.
    accepted: u64,
    service: Service,
    /// Buffers of messages that are done, for [`ClientTransaction::codes`].
    spare: Vec<Vec<Option<ReplyCode>>>,
}

impl<T: Copy> Transactions<T> {
    /// Starts without transactions.
    pub fn new() -> Transactions<T> {
        Transactions {
            in_progress: VecDeque::new(),
            remnant: Remnant::default(),
            accepted: 0,
            service: Service::Continues,
            spare: Vec::new(),
        }
    }

    /// Returns the number of transactions in progress.
    pub fn len(&self) -> usize {
        self.in_progress.len()
    }

    /// Returns whether no transaction is in progress.
    pub fn is_empty(&self) -> bool {
        self.in_progress.is_empty()
    }

    /// Returns whether every command of every transaction was queued.
    pub fn are_queued(&self) -> bool {
        self.in_progress.back().is_none_or(|last| last.next_command == NextCommand::Nothing)
    }

    /// Returns a transaction that is not yet in progress.
    pub fn prepare(
        &mut self,
        cookie: T,
        mail: Box<OutgoingMail>,
        content_command: ContentCommand,
        now_us: MonotonicUs,
    ) -> ClientTransaction<T> {
        let mut codes = self.spare.pop().unwrap_or_default();
        codes.clear();
        codes.resize(mail.recipients().len(), None);
        ClientTransaction::new(cookie, mail, content_command, codes, now_us)
    }

    /// Begins a transaction.
    pub fn begin(&mut self, transaction: ClientTransaction<T>) {
        self.in_progress.push_back(transaction);
    }

    /// Queues the next command of the newest transaction, or RSET before it. Returns which reply to
    /// expect; `None` if nothing can be queued now.
    pub fn write(
        &mut self,
        announced: &Announced,
        options: &Options,
        outbox: &mut Outbox,
        watch: &mut impl SessionWatch<T>,
    ) -> Option<Phase> {
        let transaction = self.in_progress.back_mut()?;
        if transaction.next_command == NextCommand::Mail && self.remnant.needs_reset() {
            self.remnant.reset_queued();
            outbox.text(b"RSET\r\n");
            return Some(Phase::Reset);
        }
        transaction.write(announced, options, outbox, |mail| watch.release(mail))
    }

    /// Records that the server replied 421.
    pub fn service_ended(&mut self) {
        self.service = Service::Ended;
    }

    /// Records that the server accepted RSET.
    pub fn reset_done(&mut self) {
        self.remnant.reset_done();
    }

    /// Handles a reply to the oldest transaction.
    pub fn reply(
        &mut self,
        (phase, code): (Phase, ReplyCode),
        options: &Options,
        outbox: &mut Outbox,
        watch: &mut impl SessionWatch<T>,
    ) -> AfterReply {
        let later = self.in_progress.len().saturating_sub(1);
        let transaction = self.in_progress.front_mut().expect("a reply to it was expected");
        transaction.is_turned_away |= code == ReplyCode::CLOSING && phase != Phase::Payload;
        let mut after = AfterReply::Answered;
        match phase {
            Phase::Mail => transaction.mail_reply(code, self.remnant),
            Phase::Rcpt => transaction.rcpt_reply(code, &mut self.remnant),
            Phase::Data => {
                if transaction.data_reply(code, &mut self.remnant) == AfterData::Content {
                    let release = |mail| watch.release(mail);
                    after = AfterReply::Sent(transaction.write_content(options, outbox, release));
                }
            }
            _ => {
                let replies = transaction.payload_reply(code, options.protocol);
                if replies == PayloadReplies::MoreFollow {
                    return AfterReply::MoreReplies;
                }
                if transaction.content_command == ContentCommand::Bdat && code.is_refusal() {
                    self.remnant.add_failed_chunk(later);
                }
            }
        }
        transaction.pending -= 1;
        let done = self.in_progress.pop_front_if(|transaction| transaction.is_done());
        if let Some(transaction) = done {
            let end = transaction.end();
            self.report_done(transaction, end, watch);
        }
        after
    }

    /// Ends all transactions after the connection was lost. `written` is the position after the
    /// last octet that was written.
    pub fn lost(&mut self, written: u64, watch: &mut impl SessionWatch<T>) {
        while let Some(transaction) = self.in_progress.pop_front() {
            let end = match transaction.end_of_data {
                _ if transaction.is_decided() => transaction.end(),
                Some(end) if end <= written => SessionEnd::Unknown,
                _ => SessionEnd::NotSent,
            };
            self.report_done(transaction, end, watch);
        }
    }

    /// Reports the end of a transaction that is no longer in progress, or never was.
    pub fn report_done(
        &mut self,
        transaction: ClientTransaction<T>,
        end: SessionEnd,
        watch: &mut impl SessionWatch<T>,
    ) {
        let ClientTransaction { cookie, octets, mail, codes, started_us, is_ambiguous, .. } =
            transaction;
        if let Some(mail) = mail {
            watch.release(mail);
        }
        let is_lost = self.service == Service::Ended && end == SessionEnd::NotSent;
        let is_turned_away = self.accepted > 0 && (is_lost || transaction.is_turned_away);
        let is_accepted =
            end == SessionEnd::Answered && codes.iter().flatten().any(|code| code.is_positive());
        self.accepted += u64::from(is_accepted);
        watch.done(Done {
            cookie,
            octets,
            codes: &codes,
            end,
            started_us,
            is_turned_away,
            is_ambiguous: is_ambiguous && !matches!(end, SessionEnd::Withheld(_)),
        });
        self.spare.push(codes);
    }
}
