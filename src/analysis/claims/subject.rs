//! What claims are about: `totals.*`, `rate.*`, metrics with their percentiles, `replies.*`, ...
use super::error::ClaimFault;
use super::evidence::Evidence;
use super::failure::{ClaimFailure, EvidenceGap};
use super::figure::{ClaimBusy, ClaimPercentile, ClaimRate, ClaimTransit, figure, names};
use super::limit::{self, ClaimLimit};
use super::total::ClaimTotal;
use super::unit::ClaimUnit;
use crate::analysis::statistics::RunStatistics;
use crate::analysis::statistics::{metric, metrics};
use crate::analysis::transit::OverallTransit;
use crate::stats::{LimitedBy, Metric, MetricUnit, Percentiles};
use crate::wording::Unexpected;
use crate::wording::{unknown, unknown_of_many};

/// What a claim can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimSubject {
    /// A number, which any operator can compare.
    Figure(ClaimFigure),
    /// The verdict: what limited the run. Verdicts have no order.
    LimitedBy,
}

/// A figure of a run that claims can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimFigure {
    Total(ClaimTotal),
    Rate(ClaimRate),
    Metric(Metric, ClaimPercentile),
    /// Replies whose code begins with these digits: `replies.4xx`, `replies.452`.
    Replies {
        code: [u8; 3],
        digits: usize,
    },
    /// The busy share of the busiest event loop.
    Busy(ClaimBusy),
    /// The transit time: arrival minus the time in a header field.
    Transit(ClaimTransit),
    /// The highest figure of any client.
    Limits(ClaimLimit),
    NotRecorded,
}

/// Subjects other than metrics.
const OTHERS: [&str; 8] =
    ["totals", "rate", "busy", "replies", "transit", "limits", "limited_by", "not_recorded"];

/// Returns the possible subjects, each with its figures.
pub fn subjects() -> impl Iterator<Item = (&'static str, String)> {
    let figures = |name| match name {
        "totals" => joined(ClaimTotal::names()),
        "rate" => joined(names::<ClaimRate>()),
        "busy" => joined(names::<ClaimBusy>()),
        "replies" => "5xx, 45x, 452, ...".into(),
        "transit" => joined(names::<ClaimTransit>()),
        "limits" => joined(limit::NAMES),
        _ => String::new(),
    };
    let others = OTHERS.into_iter().map(move |name| (name, figures(name)));
    others.chain(metrics().map(|name| (name, joined(names::<ClaimPercentile>()))))
}

fn joined(names: impl IntoIterator<Item = &'static str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

impl std::str::FromStr for ClaimSubject {
    type Err = ClaimFault;

    fn from_str(name: &str) -> Result<ClaimSubject, ClaimFault> {
        let (what, part) = name.split_once('.').unwrap_or((name, ""));
        Ok(ClaimSubject::Figure(match what {
            "totals" => ClaimFigure::Total(part.parse()?),
            "rate" => ClaimFigure::Rate(figure(what, part)?),
            "busy" => ClaimFigure::Busy(figure(what, part)?),
            "limited_by" | "not_recorded" if !part.is_empty() || name.ends_with('.') => {
                return Err(ClaimFault::Figures { subject: what.into(), found: name.into() });
            }
            "limited_by" => return Ok(ClaimSubject::LimitedBy),
            "not_recorded" => ClaimFigure::NotRecorded,
            "limits" => ClaimFigure::Limits(part.parse()?),
            "replies" => replies(part)?,
            "transit" | "transit_us" => ClaimFigure::Transit(figure(what, part)?),
            _ => ClaimFigure::Metric(
                metric(what).ok_or_else(|| no_subject(what))?,
                figure(what, part)?,
            ),
        }))
    }
}

/// Lists the metrics under their names in claims: without the unit of time at the end.
fn no_subject(found: &str) -> ClaimFault {
    let metrics = Metric::ALL.iter().map(|metric| metric.short_name());
    let known = OTHERS.into_iter().chain(metrics);
    ClaimFault::Subject(unknown_of_many("subject", found, known))
}

/// Parses `5xx`, `45x` or `452`.
fn replies(part: &str) -> Result<ClaimFigure, Unexpected> {
    let digits = part.trim_end_matches('x');
    let is_code = part.len() == 3
        && digits.bytes().all(|b| b.is_ascii_digit())
        && matches!(digits.as_bytes().first(), Some(b'2'..=b'5'));
    match part.as_bytes().try_into() {
        Ok(code) if is_code => Ok(ClaimFigure::Replies { code, digits: digits.len() }),
        _ => Err(Unexpected::new("replies such as 5xx, 45x or 452", part)),
    }
}

impl ClaimFigure {
    /// Returns the unit of the figure.
    pub fn unit(&self) -> ClaimUnit {
        match self {
            ClaimFigure::Limits(_) => ClaimUnit::Count,
            ClaimFigure::Metric(_, ClaimPercentile::Count) => ClaimUnit::Number,
            ClaimFigure::Metric(metric, _) => match metric.unit() {
                MetricUnit::Microseconds => ClaimUnit::Micros,
                MetricUnit::Bytes | MetricUnit::BytesPerSecond => ClaimUnit::Bytes,
                MetricUnit::Number => ClaimUnit::Number,
            },
            ClaimFigure::Transit(ClaimTransit::Time(ClaimPercentile::Count)) => ClaimUnit::Number,
            ClaimFigure::Transit(ClaimTransit::Time(_)) => ClaimUnit::Micros,
            ClaimFigure::Total(ClaimTotal::Bytes) => ClaimUnit::Bytes,
            ClaimFigure::Busy(_) => ClaimUnit::Share,
            ClaimFigure::Transit(_)
            | ClaimFigure::Total(_)
            | ClaimFigure::Rate(_)
            | ClaimFigure::Replies { .. }
            | ClaimFigure::NotRecorded => ClaimUnit::Number,
        }
    }

    /// Returns whether the figure counts traffic. If nothing was recorded, such a figure is 0; any
    /// other has no value.
    pub fn counts_traffic(&self) -> bool {
        match self {
            ClaimFigure::Total(total) => !total.counts_faults(),
            ClaimFigure::Metric(_, which) => *which == ClaimPercentile::Count,
            _ => false,
        }
    }

    /// Returns the figure.
    ///
    /// Errors: the figure has no value.
    pub fn value_in(&self, evidence: &Evidence) -> Result<f64, ClaimFailure> {
        let Evidence { gathered, limits } = evidence;
        let RunStatistics { history, summary, not_recorded, .. } = gathered;
        let value = match self {
            ClaimFigure::Total(total) => total.value_in(&summary.totals) as f64,
            ClaimFigure::Rate(_) if summary.totals.messages == 0 => {
                return Err(ClaimFailure::NoMessage);
            }
            ClaimFigure::Rate(ClaimRate::Mean) => summary.rate.mean,
            ClaimFigure::Rate(ClaimRate::Median) => summary.rate.median,
            ClaimFigure::Rate(ClaimRate::Max) => summary.rate.max,
            ClaimFigure::Metric(metric, which) => percentile(history.histogram(*metric), *which)?,
            ClaimFigure::Transit(which) => transit(gathered.transit.as_ref(), *which)?,
            ClaimFigure::Limits(limit) => {
                limit.value_in(limits.as_ref().ok_or(ClaimFailure::LimitsNotRead)?)? as f64
            }
            ClaimFigure::Replies { code, digits } => {
                let is_meant =
                    |name: &str| name.as_bytes().get(..*digits) == Some(&code[..*digits]);
                let replies = history.replies();
                replies.iter().filter(|(name, _)| is_meant(name)).map(|(_, n)| *n).sum::<u64>()
                    as f64
            }
            ClaimFigure::Busy(ClaimBusy::Median) => summary.busy_share.median,
            ClaimFigure::Busy(ClaimBusy::Max) => summary.busy_share.max,
            ClaimFigure::NotRecorded => not_recorded.ok_or(ClaimFailure::LogNotRead)? as f64,
        };
        Ok(value)
    }
}

/// Returns the verdict with this name. The error lists all names.
pub fn verdict(name: &str) -> Result<LimitedBy, Unexpected> {
    let found = LimitedBy::ALL.into_iter().find(|known| known.name() == name);
    found.ok_or_else(|| unknown("verdict", name, LimitedBy::ALL.iter().map(|known| known.name())))
}

fn percentile(
    histogram: Option<&hdrhistogram::Histogram<u64>>,
    which: ClaimPercentile,
) -> Result<f64, ClaimFailure> {
    match (histogram, which) {
        (Some(histogram), _) => Ok(which.value_in(&Percentiles::of(histogram))),
        (None, ClaimPercentile::Count) => Ok(0.0),
        (None, _) => Err(ClaimFailure::NoValue),
    }
}

/// Returns a figure of the transit times. The error says why it is missing.
fn transit(transit: Option<&OverallTransit>, which: ClaimTransit) -> Result<f64, ClaimFailure> {
    let overall = transit.ok_or(ClaimFailure::TransitNotRead)?;
    let all = &overall.all;
    if let Some(gap) = overall.gap() {
        return Err(EvidenceGap::from(gap).into());
    }
    let needs_judgment = match which {
        ClaimTransit::Time(figure) => figure != ClaimPercentile::Count,
        // The number of messages that arrived before they were sent shows that clocks differ.
        ClaimTransit::Negative => all.transit_us.count == 0,
        ClaimTransit::WithoutField | ClaimTransit::Unreadable | ClaimTransit::NotStored => false,
    };
    if let Some(doubt) = overall.doubt().filter(|_| needs_judgment) {
        return Err(EvidenceGap::from(doubt).into());
    }
    Ok(match which {
        ClaimTransit::Time(figure) => figure.value_in(&all.transit_us),
        ClaimTransit::Negative => all.negative as f64,
        ClaimTransit::WithoutField => all.without_field as f64,
        ClaimTransit::Unreadable => all.unreadable as f64,
        ClaimTransit::NotStored => all.not_stored as f64,
    })
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
}
