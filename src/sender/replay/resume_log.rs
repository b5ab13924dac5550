//! The resume file of a replay in progress, if there is one, and the outcomes not written to it.
use super::content::ContentError;
use super::id_set::IdSet;
use super::resume::Resume;
use super::sent_before::SentBefore;
use super::tally::{ReplayCount, ReplayTally};
use crate::log::reader::ReadError;
use crate::log::{MessageId, Slot, StoredPart};
use crate::sender::source::OutcomeFileError;
use crate::time::MonotonicNs;

/// Number of outcomes that are written together.
const OUTCOMES_MAX: usize = 64;
/// Maximum time before lines are flushed: 100 ms.
const FLUSH_NS: u64 = 100_000_000;

/// The resume file, if there is one, and the outcomes not written to it yet.
#[derive(Default)]
pub(super) struct ResumeLog {
    pub resume: Option<Resume>,
    pub before: SentBefore,
    outcomes: UnwrittenOutcomes,
    flushed_ns: MonotonicNs,
    /// Why the replay can't continue: the resume file can't be written.
    error: Option<OutcomeFileError>,
}

/// Outcomes that are not in the resume file yet. Empty if there is no file.
#[derive(Default)]
struct UnwrittenOutcomes {
    done: IdSet,
    not_sent: IdSet,
    /// The number of messages that have ended since the last write.
    ended: usize,
}

impl UnwrittenOutcomes {
    fn write(&mut self, resume: &mut Resume) {
        resume.done(&self.done);
        resume.not_sent(&self.not_sent);
        self.done.clear();
        self.not_sent.clear();
        self.ended = 0;
    }
}

impl ResumeLog {
    /// Creates the log. `resume`: where outcomes are written, and what was sent before.
    pub fn new(resume: Option<(Resume, SentBefore)>) -> ResumeLog {
        match resume {
            Some((resume, before)) => {
                ResumeLog { resume: Some(resume), before, ..ResumeLog::default() }
            }
            None => ResumeLog::default(),
        }
    }

    /// Returns whether to send the message. Counts a message that is not sent.
    pub fn is_wanted(&self, slot: Result<&Slot, ReadError>, tally: &ReplayTally) -> bool {
        let slot = match slot {
            Ok(slot) => slot,
            Err(error) => {
                ContentError::from(error).count_named_error(tally);
                return false;
            }
        };
        if self.before.done.contains(slot.id()) {
            tally.add(ReplayCount::FinishedEarlier, 1);
            return false;
        }
        let is_whole = slot.facts().mode == StoredPart::Full;
        if !is_whole {
            tally.add_listed(ReplayCount::NotStored, || slot.id().to_string());
        }
        is_whole
    }

    /// Announces messages in the resume file before they are sent. Does nothing without one.
    pub fn announce(
        &mut self,
        ids: impl Iterator<Item = MessageId>,
    ) -> Result<(), OutcomeFileError> {
        let Some(resume) = &mut self.resume else { return Ok(()) };
        let mut set = IdSet::default();
        ids.for_each(|id| set.insert(id));
        // Earlier outcomes are written first, to keep the order of events.
        self.outcomes.write(resume);
        if set.is_empty() { resume.flush() } else { resume.announce(&set) }
    }

    /// Records that nothing remains of the message.
    pub fn done(&mut self, id: MessageId) {
        if self.resume.is_some() {
            self.outcomes.done.insert(id);
        }
    }

    /// Records that all remaining recipients of the message still remain.
    pub fn not_sent(&mut self, id: MessageId) {
        if self.resume.is_some() {
            self.outcomes.not_sent.insert(id);
        }
    }

    /// Records that the recipients at these positions remain.
    pub fn partly(&mut self, id: MessageId, positions: &[u32]) {
        if let Some(resume) = &mut self.resume {
            resume.partly(id, positions);
        }
    }

    /// Records that these recipients may have the message, or were deferred.
    pub fn unknown(&mut self, id: MessageId, positions: &[u32]) {
        if let Some(resume) = &mut self.resume {
            resume.unknown(id, positions);
        }
    }

    /// Records that a message ended. If none is in progress, the next event may be a long time
    /// away, so the outcomes are written immediately.
    pub fn record_end(&mut self, now_ns: MonotonicNs, in_progress: usize) {
        self.outcomes.ended += 1;
        let is_time = now_ns.ns_since(self.flushed_ns) >= FLUSH_NS;
        if in_progress == 0 || is_time || self.outcomes.ended >= OUTCOMES_MAX {
            self.flushed_ns = now_ns;
            self.flush();
        }
    }

    /// Writes all outcomes. They then survive the end of this process, but not a power loss.
    pub fn flush(&mut self) {
        let Some(resume) = &mut self.resume else { return };
        self.outcomes.write(resume);
        if let Err(error) = resume.flush() {
            self.error.get_or_insert(error);
        }
    }

    /// Writes all outcomes; they then survive a power loss. Returns the first error of the file
    /// that was not taken yet.
    pub fn close(&mut self) -> Option<OutcomeFileError> {
        self.flush();
        let synced = self.resume.as_mut().map(Resume::sync);
        self.take_error().or(synced.and_then(Result::err))
    }

    /// Returns, once, why the file can't be written.
    pub fn take_error(&mut self) -> Option<OutcomeFileError> {
        self.error.take()
    }
}
