//! Reads batches of one or more folders, in the order of their seconds.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::batch::{BatchHeader, HEADER_BYTES, MAGIC};
use super::second::SessionSecond;
use crate::stats::format::folder_of;
use crate::stats::format::{StatsDamage, StatsFileKind, Stem};

/// How much of a damaged file is searched at a time for the next batch.
const SEARCH_BYTES: usize = 64 << 10;

/// The activity of a session in a second, and where it was recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionEntry {
    /// Index of the folder among those that are read.
    pub folder: usize,
    /// Number of the start of sinkd that recorded it.
    pub start: u32,
    pub session: SessionSecond,
}

/// A file of batches: one for each folder, start and hour.
#[derive(Debug)]
struct BatchSource {
    path: PathBuf,
    folder: usize,
    start: u32,
}

/// Where a batch is: its header, the index of its file, and its offset there in octets.
#[derive(Debug, Clone, Copy)]
struct BatchPlace {
    header: BatchHeader,
    source: usize,
    at: u64,
}

/// The places of all batches of all folders, ordered by second. Their records are read later.
#[derive(Debug, Default)]
pub(super) struct SessionRecords {
    sources: Vec<BatchSource>,
    places: Vec<BatchPlace>,
    /// Parts that could not be read.
    pub damage: Vec<StatsDamage>,
    /// The last second of any batch, in Unix time; `None` without batches.
    last_second: Option<u64>,
}

impl SessionRecords {
    /// Finds the batches of these folders before a second (Unix s).
    pub fn open(folders: &[PathBuf], until_s: u64) -> io::Result<SessionRecords> {
        let mut reading = SessionRecords::default();
        for (folder, path) in folders.iter().enumerate() {
            reading.add_folder(folder, path)?;
        }
        for source in 0..reading.sources.len() {
            let path = reading.sources[source].path.clone();
            let found = batches_in(&mut File::open(&path)?)?;
            if found.skipped_bytes > 0 {
                let bytes = found.skipped_bytes;
                reading.damage.push(StatsDamage::NoBatch { file: path, bytes });
            }
            let last = found.batches.iter().map(|(_, it)| it.second).max();
            reading.last_second = reading.last_second.max(last);
            let of_span = found.batches.into_iter().filter(|(_, it)| it.second < until_s);
            reading.places.extend(of_span.map(|(at, header)| BatchPlace { header, source, at }));
        }
        reading.places.sort_by_key(|place| place.header.second);
        Ok(reading)
    }

    fn add_folder(&mut self, folder: usize, path: &Path) -> io::Result<()> {
        let entries = match std::fs::read_dir(folder_of(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(Stem::parse);
            if let Some((stem, Some(StatsFileKind::Sessions))) = name {
                found.push(BatchSource { folder, start: stem.start, path });
            }
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        self.sources.append(&mut found);
        Ok(())
    }

    /// Returns the last recorded second in Unix seconds, even if it is after the part that is read.
    /// `None` if there is none.
    pub fn last_second(&self) -> Option<u64> {
        self.last_second
    }

    /// Returns the starts of sinkd that were followed by another one, each with the last second
    /// (Unix s) that it recorded, its folder and its number, in the order of those seconds.
    pub fn ended_starts(&self) -> Vec<(u64, usize, u32)> {
        let mut last: BTreeMap<(usize, u32), u64> = BTreeMap::new();
        for place in &self.places {
            let BatchSource { folder, start, .. } = self.sources[place.source];
            let second = last.entry((folder, start)).or_default();
            *second = (*second).max(place.header.second);
        }
        let is_followed = |folder, start| last.range((folder, start + 1)..=(folder, u32::MAX));
        let mut ended: Vec<_> = last
            .iter()
            .filter(|((folder, start), _)| is_followed(*folder, *start).next().is_some())
            .map(|((folder, start), second)| (*second, *folder, *start))
            .collect();
        ended.sort_unstable();
        ended
    }

    /// Calls `visit` with each second in Unix seconds and the activity of sessions in it. Needs the
    /// memory of the busiest second.
    pub fn each_second(&mut self, mut visit: impl FnMut(u64, &[SessionEntry])) -> io::Result<()> {
        let (mut entries, mut octets) = (Vec::new(), Vec::new());
        let mut open: Option<(usize, File)> = None;
        let places = std::mem::take(&mut self.places);
        for of_second in places.chunk_by(|one, other| one.header.second == other.header.second) {
            entries.clear();
            for place in of_second {
                let file = match &mut open {
                    Some((source, file)) if *source == place.source => file,
                    other => {
                        let file = File::open(&self.sources[place.source].path)?;
                        &mut other.insert((place.source, file)).1
                    }
                };
                file.seek(SeekFrom::Start(place.at + HEADER_BYTES as u64))?;
                octets.resize(place.header.records_bytes(), 0);
                file.read_exact(&mut octets)?;
                self.take(place, &octets, &mut entries);
            }
            visit(of_second[0].header.second, &entries);
        }
        Ok(())
    }

    fn take(&mut self, place: &BatchPlace, octets: &[u8], entries: &mut Vec<SessionEntry>) {
        let BatchSource { path, folder, start } = &self.sources[place.source];
        match place.header.records(octets) {
            Some(sessions) => entries.extend(sessions.map(|session| SessionEntry {
                folder: *folder,
                start: *start,
                session,
            })),
            None => {
                self.damage.push(StatsDamage::Batch { file: path.clone(), at: place.at });
            }
        }
    }
}

/// The batches of a file, with their places.
pub(super) struct FoundBatches {
    pub batches: Vec<(u64, BatchHeader)>,
    /// Octets that belong to no batch, except an incomplete last batch.
    skipped_bytes: u64,
}

/// Finds the batches of a file by reading all of it. If a batch was cut off and could not be
/// removed, the next one may start inside it, which only its checksum shows.
pub(super) fn batches_in(file: &mut (impl Read + Seek)) -> io::Result<FoundBatches> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut found = FoundBatches { batches: Vec::new(), skipped_bytes: 0 };
    let (mut at, mut octets) = (0, Vec::new());
    while at + HEADER_BYTES as u64 <= end {
        let header = header_at(file, at)?;
        if let Some(header) = header
            && is_whole(file, at, &header, end, &mut octets)?
        {
            found.batches.push((at, header));
            at += header.bytes();
            continue;
        }
        match next_batch(file, at + 1, end)? {
            Some(next) => {
                found.skipped_bytes += next - at;
                at = next;
            }
            // The last batch is being written, or was cut off by a kill.
            None if header.is_some_and(|it| at + it.bytes() > end) => break,
            None => {
                found.skipped_bytes += end - at;
                break;
            }
        }
    }
    Ok(found)
}

/// Returns whether the records of the batch at `at` are complete and match their checksum.
fn is_whole(
    file: &mut (impl Read + Seek),
    at: u64,
    header: &BatchHeader,
    end: u64,
    octets: &mut Vec<u8>,
) -> io::Result<bool> {
    if at + header.bytes() > end {
        return Ok(false);
    }
    octets.resize(header.records_bytes(), 0);
    file.seek(SeekFrom::Start(at + HEADER_BYTES as u64))?;
    file.read_exact(octets)?;
    Ok(header.records(octets).is_some())
}

fn header_at(file: &mut (impl Read + Seek), at: u64) -> io::Result<Option<BatchHeader>> {
    let mut octets = [0; HEADER_BYTES];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut octets)?;
    Ok(BatchHeader::decode(&octets))
}

/// Returns the offset of the next valid header, from `at` on; `None` if there is none before `end`.
fn next_batch(file: &mut (impl Read + Seek), at: u64, end: u64) -> io::Result<Option<u64>> {
    let mut from = at;
    let mut octets = vec![0; SEARCH_BYTES];
    while from + HEADER_BYTES as u64 <= end {
        let length = SEARCH_BYTES.min((end - from) as usize);
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut octets[..length])?;
        for place in memchr::memmem::find_iter(&octets[..length], &MAGIC) {
            let candidate = from + place as u64;
            if candidate + HEADER_BYTES as u64 <= end && header_at(file, candidate)?.is_some() {
                return Ok(Some(candidate));
            }
        }
        // The last octets are searched again with those that follow, because a batch may start
        // there.
        from += (length - (MAGIC.len() - 1)) as u64;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::batch::encode;
    use super::super::second::{SessionHint, SessionKey, SessionSeconds};
    use super::*;
    use crate::stats::sessions::check_batches;

    fn batch(second: u64, sessions: u64) -> Vec<u8> {
        let (mut seconds, mut out) = (SessionSeconds::new(), Vec::new());
        for id in 1..=sessions {
            let key = SessionKey { id, client: Some([192, 0, 2, id as u8].into()) };
            seconds.of(&mut SessionHint::default(), key).unwrap().message(id as u32);
        }
        encode(second, seconds.as_slice(), &mut out);
        out
    }

    fn found(octets: &[u8]) -> (Vec<(u64, u32)>, u64) {
        check_batches(octets);
        let found = batches_in(&mut Cursor::new(octets)).unwrap();
        let batches = found.batches.iter().map(|(_, it)| (it.second, it.records)).collect();
        (batches, found.skipped_bytes)
    }

    #[test]
    fn what_was_written_is_read() {
        let octets = [batch(5, 2), batch(6, 70_000), batch(8, 1)].concat();
        assert_eq!(found(&octets), (vec![(5, 2), (6, 65_536), (6, 4464), (8, 1)], 0));
    }

    #[test]
    fn a_batch_that_was_cut_takes_no_other_along() {
        let (one, two, three) = (batch(5, 2), batch(6, 3), batch(7, 1));
        for cut in 1..two.len() {
            let glued = [&one, &two[..cut], &three].concat();
            let (batches, skipped) = found(&glued);
            assert_eq!((batches, skipped), (vec![(5, 2), (7, 1)], cut as u64), "cut at {cut}");
            // The last batch is being written, or was cut off by a kill, which is not reported.
            let (batches, skipped) = found(&[&one[..], &two[..cut]].concat());
            assert_eq!((batches, skipped), (vec![(5, 2)], 0), "ends at {cut}");
        }
    }

    #[test]
    fn a_flipped_byte_costs_the_batch_it_is_in() {
        let batches = [batch(5, 2), batch(6, 1), batch(7, 2)];
        let lengths = batches.each_ref().map(|batch| batch.len());
        let whole = batches.concat();
        for at in 0..whole.len() {
            let mut octets = whole.clone();
            octets[at] ^= 0x20;
            let hit = (0..3).find(|n| at < lengths[..=*n].iter().sum()).unwrap();
            let mut rest = vec![(5, 2), (6, 1), (7, 2)];
            rest.remove(hit);
            assert_eq!(found(&octets), (rest, lengths[hit] as u64), "flipped at {at}");
        }
    }

    #[test]
    fn octets_that_are_not_a_batch_are_skipped_and_counted() {
        let noise = [b"SNKB nothing of the kind".as_slice(), &[0; 100_000], b"SNK"].concat();
        let octets = [&noise, &batch(6, 1)[..], b"tail that is as long as a header"].concat();
        let skipped = noise.len() as u64 + 32;
        assert_eq!(found(&octets), (vec![(6, 1)], skipped));
    }
}
