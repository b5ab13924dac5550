//! The source of a replay: provides the time, content and envelope of each message, and records the
//! outcomes.
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::content::ReplayContent;
use super::pace::{Departures, ReplayPace};
use super::plan::{Departure, ReplayPlan};
use super::recipient_verdict::{AnsweredRecipients, RecipientVerdict, RestOfRecipients};
use super::resume::Resume;
use super::resume_log::ResumeLog;
use super::retry::{PendingRetry, Retries, Retry};
use super::sent_before::{Remaining, SentBefore};
use super::tally::{ReplayCount, ReplayTally};
use crate::log::{MessageId, Slot};
use crate::sender::source::{DueMessage, Lane, Outcome, Pulled, SessionEnd, Source, SourceError};
use crate::smtp::client::OutgoingMail;
use crate::time::MonotonicNs;
use crate::wording::with_causes;

/// Number of messages that one write to the resume file announces before they are sent. If the
/// process is killed, these messages, those in progress, and those whose outcome was not written
/// yet count as possibly delivered. A write for 16 messages costs 0.2 µs each.
const ANNOUNCED_MESSAGES: usize = 16;
/// The replay ends after this many consecutive messages without an answer, so that a dead target
/// does not cost an attempt for each message.
const UNANSWERED_MAX: u32 = 100;

/// How messages are distributed over connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionMapping {
    /// The messages of each recorded session use one connection, one after another.
    Original,
    /// Messages use any free connection.
    Any,
}

/// Options of a replay.
#[derive(Debug, Clone, Copy)]
pub struct ReplayOptions {
    /// When messages leave.
    pub pace: ReplayPace,
    /// How messages are distributed over connections.
    pub sessions: SessionMapping,
    /// How often and when to retry.
    pub retry: Retry,
}

/// A replay, as a source of the sender.
///
/// Dropping it completes the resume file: messages that were handed out but not begun count as not
/// sent.
pub struct Feed<'a> {
    plan: ReplayPlan<'a>,
    content: ReplayContent<'a>,
    options: ReplayOptions,
    moments: Departures,
    /// Messages that are planned and announced in the resume file, but not handed out yet.
    announced: VecDeque<(Option<MonotonicNs>, Departure)>,
    retries: Retries,
    in_progress: HashMap<u64, MessageInProgress>,
    next_ticket: u64,
    /// The latest time that the sender has reported.
    now_ns: MonotonicNs,
    resume_log: ResumeLog,
    tally: Arc<ReplayTally>,
    /// The number of consecutive messages without an answer.
    unanswered: u32,
}

/// A message that was handed out.
#[derive(Debug)]
struct MessageInProgress {
    slot: Slot,
    /// The number of attempts, including this one.
    tries: u32,
    remaining: Remaining,
    answered: AnsweredRecipients,
}

/// The next message to hand out.
enum NextMessage {
    Planned(Option<MonotonicNs>, Departure),
    Retry(Option<MonotonicNs>, PendingRetry),
}

impl<'a> Feed<'a> {
    /// Creates the source. `resume`: where outcomes are written, and what was sent before.
    pub fn new(
        plan: ReplayPlan<'a>,
        content: ReplayContent<'a>,
        options: ReplayOptions,
        resume: Option<(Resume, SentBefore)>,
        tally: Arc<ReplayTally>,
    ) -> Feed<'a> {
        Feed {
            plan,
            content,
            options,
            moments: Departures::new(options.pace),
            announced: VecDeque::new(),
            retries: Retries::new(options.retry),
            in_progress: HashMap::new(),
            next_ticket: 0,
            now_ns: MonotonicNs::START,
            resume_log: ResumeLog::new(resume),
            tally,
            unanswered: 0,
        }
    }

    /// Plans more messages if none are left, and announces them in the resume file, if there is
    /// one: a message that the file does not name was never sent.
    fn announce_more(&mut self) -> Result<(), SourceError> {
        if !self.announced.is_empty() {
            return Ok(());
        }
        let at_once = if self.resume_log.resume.is_some() { ANNOUNCED_MESSAGES } else { 1 };
        let (resume_log, tally) = (&self.resume_log, &self.tally);
        while self.announced.len() < at_once {
            let Some(departure) = self.plan.next(|slot| resume_log.is_wanted(slot, tally)) else {
                break;
            };
            self.announced.push_back((self.moments.next(departure.left_ns), departure));
        }
        let ids = self.announced.iter().map(|(_, departure)| departure.slot.id());
        Ok(self.resume_log.announce(ids)?)
    }

    /// Returns the next message to send.
    fn turn(&mut self) -> Result<Option<NextMessage>, SourceError> {
        self.announce_more()?;
        let planned = self.announced.front().map(|(due_ns, _)| *due_ns);
        let is_retry = match (self.retries.due_ns(), planned) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(retry_ns), Some(Some(due_ns))) => retry_ns <= due_ns,
            (Some(retry_ns), Some(None)) => retry_ns <= self.now_ns,
        };
        if !is_retry {
            return Ok(self
                .announced
                .pop_front()
                .map(|(due, departure)| NextMessage::Planned(due, departure)));
        }
        let Some((retry_ns, pending)) = self.retries.pop() else { return Ok(None) };
        self.resume_log.announce([pending.slot.id()].into_iter())?;
        let is_timed = self.options.pace != ReplayPace::Max || retry_ns > self.now_ns;
        Ok(Some(NextMessage::Retry(is_timed.then_some(retry_ns), pending)))
    }

    fn due_message(&mut self, due_ns: Option<MonotonicNs>, lane: Lane) -> DueMessage {
        self.next_ticket += 1;
        let lane = (self.options.sessions == SessionMapping::Original).then_some(lane);
        DueMessage { ticket: self.next_ticket, due_ns, lane }
    }

    /// Returns a planned message, if it can be sent.
    fn planned(
        &mut self,
        due_ns: Option<MonotonicNs>,
        departure: Departure,
        mail: &mut OutgoingMail,
    ) -> Option<DueMessage> {
        let lane = self.plan.lanes.leave((departure.start_count, departure.slot.facts().session));
        let id = departure.slot.id();
        let remaining = self.resume_log.before.remaining.get(&id).cloned();
        match self.content.fill(&departure.slot, remaining.as_deref(), mail) {
            Ok(filled) => {
                self.tally.add(ReplayCount::RecipientsDuplicate, filled.duplicates.into());
            }
            Err(missing) => {
                self.resume_log.not_sent(id);
                missing.count_error(id, &self.tally);
                return None;
            }
        }
        self.tally.add(ReplayCount::Started, 1);
        if self.resume_log.before.unknown.contains(id) {
            self.tally.add_listed(ReplayCount::PossibleDuplicates, || id.to_string());
        }
        let due = self.due_message(due_ns, lane);
        let in_progress = MessageInProgress {
            slot: departure.slot,
            tries: 1,
            remaining,
            answered: AnsweredRecipients::default(),
        };
        self.in_progress.insert(due.ticket, in_progress);
        Some(due)
    }

    /// Returns a message to be sent again, on a connection of its own, because its session has
    /// moved on.
    fn send_retry(
        &mut self,
        due_ns: Option<MonotonicNs>,
        pending: PendingRetry,
        mail: &mut OutgoingMail,
    ) -> Option<DueMessage> {
        if let Err(missing) = self.content.fill(&pending.slot, pending.remaining.as_deref(), mail) {
            self.resume_log.not_sent(pending.slot.id());
            missing.count_error(pending.slot.id(), &self.tally);
            return None;
        }
        self.tally.add(ReplayCount::Retried, 1);
        let lane = self.plan.lanes.fresh();
        let due = self.due_message(due_ns, lane);
        let PendingRetry { slot, tries, remaining, answered, .. } = pending;
        self.in_progress
            .insert(due.ticket, MessageInProgress { slot, tries: tries + 1, remaining, answered });
        Some(due)
    }

    /// Handles the final answer for all recipients, or the fact that nothing was sent.
    fn answered(&mut self, message: MessageInProgress, verdict: RecipientVerdict) {
        let RecipientVerdict { answered, remaining, rest } = verdict;
        let AnsweredRecipients { accepted, rejected } = answered;
        let is_not_sent = rest == RestOfRecipients::NotSent;
        let answered = AnsweredRecipients {
            accepted: message.answered.accepted + accepted,
            rejected: message.answered.rejected + rejected,
        };
        let id = message.slot.id();
        self.tally.add(ReplayCount::RecipientsAccepted, accepted.into());
        self.tally.add(ReplayCount::RecipientsRejected, rejected.into());
        if accepted > 0 && message.answered.accepted == 0 {
            self.tally.add(ReplayCount::Octets, message.slot.facts().message_bytes.into());
        }
        if remaining.is_empty() {
            self.resume_log.done(id);
            return self.end(id, answered);
        }
        let is_all = message.remaining.is_none() && accepted + rejected == 0;
        let remaining: Remaining = (!is_all).then_some(remaining.into());
        match &remaining {
            // If the message was partly sent before, the resume file already says so.
            _ if is_not_sent => self.resume_log.not_sent(id),
            None => self.resume_log.not_sent(id),
            Some(positions) => self.resume_log.partly(id, positions),
        }
        let pending = PendingRetry {
            slot: message.slot,
            tries: message.tries,
            remaining,
            answered,
            is_not_sent,
        };
        if let Err(pending) = self.retries.schedule(pending, self.now_ns) {
            self.give_up(&pending);
        }
    }

    fn end(&self, id: MessageId, answered: AnsweredRecipients) {
        match (answered.accepted, answered.rejected) {
            (_, 0) => self.tally.add(ReplayCount::Accepted, 1),
            (0, _) => self.tally.add_listed(ReplayCount::Rejected, || id.to_string()),
            _ => self.tally.add_listed(ReplayCount::PartlyAccepted, || id.to_string()),
        }
    }

    fn give_up(&mut self, pending: &PendingRetry) {
        let kind = if pending.is_not_sent { ReplayCount::NotSent } else { ReplayCount::Deferred };
        self.tally.add_listed(kind, || pending.slot.id().to_string());
    }

    /// Ends the feed, and completes the resume file.
    fn close(&mut self) {
        for (_, departure) in std::mem::take(&mut self.announced) {
            self.resume_log.not_sent(departure.slot.id());
        }
        // The sender reports the end of everything that it began, so the remaining messages were
        // not begun.
        for (_, message) in std::mem::take(&mut self.in_progress) {
            self.resume_log.not_sent(message.slot.id());
        }
        while let Some((_, pending)) = self.retries.pop() {
            self.give_up(&pending);
        }
        if let Some(error) = self.resume_log.close() {
            self.tally.add_listed(ReplayCount::Unwritten, || with_causes(&error));
        }
    }
}

impl Source for Feed<'_> {
    fn next(&mut self, mail: &mut OutgoingMail) -> Result<Pulled, SourceError> {
        loop {
            if let Some(error) = self.resume_log.take_error() {
                return Err(error.into());
            }
            if self.unanswered >= UNANSWERED_MAX && !self.retries.is_enabled() {
                return Err(SourceError::Unanswered { messages: UNANSWERED_MAX });
            }
            let due = match self.turn()? {
                Some(NextMessage::Planned(due_ns, departure)) => {
                    self.planned(due_ns, departure, mail)
                }
                Some(NextMessage::Retry(due_ns, pending)) => self.send_retry(due_ns, pending, mail),
                None if self.retries.is_enabled() && !self.in_progress.is_empty() => {
                    return Ok(Pulled::Wait);
                }
                None => {
                    self.resume_log.flush();
                    return Ok(Pulled::End);
                }
            };
            if let Some(due) = due {
                return Ok(Pulled::Mail(due));
            }
            mail.clear();
        }
    }

    fn refill(&mut self, ticket: u64, mail: &mut OutgoingMail) -> bool {
        let Some(message) = self.in_progress.get(&ticket) else { return false };
        self.content.fill(&message.slot, message.remaining.as_deref(), mail).is_ok()
    }

    /// Only messages that are sent again can be out of order; planned messages are ordered.
    fn is_sooner(&self, than_ns: MonotonicNs) -> bool {
        self.retries.due_ns().is_some_and(|retry_ns| retry_ns < than_ns)
    }

    fn done(&mut self, ticket: u64, outcome: &Outcome<'_>) {
        let Some(message) = self.in_progress.remove(&ticket) else { return };
        self.now_ns = self.now_ns.max(outcome.at_ns);
        if let SessionEnd::Withheld(why) = outcome.end {
            self.resume_log.not_sent(message.slot.id());
            self.tally
                .add_listed(ReplayCount::Withheld, || format!("{}: {why}", message.slot.id()));
            return self.resume_log.record_end(self.now_ns, self.in_progress.len());
        }
        let verdict = RecipientVerdict::of(outcome, message.remaining.as_deref());
        if verdict.rest == RestOfRecipients::Unknown {
            let id = message.slot.id();
            self.resume_log.unknown(id, &verdict.remaining);
            self.tally.add(ReplayCount::RecipientsAccepted, verdict.answered.accepted.into());
            self.tally.add(ReplayCount::RecipientsRejected, verdict.answered.rejected.into());
            self.tally.add_listed(ReplayCount::Unknown, || id.to_string());
        } else {
            self.answered(message, verdict);
        }
        self.unanswered = if outcome.end == SessionEnd::Answered { 0 } else { self.unanswered + 1 };
        self.resume_log.record_end(self.now_ns, self.in_progress.len());
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        // A panicking thread may have begun unknown messages.
        if !std::thread::panicking() {
            self.close();
        }
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
