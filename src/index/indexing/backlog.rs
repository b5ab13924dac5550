//! Tracks which segments are not fully indexed, and which of them are being indexed.
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use crate::log::reader::{Opening, Segment, SegmentError};
use crate::log::{Published, State, segment_files, segment_path};

use super::lag::Lag;
use crate::index::sidecar::{self, Appender, IdleAppender, NoAppender, SidecarHeader};
use crate::time::UnixNs;

/// How often the folder is listed, to find segments that no worker announced, and pruned ones.
const LIST_INTERVAL: Duration = Duration::from_secs(10);
/// Maximum number of sidecars that stay open while no thread indexes their segments. The newest
/// stay, because messages are added to those; each needs a descriptor, and those are for clients.
const IDLE_MAX: usize = 16;
/// How long a segment is skipped after it could not be indexed.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A segment to be indexed, and its sidecar.
pub struct Job {
    pub segment: Arc<Segment>,
    pub appender: Appender,
    /// What the segment had published when this job was claimed.
    published: Published,
    is_sealed: bool,
}

/// A segment that was not fully indexed when last checked.
#[derive(Default)]
struct IndexProgress {
    published: Published,
    /// Whether its published count is final.
    is_sealed: bool,
    end_slot: u32,
    records: u64,
    /// Commit time of the first message that is not indexed.
    oldest_ns: Option<UnixNs>,
    state: IndexState,
}

/// Whether a segment can be claimed.
#[derive(Default)]
enum IndexState {
    /// Yes. Its sidecar is opened then.
    #[default]
    Unopened,
    /// Yes. Its sidecar was opened before.
    Idle(IdleAppender),
    /// No, because a thread is indexing it.
    Claimed,
    /// From that time on. The last attempt failed, which was logged.
    Failed { retry_at: Instant },
}

impl IndexState {
    fn is_free(&self, now: Instant) -> bool {
        match self {
            IndexState::Unopened | IndexState::Idle(_) => true,
            IndexState::Claimed => false,
            IndexState::Failed { retry_at } => *retry_at <= now,
        }
    }

    /// Returns the appender that is idle, and forgets it.
    fn take_idle(&mut self) -> Option<IdleAppender> {
        match std::mem::take(self) {
            IndexState::Idle(idle) => Some(idle),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Skips the segment for [`RETRY_AFTER`]. Logs the first of several failures in a row. A
    /// claimed segment stays claimed: the thread that indexes it reports its own failure.
    fn fail(&mut self, segment: u32, failure: &IndexFailure) {
        match self {
            IndexState::Claimed => return,
            IndexState::Failed { .. } => {}
            IndexState::Unopened | IndexState::Idle(_) => match failure {
                IndexFailure::Segment(error) => {
                    tracing::warn!(segment, %error, "could not index a segment");
                }
                IndexFailure::Sidecar(error) => {
                    tracing::warn!(segment, %error, "the index cannot be written");
                }
            },
        }
        *self = IndexState::Failed { retry_at: Instant::now() + RETRY_AFTER };
    }
}

/// Why a segment can't be indexed now.
enum IndexFailure {
    /// The segment can't be opened.
    Segment(SegmentError),
    /// Its sidecar can't be opened or written, or its messages can't be read.
    Sidecar(NoAppender),
}

/// All segments of a folder that are not fully indexed.
pub struct Backlog {
    data: PathBuf,
    sequence_field: Option<String>,
    new_segments: Receiver<u32>,
    segments: BTreeMap<u32, IndexProgress>,
    /// Segments that are fully indexed.
    complete: HashSet<u32>,
    listed_at: Option<Instant>,
}

impl Backlog {
    pub fn new(
        data: PathBuf,
        sequence_field: Option<String>,
        new_segments: Receiver<u32>,
    ) -> Backlog {
        let (segments, complete, listed_at) = Default::default();
        Backlog { data, sequence_field, new_segments, segments, complete, listed_at }
    }

    /// Returns the newest segment that has something to index and that no thread or other process
    /// is indexing. Costs a small read per open segment.
    pub fn claim(&mut self) -> Option<Job> {
        self.update();
        let now = Instant::now();
        let free: Vec<u32> = self
            .segments
            .iter()
            .rev()
            .filter(|(_, progress)| progress.state.is_free(now))
            .map(|(number, _)| *number)
            .collect();
        free.into_iter().find_map(|number| self.open(number))
    }

    /// Ends a job. If it has indexed all of a sealed segment, marks the sidecar as complete.
    /// `result` is the outcome of indexing; after an error, the segment is skipped for
    /// [`RETRY_AFTER`].
    pub fn return_job(&mut self, mut job: Job, result: io::Result<()>) {
        let number = job.segment.number();
        let is_complete = job.is_sealed && job.appender.end_slot() >= job.published.slots;
        let result =
            result.and_then(|()| if is_complete { job.appender.complete() } else { Ok(()) });
        let Some(progress) = self.segments.get_mut(&number) else { return };
        progress.end_slot = job.appender.end_slot();
        progress.records = job.appender.records();
        progress.oldest_ns = oldest(&job.segment, progress.end_slot, job.published);
        match result {
            Ok(()) if is_complete => {
                self.segments.remove(&number);
                self.complete.insert(number);
            }
            Ok(()) => {
                progress.state = IndexState::Idle(job.appender.release());
                self.limit_idle();
            }
            Err(error) => {
                progress.state = IndexState::Unopened;
                progress.state.fail(number, &IndexFailure::Sidecar(error.into()));
            }
        }
    }

    /// Closes the sidecars of the oldest segments, if more than [`IDLE_MAX`] are open.
    fn limit_idle(&mut self) {
        let is_idle = |progress: &&mut IndexProgress| matches!(progress.state, IndexState::Idle(_));
        let idle = self.segments.values_mut().rev().filter(is_idle);
        idle.skip(IDLE_MAX).for_each(|progress| progress.state = IndexState::Unopened);
    }

    /// Returns how much is not indexed now. Costs a small read per open segment.
    pub fn lag(&mut self) -> Lag {
        self.update();
        let open: Vec<u32> =
            self.segments.iter().filter(|s| !s.1.is_sealed).map(|s| *s.0).collect();
        for number in open {
            drop(self.segment(number));
        }
        let behind = |p: &IndexProgress| u64::from(p.published.messages).saturating_sub(p.records);
        Lag {
            messages: self.segments.values().map(behind).sum(),
            oldest_ns: self.segments.values().filter_map(|p| p.oldest_ns).min(),
        }
    }

    /// Adds the segments that workers have begun, and lists the folder from time to time.
    fn update(&mut self) {
        while let Ok(number) = self.new_segments.try_recv() {
            if !self.complete.contains(&number) {
                self.segments.entry(number).or_default();
            }
        }
        if self.listed_at.is_none_or(|at| at.elapsed() >= LIST_INTERVAL) {
            self.listed_at = Some(Instant::now());
            if let Err(error) = self.list() {
                tracing::warn!(%error, "the segments cannot be listed for the index");
            }
        }
    }

    fn list(&mut self) -> io::Result<()> {
        let there: Vec<u32> = segment_files(&self.data)?.into_iter().map(|file| file.0).collect();
        let is_there = |number: &u32| there.binary_search(number).is_ok();
        // Keep newer segments: a worker announces a segment only once, and it may have begun after
        // the listing.
        let newest = there.last().copied().unwrap_or(0);
        self.segments.retain(|number, _| *number > newest || is_there(number));
        // Forget segments whose sidecars were deleted.
        let indexed = sidecar::numbers(&self.data)?;
        let is_indexed = |number: &u32| indexed.binary_search(number).is_ok();
        self.complete.retain(|number| is_there(number) && is_indexed(number));
        for (number, progress) in &mut self.segments {
            let is_claimed = matches!(progress.state, IndexState::Claimed);
            if !is_claimed && progress.end_slot > 0 && !is_indexed(number) {
                *progress = IndexProgress::default();
            }
        }
        for number in &there {
            if !self.complete.contains(number) {
                self.segments.entry(*number).or_default();
            }
        }
        sidecar::sweep(&self.data, &there)
    }

    /// Opens a segment and updates its progress. Returns `None` if it is gone, fully indexed, or
    /// can't be opened.
    fn segment(&mut self, number: u32) -> Option<Arc<Segment>> {
        let progress = self.segments.get_mut(&number)?;
        let segment = match Opening::of(&segment_path(&self.data, number)) {
            Opening::Opened(segment) => segment,
            // There is nothing left to index.
            Opening::Gone => {
                self.segments.remove(&number);
                return None;
            }
            Opening::Damaged(error) => {
                progress.state.fail(number, &IndexFailure::Segment(error));
                return None;
            }
        };
        // The state is read first: the count is final only if the segment was sealed before.
        progress.is_sealed = segment.state() != State::Open;
        progress.published = segment.published();
        let is_unopened =
            matches!(progress.state, IndexState::Unopened | IndexState::Failed { .. });
        if is_unopened && progress.end_slot == 0 && progress.is_sealed {
            let header =
                SidecarHeader::for_segment(segment.identity(), self.sequence_field.as_deref());
            if sidecar::is_complete(&self.data, &header, progress.published.slots) {
                self.segments.remove(&number);
                self.complete.insert(number);
                return None;
            }
        }
        progress.oldest_ns = oldest(&segment, progress.end_slot, progress.published);
        Some(segment)
    }

    /// Opens a segment and its sidecar, if there is something to index.
    fn open(&mut self, number: u32) -> Option<Job> {
        let segment = self.segment(number)?;
        let identity = *segment.identity();
        let progress = self.segments.get_mut(&number)?;
        let (published, is_sealed) = (progress.published, progress.is_sealed);
        if published.slots == progress.end_slot && !is_sealed {
            return None;
        }
        let idle = progress.state.take_idle();
        let opened = match idle.and_then(|idle| idle.resume(&self.data, number)) {
            Some(appender) => Ok(appender),
            None => Appender::open(&self.data, &identity, self.sequence_field.as_deref()),
        };
        match opened {
            Ok(appender) => {
                progress.state = IndexState::Claimed;
                Some(Job { segment, appender, published, is_sealed })
            }
            // Busy only for a moment, while another process replaces the sidecar.
            Err(NoAppender::Busy) => None,
            Err(error) => {
                progress.state.fail(number, &IndexFailure::Sidecar(error));
                None
            }
        }
    }
}

/// Returns the commit time in slot `from`; `None` if the slot is not published or can't be read.
/// Costs a read of 64 octets.
fn oldest(segment: &Segment, from: u32, published: Published) -> Option<UnixNs> {
    let slot = (from < published.slots).then(|| segment.slot(from).ok())?;
    slot.map(|slot| slot.facts().received_at_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::by_hand::LogByHand;
    use crate::log::{LogSettings, NoRoom, SlotFacts};

    /// Each segment gets a message while it is the newest, so that older ones stay as they are.
    #[test]
    fn only_some_sidecars_stay_open_while_no_thread_indexes_their_segments() {
        const SEGMENTS: u32 = 3 * IDLE_MAX as u32;
        let folder = tempfile::tempdir().unwrap();
        let (first, most) = (64 << 10, 64 << 10);
        let settings = LogSettings {
            segment_bytes_first: first,
            segment_bytes_max: most,
            ..LogSettings::default()
        };
        let (mut log, _) = LogByHand::open(folder.path(), settings).unwrap();
        let mut writer = log.writer(Box::new(|| ())).unwrap();
        let (_, new_segments) = crossbeam_channel::bounded(1);
        let mut backlog = Backlog::new(folder.path().to_owned(), None, new_segments);
        let mut newest = 0;
        while newest < SEGMENTS {
            let facts = SlotFacts { reply_code: 250, ..SlotFacts::default() };
            match writer.append(b"e", &[&[b'x'; 20_000]], &facts) {
                Ok(commit) => newest = commit.done().unwrap().id().segment,
                Err(error) => assert_eq!(error, NoRoom::Wait),
            }
            writer.round_done();
            log.serve(usize::MAX, Duration::ZERO);
            backlog.listed_at = None;
            let Some(job) = backlog.claim() else { continue };
            assert!(job.segment.number() == newest || newest == 0, "the newest comes first");
            backlog.return_job(job, Ok(()));
            let states = backlog.segments.values().map(|progress| &progress.state);
            let idle = states.filter(|state| matches!(state, IndexState::Idle(_))).count();
            assert_eq!(idle, (newest as usize).min(IDLE_MAX));
        }
        // Those whose sidecars were closed are continued.
        while let Some(job) = backlog.claim() {
            assert!(job.is_sealed || job.segment.number() == newest);
            if job.segment.number() == 1 {
                return;
            }
            let number = job.segment.number();
            backlog.return_job(job, Ok(()));
            backlog.segments.remove(&number);
        }
        panic!("the first segment was never claimed");
    }
}
