//! The names of the files in `stats/`.
use std::path::{Path, PathBuf};

pub const HOUR_S: u64 = 3600;

/// Returns the folder of statistics of a data folder, which may not exist.
pub fn folder_of(data: &Path) -> PathBuf {
    data.join("stats")
}

/// The contents of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatsFileKind {
    /// The values of each second, by metric.
    Values,
    /// The counters of each second.
    Counters,
    /// What each connection did in each second.
    Sessions,
    /// The values of the whole hour, by metric.
    HourValues,
}

impl StatsFileKind {
    const ALL: [StatsFileKind; 4] = [
        StatsFileKind::Values,
        StatsFileKind::Counters,
        StatsFileKind::Sessions,
        StatsFileKind::HourValues,
    ];

    fn ending(self) -> &'static str {
        match self {
            StatsFileKind::Values => "hlog",
            StatsFileKind::Counters => "jsonl",
            StatsFileKind::Sessions => "sessions",
            StatsFileKind::HourValues => "hour.hlog",
        }
    }
}

/// What the names of the files of a start and hour begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stem {
    /// The number of the start of sinkd, or of the load.
    pub start: u32,
    /// Whole hours since the Unix epoch.
    pub hour: u64,
}

impl Stem {
    /// Parses the name of a file. The kind is `None` for a file of a newer version, and for one
    /// that was not completed.
    pub fn parse(name: &str) -> Option<(Stem, Option<StatsFileKind>)> {
        let (stem, ending) = name.split_once('.')?;
        let (start, hour) = stem.split_once('-')?;
        let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M", format!("{hour}00")).ok()?;
        let seconds = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
        let hour = u64::try_from(seconds).ok()? / HOUR_S;
        let kind = StatsFileKind::ALL.into_iter().find(|kind| kind.ending() == ending);
        Some((Stem { start: start.parse().ok()?, hour }, kind))
    }

    /// Returns the name of the file of this kind.
    pub fn name(self, kind: StatsFileKind) -> String {
        let second = (self.hour * HOUR_S) as i64;
        let at = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
        format!("{:08}-{}.{}", self.start, at.strftime("%Y%m%dT%H"), kind.ending())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_start_hour_and_kind() {
        let stem = Stem { start: 3, hour: 498_678 };
        assert_eq!(stem.name(StatsFileKind::Values), "00000003-20261121T06.hlog");
        for kind in StatsFileKind::ALL {
            assert_eq!(Stem::parse(&stem.name(kind)), Some((stem, Some(kind))));
        }
        let unfinished = "00000003-20261121T06.hour.hlog.new";
        assert_eq!(Stem::parse(unfinished), Some((stem, None)));
        for name in ["x", "1-20261341T06.hlog"] {
            assert_eq!(Stem::parse(name), None);
        }
    }
}
