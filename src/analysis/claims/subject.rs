//! What claims are about: `totals.*`, `rate.*`, metrics with their percentiles, `replies.*`, ...
use super::super::gathered::RunStatistics;
use super::super::metric_name::{metric, metrics};
use super::super::nearest::{unknown, unknown_of_many};
use super::super::transit::OverallTransit;
use super::evidence::Evidence;
use super::limit::{self, ClaimLimit};
use super::total::ClaimTotal;
use crate::stats::{LimitedBy, Metric, Percentiles};
use crate::wording::{decimals, exact_duration};

/// A number of a run, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimSubject {
    Total(ClaimTotal),
    Rate(&'static str),
    Metric(Metric, &'static str),
    /// Replies whose code begins so: `replies.4xx`, `replies.452`.
    Replies {
        code: [u8; 3],
        digits: usize,
    },
    /// Share of the busiest event loop.
    Busy(&'static str),
    /// Arrival minus the time in a header field.
    Transit(&'static str),
    /// The highest figure of any client.
    Limits(ClaimLimit),
    LimitedBy,
    NotRecorded,
}

/// What a subject is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimUnit {
    None,
    /// A number that is not a rate.
    Count,
    Micros,
    Bytes,
    Share,
}

/// What was found.
pub enum ClaimValue {
    Number(f64),
    Word(&'static str),
}

const RATES: [&str; 3] = ["mean", "median", "max"];
const PERCENTILES: [&str; 8] = ["count", "mean", "p50", "p90", "p99", "p99_9", "p99_99", "max"];
const TRANSIT: [&str; 12] = [
    "count",
    "mean",
    "p50",
    "p90",
    "p99",
    "p99_9",
    "p99_99",
    "max",
    "negative",
    "without_field",
    "unreadable",
    "not_stored",
];
const BUSY: [&str; 2] = ["median", "max"];

/// Subjects other than metrics.
const OTHERS: [&str; 8] =
    ["totals", "rate", "busy", "replies", "transit", "limits", "limited_by", "not_recorded"];

/// What a claim may be about, each with its figures.
pub fn subjects() -> impl Iterator<Item = (&'static str, String)> {
    let figures = |name| match name {
        "totals" => ClaimTotal::names().collect::<Vec<_>>().join(", "),
        "rate" => RATES.join(", "),
        "busy" => BUSY.join(", "),
        "replies" => "5xx, 45x, 452, ...".into(),
        "transit" => TRANSIT.join(", "),
        "limits" => limit::NAMES.join(", "),
        _ => String::new(),
    };
    let others = OTHERS.into_iter().map(move |name| (name, figures(name)));
    others.chain(metrics().map(|name| (name, PERCENTILES.join(", "))))
}

/// The name as the table has it; an error lists the table.
fn one_of(what: &str, name: &str, table: &[&'static str]) -> Result<&'static str, String> {
    let found = table.iter().copied().find(|known| *known == name);
    let error = || unknown(&format!("figure of {what}"), name, table.iter().copied());
    found.ok_or_else(|| error().to_string())
}

impl std::str::FromStr for ClaimSubject {
    type Err = String;

    fn from_str(name: &str) -> Result<ClaimSubject, String> {
        let (what, part) = name.split_once('.').unwrap_or((name, ""));
        match what {
            "totals" => part.parse().map(ClaimSubject::Total),
            "rate" => one_of(what, part, &RATES).map(ClaimSubject::Rate),
            "busy" => one_of(what, part, &BUSY).map(ClaimSubject::Busy),
            "limited_by" | "not_recorded" if !part.is_empty() || name.ends_with('.') => {
                Err(format!("{what} has no figures: write '{what}', not '{name}'"))
            }
            "limited_by" => Ok(ClaimSubject::LimitedBy),
            "not_recorded" => Ok(ClaimSubject::NotRecorded),
            "limits" => part.parse().map(ClaimSubject::Limits),
            "replies" => replies(part),
            "transit" | "transit_us" => one_of(what, part, &TRANSIT).map(ClaimSubject::Transit),
            _ => {
                let known = || OTHERS.into_iter().chain(metrics());
                let list = "sinkctl assert --subjects";
                let error = || unknown_of_many("subject", what, known(), list).to_string();
                let metric = metric(what).ok_or_else(error)?;
                Ok(ClaimSubject::Metric(metric, one_of(what, part, &PERCENTILES)?))
            }
        }
    }
}

/// `5xx`, `45x`, `452`.
fn replies(part: &str) -> Result<ClaimSubject, String> {
    let digits = part.trim_end_matches('x');
    let is_code = part.len() == 3
        && digits.bytes().all(|b| b.is_ascii_digit())
        && matches!(digits.as_bytes().first(), Some(b'2'..=b'5'));
    match part.as_bytes().try_into() {
        Ok(code) if is_code => Ok(ClaimSubject::Replies { code, digits: digits.len() }),
        _ => Err(format!("expected replies such as 5xx, 45x or 452, found '{part}'")),
    }
}

impl ClaimSubject {
    /// `None`: it is a word.
    pub fn unit(&self) -> Option<ClaimUnit> {
        Some(match self {
            ClaimSubject::LimitedBy => return None,
            ClaimSubject::Limits(_) => ClaimUnit::Count,
            ClaimSubject::Metric(_, "count") => ClaimUnit::None,
            ClaimSubject::Metric(metric, _) => match metric.unit() {
                "us" => ClaimUnit::Micros,
                "B" | "B/s" => ClaimUnit::Bytes,
                _ => ClaimUnit::None,
            },
            ClaimSubject::Transit(which)
                if *which == "mean" || PERCENTILES[2..].contains(which) =>
            {
                ClaimUnit::Micros
            }
            ClaimSubject::Total(ClaimTotal::Bytes) => ClaimUnit::Bytes,
            ClaimSubject::Busy(_) => ClaimUnit::Share,
            _ => ClaimUnit::None,
        })
    }

    /// Whether it says something of messages that were accepted.
    fn needs_messages(&self) -> bool {
        matches!(self, ClaimSubject::Rate(_) | ClaimSubject::LimitedBy)
    }

    /// Whether it counts what came. Then none is a finding; of all others it is the lack of one.
    pub fn counts_traffic(&self) -> bool {
        match self {
            ClaimSubject::Total(total) => !total.counts_faults(),
            ClaimSubject::Metric(_, which) => *which == "count",
            _ => false,
        }
    }

    /// A word that it may be.
    ///
    /// Errors: it is none; those that there are.
    pub fn word(&self, word: &str) -> Result<&'static str, String> {
        let known = || LimitedBy::ALL.iter().map(|limit| limit.name());
        let found = known().find(|known| *known == word);
        found.ok_or_else(|| unknown("verdict", word, known()).to_string())
    }

    /// The error: there is nothing to compare.
    pub fn of(&self, evidence: &Evidence) -> Result<ClaimValue, String> {
        let Evidence { gathered, limits } = evidence;
        let RunStatistics { history, summary, verdict, not_recorded, .. } = gathered;
        let value = match self {
            ClaimSubject::Total(total) => total.of(&summary.totals) as f64,
            _ if self.needs_messages() && summary.totals.messages == 0 => {
                return Err("no message was accepted".into());
            }
            ClaimSubject::Rate(which) => match *which {
                "mean" => summary.rate.mean,
                "median" => summary.rate.median,
                _ => summary.rate.max,
            },
            ClaimSubject::Metric(metric, which) => percentile(history.histogram(*metric), which)?,
            ClaimSubject::Transit(which) => transit(gathered.transit.as_ref(), which)?,
            ClaimSubject::Limits(limit) => {
                limit.of(limits.as_ref().ok_or("limits were not read")?)? as f64
            }
            ClaimSubject::Replies { code, digits } => {
                let is_meant =
                    |name: &str| name.as_bytes().get(..*digits) == Some(&code[..*digits]);
                let replies = history.replies();
                replies.iter().filter(|(name, _)| is_meant(name)).map(|(_, n)| *n).sum::<u64>()
                    as f64
            }
            ClaimSubject::Busy("median") => summary.busy_share.0,
            ClaimSubject::Busy(_) => summary.busy_share.1,
            ClaimSubject::LimitedBy => return Ok(ClaimValue::Word(verdict.limited_by.name())),
            ClaimSubject::NotRecorded => not_recorded.ok_or("the log cannot be read")? as f64,
        };
        Ok(ClaimValue::Number(value))
    }
}

fn percentile(
    histogram: Option<&hdrhistogram::Histogram<u64>>,
    which: &str,
) -> Result<f64, String> {
    let Some(histogram) = histogram else {
        return if which == "count" { Ok(0.0) } else { Err("nothing was recorded".into()) };
    };
    Ok(figure(&Percentiles::of(histogram), which))
}

/// Returns the figure `which`. The error states why the figure is missing.
fn transit(transit: Option<&OverallTransit>, which: &str) -> Result<f64, String> {
    let overall = transit.ok_or("transit times were not read")?;
    let all = &overall.all;
    if let Some(why) = overall.gap() {
        return Err(why);
    }
    let is_figure = which != "count" && PERCENTILES.contains(&which);
    match overall.doubt() {
        // How many are before their time is what tells that clocks differ.
        Some(why) if is_figure || (which == "negative" && all.transit_us.count == 0) => Err(why),
        _ => Ok(match which {
            "negative" => all.negative as f64,
            "without_field" => all.without_field as f64,
            "unreadable" => all.unreadable as f64,
            "not_stored" => all.not_stored as f64,
            _ => figure(&all.transit_us, which),
        }),
    }
}

fn figure(p: &Percentiles, which: &str) -> f64 {
    match which {
        "count" => p.count as f64,
        "mean" => p.mean,
        "p50" => p.p50 as f64,
        "p90" => p.p90 as f64,
        "p99" => p.p99 as f64,
        "p99_9" => p.p99_9 as f64,
        "p99_99" => p.p99_99 as f64,
        _ => p.max as f64,
    }
}

impl ClaimUnit {
    /// Endings, and what they multiply by.
    fn endings(self) -> &'static [(&'static str, f64)] {
        match self {
            ClaimUnit::Count => &[("", 1.0), ("k", 1e3), ("M", 1e6)],
            ClaimUnit::None => &[("", 1.0), ("/s", 1.0), ("k", 1e3), ("M", 1e6)],
            ClaimUnit::Micros => &[("us", 1.0), ("µs", 1.0), ("ms", 1e3), ("s", 1e6)],
            ClaimUnit::Bytes => &[
                ("", 1.0),
                ("B", 1.0),
                ("K", 1024.0),
                ("KiB", 1024.0),
                ("M", 1_048_576.0),
                ("MiB", 1_048_576.0),
                ("G", 1_073_741_824.0),
                ("GiB", 1_073_741_824.0),
                ("T", 1_099_511_627_776.0),
                ("TiB", 1_099_511_627_776.0),
                ("kB", 1e3),
                ("MB", 1e6),
                ("GB", 1e9),
                ("TB", 1e12),
            ],
            ClaimUnit::Share => &[("", 1.0), ("%", 0.01)],
        }
    }

    /// Parses a bound with its unit.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        let end = text.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
        let (digits, ending) = (&text[..end], text[end..].trim());
        let value: f64 =
            digits.parse().map_err(|_| format!("expected a number, found '{text}'"))?;
        let known = self.endings().iter().find(|(known, _)| *known == ending);
        let (_, factor) = known.ok_or_else(|| {
            let names: Vec<_> = self.endings().iter().map(|(name, _)| *name).collect();
            let names = names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>();
            format!("expected a number with one of the units {}, found '{text}'", names.join(", "))
        })?;
        Ok(value * factor)
    }

    /// A value for a person.
    pub fn text(self, value: f64) -> String {
        match self {
            ClaimUnit::None | ClaimUnit::Count => decimals(value),
            ClaimUnit::Micros => exact_duration(value),
            ClaimUnit::Bytes => format!("{} bytes", decimals(value)),
            ClaimUnit::Share => format!("{}%", decimals(value * 100.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_subject_is_one_with_each_of_its_figures() {
        let mut subjects = 0;
        for (name, figures) in super::subjects() {
            subjects += 1;
            for figure in figures.split(", ").filter(|figure| *figure != "...") {
                let name = if figure.is_empty() { name.into() } else { format!("{name}.{figure}") };
                assert!(name.parse::<ClaimSubject>().is_ok(), "{name}");
            }
        }
        assert_eq!(subjects, OTHERS.len() + Metric::ALL.len());
    }

    #[test]
    fn bytes_have_the_units_of_sizes_and_those_of_the_output() {
        let units = [("1K", 10), ("1KiB", 10), ("1M", 20), ("1G", 30), ("1T", 40), ("1TiB", 40)];
        for (text, shift) in units {
            assert_eq!(ClaimUnit::Bytes.parse(text), Ok((1_u64 << shift) as f64), "{text}");
        }
        assert_eq!(ClaimUnit::Bytes.parse("1TB"), Ok(1e12));
        let error = ClaimUnit::Bytes.parse("1P").unwrap_err();
        assert_eq!(error.matches(" B,").count(), 1, "{error}");
    }
}
