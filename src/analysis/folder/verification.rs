//! Verifies a folder: reads everything and checks every checksum.
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::analysis::words::sentences;
use crate::log::reader::{Folder, ReadError, Segment};
use crate::time::Clock;
use crate::wording::counted;

/// Maximum number of faults that are listed individually; a bad disk may have millions.
const DAMAGE_LISTED_MAX: usize = 1000;
/// Number of checks whether written slots are published. With durability `message`, publishing
/// follows a flush.
const LOOKS: u32 = 6;
/// The time between two checks.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Valid slots of an open segment that follow the published ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpublishedSlots {
    /// The file of the segment.
    pub file: PathBuf,
    /// The number of slots.
    pub slots: u32,
}

impl fmt::Display for UnpublishedSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = counted(self.slots.into(), "valid slot follows", "valid slots follow");
        let file = self.file.display();
        write!(f, "note: {file}: {slots} the published ones; the next start of sinkd keeps them")
    }
}

/// The result of a verification: the object of `sinkctl verify --json`. Keys keep their meaning.
#[derive(Debug, Default, Serialize)]
pub struct Verification {
    /// The number of segments that were checked. A segment that could not be read when the folder
    /// was opened counts only as damaged.
    pub segments: u64,
    /// The number of messages in those that could be opened, without removed and lost ones.
    pub messages: u64,
    /// Segments that were pruned before they could be read; this is not damage.
    pub pruned_meanwhile: u64,
    /// Valid slots that open segments have not published: they are not messages yet, and none is
    /// lost.
    pub unpublished: u64,
    /// Where these slots are, by segment.
    #[serde(skip)]
    pub notes: Vec<UnpublishedSlots>,
    /// Faults, which name file and offset; at most 1000.
    #[serde(serialize_with = "sentences")]
    pub damage: Vec<ReadError>,
    /// The number of faults, including those not listed.
    pub damaged: u64,
    /// The number of segments with at least one fault.
    pub damaged_segments: u64,
    /// The names of their files, without extensions.
    #[serde(skip)]
    damaged_numbers: BTreeSet<OsString>,
}

impl Verification {
    /// Verifies all segments. `watch` gets the size of each segment after it was read. Waits up to
    /// a second on `clock` for each open segment with unpublished slots.
    pub fn run(folder: &Folder, clock: &dyn Clock, watch: &mut dyn FnMut(u64)) -> Verification {
        let mut all = Verification::default();
        for fault in folder.faults() {
            all.add(fault.file(), fault);
        }
        for summary in folder.segments() {
            match folder.segment(summary.identity.number) {
                Ok(segment) => {
                    all.segments += 1;
                    all.messages += summary.messages();
                    let file = segment.path();
                    segment.verify().for_each(|damage| all.add(file, damage));
                    all.add_unpublished(&segment, clock);
                }
                Err(ReadError::Pruned { .. }) => all.pruned_meanwhile += 1,
                Err(error) => {
                    all.segments += 1;
                    all.add(&summary.path, error);
                }
            }
            watch(summary.identity.segment_bytes);
        }
        all
    }

    /// Counts a fault, and lists it if there are not too many. `file` is the file of the segment,
    /// or one beside it.
    fn add(&mut self, file: &Path, damage: impl Into<ReadError>) {
        let number = file.file_stem().map(|stem| stem.to_owned()).unwrap_or_default();
        self.damaged_numbers.insert(number);
        self.damaged_segments = self.damaged_numbers.len() as u64;
        self.damaged += 1;
        if self.damage.len() < DAMAGE_LISTED_MAX {
            self.damage.push(damage.into());
        }
    }

    /// Notes valid slots after the published ones. The number of published slots in an open segment
    /// has no checksum, so it may be damaged. It may also be right: in a copy taken while sinkd was
    /// writing, or if sinkd was killed or stopped before a flush. Nothing is lost in either case,
    /// so this is a note and not damage.
    fn add_unpublished(&mut self, segment: &Segment, clock: &dyn Clock) {
        let slots = unpublished(segment, clock);
        if slots > 0 {
            self.unpublished += u64::from(slots);
            self.notes.push(UnpublishedSlots { file: segment.path().to_owned(), slots });
        }
    }
}

/// Returns the number of slots that were written but stay unpublished for longer than a flush
/// takes.
fn unpublished(segment: &Segment, clock: &dyn Clock) -> u32 {
    let mut slots = 0;
    for look in 0..LOOKS {
        let published = segment.published();
        slots = if segment.is_live() { segment.unpublished() } else { 0 };
        if slots == 0 || segment.published() != published {
            return 0;
        }
        if look + 1 < LOOKS {
            clock.pause(POLL_INTERVAL);
        }
    }
    slots
}
