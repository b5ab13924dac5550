//! The shared segments of a worker: the current one, those it has left, and the next one.
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::Receiver;

use super::commit::NoRoom;
use super::link::Link;
use super::segment::{Fit, OpenSegment, Room};
use crate::log::exchange::{PreparedSegment, ProvisionRequest};
use crate::log::files::flush_call::FlushCall;

/// The shared segments of a worker.
#[derive(Debug)]
pub(crate) struct Segments {
    /// Delivers prepared segments, at most one at a time.
    next: Receiver<PreparedSegment>,
    pub current: OpenSegment,
    /// Segments that the worker left while a reservation or commit was open in them; few.
    retired: Vec<OpenSegment>,
    /// The segment most recently left with something open in it.
    last_left: Option<u32>,
}

impl Segments {
    pub(crate) fn new(first: PreparedSegment, next: Receiver<PreparedSegment>) -> Segments {
        let current = OpenSegment::new(first);
        Segments { next, current, retired: Vec::new(), last_left: None }
    }

    /// Returns the segment with this number, in which something is open.
    pub(super) fn segment(&mut self, number: u32) -> &mut OpenSegment {
        if number == self.current.number {
            return &mut self.current;
        }
        let left = self.retired.iter_mut().find(|segment| segment.number == number);
        left.expect("a segment stays while something is open in it")
    }

    /// Returns the current segment, and another one in which something is open.
    pub(super) fn current_and(&mut self, number: u32) -> (&mut OpenSegment, &OpenSegment) {
        let left = self.retired.iter().find(|segment| segment.number == number);
        (&mut self.current, left.expect("a segment stays while something is open in it"))
    }

    /// Makes room for `bytes` octets at the tail. Cold: called only if they don't fit.
    #[cold]
    pub(super) fn make_room(&mut self, link: &mut Link, bytes: u64) -> Result<Room, NoRoom> {
        loop {
            match self.current.fit(bytes) {
                Fit::Yes(room) => return Ok(room),
                Fit::NotYet => return self.wait_for_window(link, bytes),
                Fit::Never => self.roll(link, bytes)?,
            }
        }
    }

    fn wait_for_window(&mut self, link: &mut Link, bytes: u64) -> Result<Room, NoRoom> {
        self.current.demand(bytes);
        let current = &mut self.current;
        link.announce_and_retry(|| match current.fit(bytes) {
            Fit::Yes(room) => Ok(room),
            Fit::NotYet | Fit::Never if current.window.ahead.is_full.load(Relaxed) => {
                Err(NoRoom::Full)
            }
            Fit::NotYet | Fit::Never => Err(NoRoom::Wait),
        })
    }

    /// Continues in the next segment, which should have room for `bytes`.
    fn roll(&mut self, link: &mut Link, bytes: u64) -> Result<(), NoRoom> {
        let next = match self.next.try_recv() {
            Ok(next) => next,
            Err(_) => self.wait_for_next(link, bytes)?,
        };
        let taken = link.gate().record_taken_segment();
        let old = std::mem::replace(&mut self.current, OpenSegment::new(next));
        self.last_left = Some(old.number);
        if old.is_done() {
            link.send(ProvisionRequest::Seal(Box::new(old.retire())));
        } else {
            self.retired.push(old);
        }
        link.notify_of(taken);
        Ok(())
    }

    fn wait_for_next(&mut self, link: &mut Link, bytes: u64) -> Result<PreparedSegment, NoRoom> {
        let next = link.request_segment(bytes, || self.next.try_recv().map_err(|_| NoRoom::Wait));
        next.map_err(|wait| if link.gate().is_full() { NoRoom::Full } else { wait })
    }

    /// Asks provisioning to attend to this worker if less than half of its window is left.
    #[inline]
    pub(super) fn notify_if_low(&mut self, link: &mut Link) {
        if self.current.window_is_low() {
            link.notify();
        }
    }

    /// Seals the segments left by the worker in which nothing is open now.
    pub(super) fn seal_retired(&mut self, link: &mut Link) {
        while let Some(i) = self.retired.iter().position(OpenSegment::is_done) {
            let left = self.retired.swap_remove(i).retire();
            link.send(ProvisionRequest::Seal(Box::new(left)));
        }
    }

    /// Returns whether the worker has left segments with something open in them.
    pub(super) fn has_left(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Returns a segment that open regions keep from being sealed although the worker has since
    /// left another one too.
    pub(super) fn pinned(&self) -> Option<u32> {
        let is_pinned =
            |left: &&OpenSegment| left.has_reservations() && Some(left.number) != self.last_left;
        self.retired.iter().find(is_pinned).map(|left| left.number)
    }

    /// Handles the flusher's results, and requests a flush for each segment with slots that are not
    /// visible yet, unless one is in progress: one flush for all commits of a round.
    pub(super) fn flush_waiting(&mut self, link: &mut Link) {
        for segment in self.retired.iter_mut().chain([&mut self.current]) {
            segment.poll_flusher();
            if let Some(flushed) = segment.begin_flush() {
                link.flush(segment.access.mapping(), flushed);
            }
        }
    }

    /// Flushes slots that no commit waits for, and seals all segments. Called after the worker has
    /// stopped. Blocks.
    pub(super) fn close(mut self, mut link: Link, flush: &FlushCall) {
        for segment in self.retired.iter_mut().chain([&mut self.current]) {
            // Only notes can be unflushed here.
            segment.flush_rest(flush);
            assert!(segment.is_done(), "reservations are gone, and no commit waits");
        }
        self.seal_retired(&mut link);
        link.close(ProvisionRequest::Seal(Box::new(self.current.retire())));
    }
}
