//! The section about what limited the run: a headline and the evidence.
use sinkd::plot::PlotUnit;
use sinkd::stats::LimitedBy;

use sinkd::analysis::report::ReportData;
use sinkd::analysis::verdict_sentence;

/// The first section of the page.
#[derive(Debug, Clone)]
pub struct VerdictSection {
    /// One sentence.
    pub headline: String,
    /// The evidence: names and values.
    pub figures: Vec<(String, String)>,
    /// Whether the sink's ceiling was reached, which must not be mistaken for the sender's: shown
    /// as an alarm.
    pub is_saturated: bool,
}

/// Returns the section; `None` for a run without messages.
pub fn verdict(run: &ReportData) -> Option<VerdictSection> {
    run.summary.span?;
    let found = &run.verdict;
    let share =
        |name: &str, share: f64| (format!("time of the {name}"), PlotUnit::Share.text(share));
    if run.history.is_of_sender() {
        return Some(of_sender(found));
    }
    let mut figures = vec![
        share("sender", found.shares.sender),
        share("network", found.shares.network),
        share("sink", found.shares.sink),
        (String::from("busiest loop, median"), PlotUnit::Share.text(found.headroom.busy_share)),
    ];
    if let (Some(rate), None) = (found.headroom.messages_per_s, &found.calibrated) {
        figures.push((String::from("room up to"), PlotUnit::PerSecond.text(rate.round())));
    }
    let limit = match found.limited_by() {
        LimitedBy::Undecided => String::from("Nothing stands out as the limit"),
        known => format!("Limited by the {}", known.name()),
    };
    let headline = format!("{limit}: {}", verdict_sentence(found));
    Some(VerdictSection { headline, figures, is_saturated: found.is_saturated() })
}

/// Makes the section from a sender's records, which do not show where the time of its connections
/// went.
fn of_sender(found: &sinkd::stats::Verdict) -> VerdictSection {
    let busy = PlotUnit::Share.text(found.headroom.busy_share);
    let what = match found.limited_by() {
        LimitedBy::Sender => "Limited by the sender itself",
        _ => "Recorded by the sender",
    };
    VerdictSection {
        headline: format!("{what}: {}", verdict_sentence(found)),
        figures: vec![(String::from("busiest thread, median"), busy)],
        is_saturated: false,
    }
}
