//! Transit time: from the sending time in a message to its arrival. The sending time is in a header
//! field, so it is read from the stored message, and workers do not parse it.
use super::transit_gap::{TransitGap, TransitOmissions};
use super::words::seconds;
use crate::log::{SlotFacts, StoredPart};
use crate::mime::header::fields;
use crate::mime::sent_time::{Resolution, moment};
use crate::stats::Percentiles;
use crate::wording::counted;
use hdrhistogram::Histogram;
use serde::Serialize;

/// Maximum number of payload octets that are searched for the field: more than any header section
/// that mail servers accept.
pub const HEADER_BYTES_MAX: usize = 256 * 1024;
/// Maximum transit time, 400 days; longer ones count as this. No queue keeps mail longer.
const TRANSIT_US_MAX: u64 = 400 * 86_400 * 1_000_000;
/// A message that arrived by more than this before its sending time shows that clocks differ:
/// rounding can't explain it.
const ROUNDING_US_MAX: u64 = 1_000_000;

/// The transit time of one message, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransitSample {
    /// Arrival minus sending time; negative if the arrival comes first.
    Time {
        us: i64,
        resolution: Resolution,
    },
    WithoutField,
    /// The field has no time in a known format.
    Unreadable,
    /// Only the envelope of the message was stored.
    NotStored,
}

/// Transit times of a group of messages.
#[derive(Debug, Clone)]
pub struct TransitTally {
    /// In µs; a negative time counts as 0.
    times: Histogram<u64>,
    negative: u64,
    negative_max_us: u64,
    without_field: u64,
    unreadable: u64,
    not_stored: u64,
    /// The coarsest resolution of any sending time; `None` without one.
    resolution: Option<Resolution>,
}

/// The figures in `--json` (docs/stats-format.md). Keys keep their meaning.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TransitFigures {
    /// Percentiles; negative times count as 0.
    pub transit_us: Percentiles,
    /// Messages that arrived before their sending time.
    pub negative: u64,
    /// The largest such difference, in µs.
    pub negative_max_us: u64,
    /// Messages whose header was stored, but does not have the field.
    pub without_field: u64,
    /// Messages whose field has no readable time.
    pub unreadable: u64,
    /// Messages whose header section was not stored.
    pub not_stored: u64,
    /// The coarsest resolution of the field; null if no message has a readable time in it.
    pub resolution_ms: Option<u64>,
}

/// The transit times of all messages of a span.
#[derive(Debug, Clone, Serialize)]
pub struct OverallTransit {
    /// The name of the header field with the sending time.
    pub field: String,
    /// The transit times of all messages in the span.
    #[serde(flatten)]
    pub all: TransitFigures,
    /// Messages whose envelope is no longer readable in the log; null if their number is unknown.
    pub missing: Option<u64>,
    /// Missing messages whose slot or envelope is damaged.
    #[serde(skip)]
    pub damaged: u64,
    /// Parts of the log with an unknown number of missing messages: segments that can't be read,
    /// and damaged counts or flags.
    #[serde(skip)]
    pub log_faults: u64,
}

impl TransitSample {
    /// Computes the transit time of a message. `payload` is the stored payload from its beginning;
    /// `name` is the name of the field with the sending time. If there are several such fields, the
    /// first counts, because it was added last.
    pub fn read(name: &str, facts: &SlotFacts, payload: &[u8]) -> TransitSample {
        if facts.mode == StoredPart::Envelope {
            return TransitSample::NotStored;
        }
        // Dot-stuffing does not matter: a line that begins with a dot is not the field.
        let Some(field) = fields(payload).find(|field| field.is_named(name)) else {
            return TransitSample::WithoutField;
        };
        let Some((sent_us, resolution)) = moment(&field.unfolded()) else {
            return TransitSample::Unreadable;
        };
        let arrived_us =
            i64::try_from(facts.received_at_ns.as_duration().as_micros()).unwrap_or(i64::MAX);
        TransitSample::Time { us: arrived_us.saturating_sub(sent_us), resolution }
    }
}

impl Default for TransitTally {
    fn default() -> TransitTally {
        let times = Histogram::new_with_bounds(1, TRANSIT_US_MAX, 2);
        TransitTally {
            times: times.expect("the bounds are in order, and two digits are allowed"),
            negative: 0,
            negative_max_us: 0,
            without_field: 0,
            unreadable: 0,
            not_stored: 0,
            resolution: None,
        }
    }
}

impl TransitTally {
    pub fn add(&mut self, reading: TransitSample) {
        match reading {
            TransitSample::Time { us, resolution } => {
                self.times.saturating_record(u64::try_from(us).unwrap_or(0).min(TRANSIT_US_MAX));
                if us < 0 {
                    self.negative += 1;
                    self.negative_max_us = self.negative_max_us.max(us.unsigned_abs());
                }
                self.resolution = self.resolution.max(Some(resolution));
            }
            TransitSample::WithoutField => self.without_field += 1,
            TransitSample::Unreadable => self.unreadable += 1,
            TransitSample::NotStored => self.not_stored += 1,
        }
    }

    pub fn merge(&mut self, other: &TransitTally) {
        self.times.add(&other.times).expect("both have the same bounds");
        self.negative += other.negative;
        self.negative_max_us = self.negative_max_us.max(other.negative_max_us);
        self.without_field += other.without_field;
        self.unreadable += other.unreadable;
        self.not_stored += other.not_stored;
        self.resolution = self.resolution.max(other.resolution);
    }

    pub fn figures(&self) -> TransitFigures {
        TransitFigures {
            transit_us: Percentiles::of(&self.times),
            negative: self.negative,
            negative_max_us: self.negative_max_us,
            without_field: self.without_field,
            unreadable: self.unreadable,
            not_stored: self.not_stored,
            resolution_ms: self.resolution.map(|resolution| match resolution {
                Resolution::Millisecond => 1,
                Resolution::Second => 1000,
            }),
        }
    }
}

impl TransitFigures {
    /// Returns the number of messages in the log without a transit time.
    pub fn left_out(&self) -> u64 {
        self.without_field + self.unreadable + self.not_stored
    }
}

impl OverallTransit {
    /// Returns whether no message is missing because of damage.
    pub fn is_undamaged(&self) -> bool {
        self.damaged + self.log_faults == 0
    }

    /// Returns why no claim can be checked; `None` if claims can be.
    pub fn gap(&self) -> Option<TransitGap> {
        if self.damaged > 0 {
            return Some(TransitGap::Damaged(self.damaged));
        }
        if self.log_faults > 0 {
            return Some(TransitGap::DamagedLog(self.log_faults));
        }
        let is_empty = self.all.transit_us.count + self.all.left_out() == 0;
        is_empty.then(|| TransitGap::NoMessage(self.left_out()))
    }

    /// Returns why no percentile can be judged; `None` if percentiles can be.
    pub fn doubt(&self) -> Option<TransitGap> {
        let TransitFigures { transit_us, negative, negative_max_us, .. } = &self.all;
        if transit_us.count == 0 {
            let (field, left_out) = (self.field.clone(), self.left_out());
            return Some(TransitGap::NoTime { field, left_out });
        }
        let (messages, by_us_max) = (*negative, *negative_max_us);
        (by_us_max > ROUNDING_US_MAX).then_some(TransitGap::ClocksDiffer { messages, by_us_max })
    }

    /// Returns the messages without a transit time; `None` if there are none.
    pub fn left_out(&self) -> Option<TransitOmissions> {
        let TransitFigures { without_field, unreadable, not_stored, .. } = self.all;
        let missing = self.missing;
        let left_out = TransitOmissions { without_field, unreadable, not_stored, missing };
        Some(left_out).filter(|left_out| !left_out.is_nothing())
    }

    /// Returns sentences that say what the figures cover.
    pub fn sentences(&self) -> Vec<String> {
        let TransitFigures { transit_us, negative, negative_max_us, resolution_ms, .. } = &self.all;
        let mut texts = Vec::new();
        if transit_us.count == 0 {
            texts.push(format!("no message has a time in {}", self.field));
        } else {
            let messages = counted(transit_us.count, "message", "messages");
            let step = if *resolution_ms == Some(1) { "1 ms" } else { "1 s" };
            texts.push(format!("arrival minus {}, of {messages}; resolution {step}", self.field));
        }
        texts.extend(self.left_out().map(|why| format!("left out: {why}")));
        if *negative > 0 {
            let messages = counted(*negative, "message", "messages");
            let by = seconds(*negative_max_us as f64 / 1e6);
            texts
                .push(format!("{messages} arrived before being sent, by up to {by}: counted as 0"));
            texts.push("clocks differ, or the sender rounds the time up".into());
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_counts_once_whatever_it_says_and_merging_loses_none() {
        let transit = |us, resolution| TransitSample::Time { us, resolution };
        let readings = [
            transit(2_000_000, Resolution::Millisecond),
            transit(-3_000, Resolution::Second),
            transit(i64::MAX, Resolution::Millisecond),
            TransitSample::WithoutField,
            TransitSample::Unreadable,
            TransitSample::NotStored,
        ];
        let (mut one, mut left, mut right) =
            <(TransitTally, TransitTally, TransitTally)>::default();
        for (n, reading) in readings.into_iter().enumerate() {
            one.add(reading);
            if n % 2 == 0 { left.add(reading) } else { right.add(reading) }
        }
        left.merge(&right);
        let figures = left.figures();
        assert_eq!(figures, one.figures());
        assert_eq!((figures.transit_us.count, figures.left_out()), (3, 3));
        assert_eq!((figures.negative, figures.negative_max_us), (1, 3_000));
        assert_eq!((figures.transit_us.p50 / 100_000, figures.resolution_ms), (20, Some(1000)));
    }

    #[test]
    fn percentiles_are_in_doubt_without_a_time_and_where_clocks_differ() {
        let overall = |readings: &[i64]| {
            let mut all = TransitTally::default();
            let resolution = Resolution::Millisecond;
            readings.iter().for_each(|&us| all.add(TransitSample::Time { us, resolution }));
            let field = String::from("X-Sent");
            OverallTransit {
                field,
                all: all.figures(),
                missing: Some(0),
                damaged: 0,
                log_faults: 0,
            }
        };
        assert!(
            overall(&[]).doubt().unwrap().to_string().contains("no message has a time in X-Sent")
        );
        assert_eq!(overall(&[5, -1_000_000]).doubt(), None);
        assert!(
            overall(&[5, -1_000_001])
                .doubt()
                .unwrap()
                .to_string()
                .contains("clocks differ: 1 message")
        );
        let damaged = OverallTransit { damaged: 2, ..overall(&[5]) };
        assert!(damaged.gap().unwrap().to_string().contains("2 messages are damaged"));
        let cut = OverallTransit { log_faults: 1, ..overall(&[5]) };
        assert_eq!(cut.gap().unwrap().to_string(), "1 part of the log is damaged");
        assert!(overall(&[5]).is_undamaged() && !damaged.is_undamaged() && !cut.is_undamaged());
        let pruned = OverallTransit { missing: Some(3), ..overall(&[]) };
        assert!(
            pruned
                .gap()
                .unwrap()
                .to_string()
                .contains("the log has no message here: 3 no longer in the")
        );
        assert_eq!(overall(&[5]).gap(), None);
    }
}
