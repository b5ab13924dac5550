//! The server session: command octets in, replies and steps out (RFC 5321 3, 4.1.4).
//!
//! ```text
//!            EHLO/HELO          MAIL
//!  Greeted ─────────────▶ Ready ────▶ Open: Recipients ── DATA ──▶ Data ─────┐
//!                           ▲                │     └───── BDAT LAST ─▶ Chunk ─┤
//!                           │                └─ BDAT ─▶ Chunk ⇄ Chunks ───────┤
//!                           └──── accept, refuse, RSET, EHLO, failed chunk ◀──┘
//! ```
//!
//! LMTP (RFC 2033) differs in LHLO instead of EHLO, and in one reply per recipient after the end of
//! data. These replies are owed: `feed` appends them in portions, as the caller sends them.
//!
//! Hot path, per plain transaction of MAIL, RCPT, DATA: three memchr for LF, three parses of a
//! borrowed line, about six short copies into a pooled envelope buffer, four copies of static
//! replies. No allocation, no formatting except the message's name, no clock.

mod auth;
mod counts;
mod generation;
mod hello;
mod identity;
mod line;
mod off_grammar;
mod outcome;
mod owed_replies;
mod refusal;
mod replies;
mod state;
mod step;
mod terms;
mod tls;
mod transaction;
mod transaction_commands;
mod xclient;

use std::sync::Arc;

use super::deviation::Deviation;
use super::envelope::{Client, FIELD_HEADER_BYTES};
use super::grammar::{self, Command};
use super::mark_command::{MarkCommand, MarkOutcome};
use super::policy::Policy;
use super::reply;
use super::tally::Verb;
use super::workspace::{REPLIES_BYTES_PAUSE, Workspace};
use counts::SessionCounts;
use identity::{HelloVerb, Identity};
use line::{LongLine, find_line, skip_line};
use refusal::NotAccepted;
pub use refusal::{Farewell, Refusal};
use state::{BeforeCommand, SessionState};
pub use step::{Decision, Question, Step};
use terms::Terms;
use transaction::{OpenTransaction, Stage};

/// Maximum number of octets by which deviations can extend an envelope beyond its limits: one field
/// per kind.
pub const DEVIATION_BYTES_MAX: usize = Deviation::ALL.len() * (FIELD_HEADER_BYTES + 1);

/// Proof that a message is committed. The reply to the client names the message by it.
pub trait Receipt {
    /// Appends the message's name, for example `17:3`.
    fn write_name(&self, out: &mut Vec<u8>);
}

/// One SMTP session, from the greeting to its close. An idle session owns only the constant part of
/// its envelopes.
#[derive(Debug)]
pub struct Session {
    terms: Terms,
    identity: Identity,
    counts: SessionCounts,
    state: SessionState,
    before_command: BeforeCommand,
}

impl Session {
    /// Creates a session; call `greet` next. Allocates nothing.
    pub fn new(client: Client, policy: Arc<Policy>) -> Session {
        Session {
            terms: Terms::new(policy),
            identity: Identity::new(client),
            counts: SessionCounts::default(),
            state: SessionState::Greeted,
            before_command: BeforeCommand::Nothing,
        }
    }

    /// Returns the index of the session's listener.
    pub fn listener_index(&self) -> usize {
        self.terms.options().index
    }

    /// Returns the listener's address as configured.
    pub fn listener(&self) -> &str {
        &self.terms.options().listener
    }

    /// Appends the 220 greeting (RFC 5321 3.1).
    pub fn greet(&mut self, workspace: &mut Workspace) {
        workspace.replies.extend_from_slice(self.terms.policy().greeting());
        workspace.tally.greeting();
    }

    /// Consumes commands. Returns the number of octets consumed, and what the session needs next.
    /// Never looks beyond the octet at which a step other than `NeedInput` ends.
    ///
    /// Costs one scan per command line. A line that arrives in pieces is scanned again with each
    /// piece, up to `command_line_bytes_max` octets.
    pub fn feed(&mut self, input: &[u8], workspace: &mut Workspace) -> (usize, Step) {
        // A command that needs payload ends this call, so checking once is enough.
        assert!(self.takes_commands(), "fed commands while payload is wanted");
        let mut consumed = 0;
        loop {
            if self.owes_replies() && !self.append_owed(workspace) {
                return (consumed, Step::Drain);
            }
            if self.is_ended() {
                return (consumed, Step::Close);
            }
            let rest = &input[consumed..];
            if let BeforeCommand::SkipLine(line) = self.before_command {
                let (skipped, ended) = skip_line(rest);
                consumed += skipped;
                if !ended {
                    return (consumed, Step::NeedInput);
                }
                self.before_command = BeforeCommand::Nothing;
                self.line_skipped(line, workspace);
                continue;
            }
            if rest.is_empty() {
                return (consumed, Step::NeedInput);
            }
            self.update_policy(workspace);
            let line_bytes_max = if self.terms.auth().is_some() {
                self.auth_line_bytes_max(rest)
            } else {
                self.terms.limits().command_line_bytes_max
            };
            let Some(line_bytes) = find_line(&rest[..rest.len().min(line_bytes_max)]) else {
                if self.is_tls_hello(rest) {
                    self.close(&reply::PLAIN_EXPECTED, workspace);
                    return (input.len(), Step::Close);
                }
                if rest.len() < line_bytes_max {
                    return (consumed, Step::NeedInput);
                }
                self.before_command = BeforeCommand::SkipLine(LongLine::from_start(rest));
                continue;
            };
            if workspace.replies.len() > REPLIES_BYTES_PAUSE {
                return (consumed, Step::Drain);
            }
            consumed += line_bytes;
            if self.is_authenticating() {
                self.auth_response(&rest[..line_bytes - 2], workspace);
                return (consumed, Step::AuthLine);
            }
            if let Some(step) = self.command(&rest[..line_bytes - 2], workspace) {
                return (consumed, step);
            }
        }
    }

    /// Returns the encoded envelope of the open transaction, as it will be stored; empty if there
    /// is no transaction.
    pub fn envelope(&self) -> &[u8] {
        self.open().map_or(&[], |transaction| transaction.envelope.as_bytes())
    }

    /// Returns the maximum size of a message, in bytes (RFC 1870).
    #[inline]
    pub fn message_bytes_max(&self) -> u64 {
        self.terms.limits().message_bytes_max
    }

    /// Returns the SIZE parameter of the open transaction (RFC 1870).
    pub fn declared_size(&self) -> Option<u64> {
        self.open().and_then(|transaction| transaction.envelope.declared_size())
    }

    /// Replies with the outcome of a mark or run command in NOOP.
    pub fn mark_answered(
        &mut self,
        mark_command: &MarkCommand,
        outcome: MarkOutcome,
        workspace: &mut Workspace,
    ) {
        self.reply(mark_command.reply(outcome), workspace);
    }

    /// Appends a final reply for the reason `why`, and ends the session; the caller sends it and
    /// closes.
    pub fn farewell(&mut self, why: Farewell, workspace: &mut Workspace) {
        let reply = match why {
            Farewell::Timeout => &reply::TIMEOUT,
            Farewell::Stopping => &reply::STOPPING,
            Farewell::TooManyConnections => &reply::TOO_MANY_CONNECTIONS,
            Farewell::TooManyFromAddress => &reply::TOO_MANY_FROM_ADDRESS,
            Farewell::Denied => &reply::DENIED,
            Farewell::OutOfBuffers => &reply::OUT_OF_BUFFERS,
        };
        self.close(reply, workspace);
    }

    /// Ends the session and returns its buffers to `workspace`. The caller must do this before
    /// dropping a session.
    pub fn abandon(&mut self, workspace: &mut Workspace) {
        self.end_transaction(workspace);
        self.before_command = BeforeCommand::Nothing;
        self.state = SessionState::Closed;
    }

    /// Returns whether `feed` still has to append replies to the last message. The caller must then
    /// call it, with or without input, after sending the replies it has.
    #[inline]
    pub fn owes_replies(&self) -> bool {
        matches!(self.before_command, BeforeCommand::AppendReplies(_))
    }

    /// Returns the number of forward-paths in the open transaction.
    pub fn recipients(&self) -> u32 {
        self.open().map_or(0, |transaction| transaction.recipients)
    }

    /// Returns the number of messages accepted so far.
    pub fn messages(&self) -> u32 {
        self.counts.messages()
    }

    /// Returns the number of 5xx replies so far.
    pub fn errors(&self) -> u32 {
        self.counts.errors()
    }

    /// Returns whether the session has ended. The remaining replies must be sent before the
    /// connection closes.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, SessionState::Closed)
    }

    /// Returns whether a transaction is open: from the accepted MAIL until its final reply or
    /// reset. A graceful stop waits for it.
    pub fn in_transaction(&self) -> bool {
        self.owes_replies() || self.open().is_some()
    }

    fn open(&self) -> Option<&OpenTransaction> {
        match &self.state {
            SessionState::Open(transaction) => Some(transaction),
            _ => None,
        }
    }

    fn open_mut(&mut self) -> Option<&mut OpenTransaction> {
        match &mut self.state {
            SessionState::Open(transaction) => Some(transaction),
            _ => None,
        }
    }

    fn takes_commands(&self) -> bool {
        let stage = self.open().map(|transaction| transaction.stage);
        let is_in_payload = matches!(stage, Some(Stage::Data | Stage::Chunk { .. }));
        !is_in_payload && !matches!(self.before_command, BeforeCommand::DiscardChunk(..))
    }

    /// Executes one command line. Returns `None` to continue with the next.
    fn command(&mut self, line: &[u8], workspace: &mut Workspace) -> Option<Step> {
        if self.terms.is_lmtp() && grammar::is_smtp_hello(line) {
            workspace.tally.command(Verb::Hello);
            self.reply(&reply::LHLO_NOT_EHLO, workspace);
            return None;
        }
        match grammar::parse(line) {
            Ok(command) => {
                workspace.tally.command(command.verb());
                match self.execute(command, workspace) {
                    Ok(step) => step,
                    Err(refused) => self.refuse_command(command, refused, workspace),
                }
            }
            Err(error) => self.off_grammar(line, error, workspace),
        }
    }

    /// Executes a command. If it is accepted, appends the reply.
    fn execute(
        &mut self,
        command: Command<'_>,
        workspace: &mut Workspace,
    ) -> Result<Option<Step>, NotAccepted> {
        if self.owes_tls() && Session::waits_for_tls(&command) {
            return self.refuse_before_tls(command).map(Some);
        }
        match command {
            Command::Mail { path, parameters } => self.mail(path, parameters, workspace)?,
            Command::Rcpt { path, parameters } => self.rcpt(path, parameters, workspace)?,
            Command::Data => return self.data(workspace).map(Some),
            Command::Bdat(chunk) => return Ok(Some(self.bdat(chunk, workspace))),
            Command::Ehlo { name } => self.hello(name, HelloVerb::Ehlo, workspace),
            Command::Helo { name } => self.hello(name, HelloVerb::Helo, workspace),
            Command::Lhlo { .. } if !self.terms.is_lmtp() => {
                return Err(NotAccepted::With(&reply::NOT_IMPLEMENTED));
            }
            Command::Lhlo { name } => self.hello(name, HelloVerb::Lhlo, workspace),
            Command::Rset => {
                self.end_transaction(workspace);
                self.reply(&reply::RESET_OK, workspace);
            }
            Command::Noop { argument } => return Ok(self.noop(argument, workspace)),
            Command::Vrfy => self.reply(&reply::NOT_VERIFIED, workspace),
            Command::Expn => return Err(NotAccepted::With(&reply::NO_LISTS)),
            Command::Help => {
                let help = if self.terms.is_lmtp() { &reply::LMTP_HELP } else { &reply::HELP };
                self.reply(help, workspace);
            }
            Command::Quit => self.close(&reply::CLOSING, workspace),
            Command::Auth { argument } => return self.auth(argument, workspace),
            Command::StartTls => return self.starttls().map(Some),
            Command::Xclient { argument } => return self.xclient(argument).map(Some),
        }
        Ok(None)
    }

    /// Does nothing (RFC 5321 4.1.1.9), unless marks are enabled and the argument is a
    /// [`MarkCommand`].
    fn noop(&mut self, argument: &[u8], workspace: &mut Workspace) -> Option<Step> {
        if self.terms.options().noop_marks {
            workspace.mark_command = MarkCommand::parse(argument);
        }
        if workspace.mark_command.is_some() {
            return Some(Step::MarkCommand);
        }
        self.reply(&reply::NOOP_OK, workspace);
        None
    }

    fn line_skipped(&mut self, line: LongLine, workspace: &mut Workspace) {
        match line {
            _ if self.is_authenticating() => self.auth_response_too_long(workspace),
            LongLine::Bdat => self.close(&reply::CHUNK_SIZE_LOST, workspace),
            LongLine::Other => self.reply(&reply::LINE_TOO_LONG, workspace),
        }
    }
}

#[cfg(test)]
mod tests;
