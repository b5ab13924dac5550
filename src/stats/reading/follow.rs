//! Follows `stats/` as it grows: a call reads only what was added since the last one.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;

use super::history::{INTERVAL_BEGIN, LINE_BEGIN, Second, files_in, interval_of};
use crate::stats::format::{CounterLine, HOUR_S, LineFault, StatsDamage, StatsFileKind, unglued};
use crate::stats::metrics::Metric;

/// Maximum number of octets of a file per look; older octets are skipped. That covers at least
/// three minutes of histograms, and hours of counters.
const LOOK_BYTES_MAX: u64 = 4 << 20;

/// The seconds added since the last look.
#[derive(Debug, Default)]
pub struct NewSeconds {
    /// Counters by Unix time in seconds; a second may be repeated, with what a late worker adds to
    /// it.
    pub seconds: BTreeMap<u64, Second>,
    /// Values of a metric in a second; a second may be repeated with further values.
    pub histograms: Vec<(Metric, u64, Histogram<u64>)>,
    /// Parts that could not be read.
    pub damage: Vec<StatsDamage>,
}

/// Reads the statistics of a data folder: with each call, what was added since the last one.
#[derive(Debug)]
pub struct Follower {
    data: PathBuf,
    /// The number of octets of each file that have been read.
    offsets: BTreeMap<PathBuf, u64>,
}

impl Follower {
    /// Follows `data`, starting with the newest seconds.
    pub fn new(data: &Path) -> Follower {
        Follower { data: data.to_owned(), offsets: BTreeMap::new() }
    }

    /// Returns new seconds, from `since` (Unix s) on. Costs about 10 µs per second and metric, and
    /// a listing of the folder.
    ///
    /// Errors: the folder or a file cannot be read. Missing statistics are not an error.
    pub fn read_new(&mut self, since: u64) -> io::Result<NewSeconds> {
        let mut news = NewSeconds::default();
        let mut offsets = BTreeMap::new();
        for (stem, files) in files_in(&self.data)? {
            if (stem.hour + 1) * HOUR_S <= since {
                continue;
            }
            // The hub writes counters last, and this reads them first: if the counters of a second
            // are here, so are its histograms.
            let counters: AddLine = NewSeconds::add_counters;
            for (kind, begin, add) in [
                (StatsFileKind::Counters, LINE_BEGIN, counters),
                (StatsFileKind::Values, INTERVAL_BEGIN, NewSeconds::add_histogram),
            ] {
                let Some(path) = files.get(&kind) else { continue };
                let mut offset = self.offsets.get(path).copied().unwrap_or(0);
                let text = read_on(path, &mut offset)?;
                for (_, line) in unglued(&text, begin) {
                    if let Err(fault) = add(&mut news, line, since) {
                        news.damage.push(StatsDamage::NewLine { file: path.clone(), fault });
                    }
                }
                offsets.insert(path.clone(), offset);
            }
        }
        // Files that are gone or too old are forgotten.
        self.offsets = offsets;
        Ok(news)
    }
}

/// Adds the second of a line, unless it is before `since` (Unix s).
type AddLine = fn(&mut NewSeconds, line: &str, since: u64) -> Result<(), LineFault>;

impl NewSeconds {
    fn add_counters(&mut self, line: &str, since: u64) -> Result<(), LineFault> {
        let line = CounterLine::parse(line)?;
        if line.second >= since {
            self.seconds.entry(line.second).or_default().merge(&line.into());
        }
        Ok(())
    }

    fn add_histogram(&mut self, line: &str, since: u64) -> Result<(), LineFault> {
        let recorded = interval_of(line)?;
        self.histograms.extend(recorded.filter(|(_, second, _)| *second >= since));
        Ok(())
    }
}

/// Returns the whole lines after `offset`, and advances `offset` past them.
fn read_on(path: &Path, offset: &mut u64) -> io::Result<String> {
    let mut file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        other => other?,
    };
    let end = file.metadata()?.len();
    // If the file is shorter than before, it is another file with the same name.
    let from = if *offset <= end { *offset } else { 0 };
    let first = from.max(end.saturating_sub(LOOK_BYTES_MAX));
    file.seek(SeekFrom::Start(first))?;
    let mut bytes = Vec::new();
    file.take(end - first).read_to_end(&mut bytes)?;
    let behind = bytes.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
    *offset = first + behind as u64;
    bytes.truncate(behind);
    // The start is within a line, unless everything before it has been read.
    let skip = if first == from {
        0
    } else {
        bytes.iter().position(|octet| *octet == b'\n').map_or(0, |at| at + 1)
    };
    Ok(String::from_utf8_lossy(&bytes[skip..]).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::stats::{Counter, History, Hub, StatsPlace};
    use crate::time::UnixNs;

    #[test]
    fn what_is_followed_however_it_is_cut_is_what_is_read_at_once() {
        let (whole, growing) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let place = StatsPlace { data: whole.path(), start_count: 1, retain: None };
        let (hub, mut recorders) = Hub::start(&place, 1, vec!["354".into()], Box::new(())).unwrap();
        for second in 1_000_000..1_000_020_u64 {
            recorders[0].begin_round(UnixNs::of_second(second));
            recorders[0].message(second % 7, 1);
            recorders[0].take_replies(&mut [2]);
        }
        recorders.into_iter().for_each(|recorder| recorder.close());
        hub.close();
        let mut all = History::default();
        all.read(whole.path(), crate::time::Seconds::ALL).unwrap();

        let mut follower = Follower::new(growing.path());
        assert!(follower.read_new(0).unwrap().seconds.is_empty());
        let folder = growing.path().join("stats");
        std::fs::create_dir(&folder).unwrap();
        let (mut seconds, mut values, mut messages) = (BTreeMap::new(), 0, 0);
        for entry in std::fs::read_dir(whole.path().join("stats")).unwrap() {
            let path = entry.unwrap().path();
            let mut file = File::create(folder.join(path.file_name().unwrap())).unwrap();
            for piece in std::fs::read(&path).unwrap().chunks(97) {
                file.write_all(piece).unwrap();
                let news = follower.read_new(0).unwrap();
                assert_eq!(news.damage, []);
                for (second, counts) in news.seconds {
                    messages += counts.counter(Counter::Messages);
                    seconds.insert(second, counts.replies);
                }
                let sizes = news.histograms.iter().filter(|(m, ..)| *m == Metric::MessageSize);
                values += sizes.map(|(_, _, histogram)| histogram.len()).sum::<u64>();
            }
        }
        assert_eq!((messages, values), (20, all.histogram(Metric::MessageSize).unwrap().len()));
        let replies = all.seconds.iter().map(|(second, counts)| (*second, counts.replies.clone()));
        assert_eq!(seconds, replies.collect());
    }

    #[test]
    fn of_a_long_file_the_end_is_read_once_by_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let lines = LOOK_BYTES_MAX as usize / 8 + 1000;
        let text: String = (0..lines).map(|n| format!("{n:07}\n")).collect();
        std::fs::write(&path, format!("{text}cut")).unwrap();
        let mut offset = 0;
        let found = read_on(&path, &mut offset).unwrap();
        assert_eq!(offset, text.len() as u64);
        assert!(found.len() as u64 <= LOOK_BYTES_MAX && text.ends_with(&found));
        assert!(found.lines().all(|line| line.len() == 7));
        assert_eq!(read_on(&path, &mut offset).unwrap(), "");
        // Another file with the same name.
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(read_on(&path, &mut offset).unwrap(), "new\n");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read_on(&path, &mut offset).unwrap(), "");
    }
}
