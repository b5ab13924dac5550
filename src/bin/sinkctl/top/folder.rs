//! Reads the folder: new statistics, and the headers of segments.
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use sinkd::log::State as SegmentState;
use sinkd::log::reader::Folder;
use sinkd::stats::Follower;

use sinkd::analysis::holder;

use super::model::{KEEP_S, RunState, StoredMail};

/// Reads a folder repeatedly, and remembers what it has read.
#[derive(Debug)]
pub struct FolderReader {
    folder: Folder,
    follower: Follower,
    /// Sizes on disk of sealed segments, which do not change.
    sealed_bytes: BTreeMap<u32, u64>,
}

impl FolderReader {
    pub fn new(folder: Folder) -> FolderReader {
        let follower = Follower::new(folder.path());
        FolderReader { folder, follower, sealed_bytes: BTreeMap::new() }
    }

    /// Updates `state` with everything new at Unix time `now_s`.
    pub fn refresh(&mut self, now_s: u64, state: &mut RunState) {
        let mut problem = match self.follower.read_new(now_s.saturating_sub(KEEP_S)) {
            Ok(news) => {
                let problem = news.damage.first().map(ToString::to_string);
                state.take(now_s, news);
                problem
            }
            Err(e) => Some(format!("the statistics cannot be read: {e}")),
        };
        match self.folder.refresh() {
            Ok(()) => state.stored = self.stored(),
            Err(e) => problem = Some(format!("the folder cannot be read: {e}")),
        }
        if let Some(fault) = self.folder.faults().next() {
            problem.get_or_insert_with(|| fault.to_string());
        }
        state.problem = problem;
        state.has_statistics = self.folder.path().join("stats").is_dir();
        state.holder = holder(self.folder.path());
    }

    fn stored(&mut self) -> StoredMail {
        let (mut disk_bytes, mut sealed) = (0, BTreeMap::new());
        for summary in self.folder.segments() {
            let number = summary.identity.number;
            let known = self.sealed_bytes.get(&number).copied();
            let bytes = known.unwrap_or_else(|| {
                std::fs::metadata(&summary.path).map_or(0, |found| found.blocks() * 512)
            });
            if summary.state != SegmentState::Open {
                sealed.insert(number, bytes);
            }
            disk_bytes += bytes;
        }
        self.sealed_bytes = sealed;
        let messages = self.folder.messages() + self.folder.only_counted();
        StoredMail { messages, segments: self.folder.segments().count() as u64, disk_bytes }
    }
}
