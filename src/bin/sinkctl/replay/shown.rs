//! Shows what a replay will do and has done, as text and JSON.
use serde_json::{Value, json};
use sinkd::plot::PlotUnit;
use sinkd::sender;
use sinkd::sender::Target;
use sinkd::sender::replay::{ReplayCount, ReplayPace, ReplayTally, SessionMapping, Survey};
use sinkd::wording::counted;

use super::options::Replay;
use crate::base::print::{rfc3339, seconds};
use crate::sending::ReplayOutcomes;

/// Maximum number of messages per kind that are shown as text.
const EXAMPLES_MAX: usize = 5;

/// Everything known before the first message leaves.
pub struct Intent<'a> {
    pub replay: &'a Replay,
    pub target: &'a Target,
    pub address: String,
    pub survey: &'a Survey,
    pub pace: ReplayPace,
    pub sessions: SessionMapping,
    pub connections: usize,
}

/// The kinds that have a line in the report and may have examples, with the labels of the lines.
const OUTCOME_LINES: &[(ReplayCount, &str)] = &[
    (ReplayCount::PartlyAccepted, "partly accepted: rejected for some recipients"),
    (ReplayCount::Rejected, "rejected"),
    (ReplayCount::Deferred, "deferred (4xx)"),
    (ReplayCount::NotSent, "not sent: their connections failed, or sending ended"),
    (ReplayCount::Unknown, "sent, and not acknowledged: may have been accepted"),
    (
        ReplayCount::PossibleDuplicates,
        "sent again although an earlier attempt may have been accepted: possibly delivered twice",
    ),
    (ReplayCount::Withheld, "withheld: must not be sent to this server"),
    (ReplayCount::NotStored, "not stored in full, so not sent"),
    (ReplayCount::Gone, "removed or pruned, so not sent"),
    (ReplayCount::Damaged, "damaged, so not sent"),
    (ReplayCount::Unsendable, "without an envelope that could be sent"),
    (
        ReplayCount::Unwritten,
        "times the resume file could not be written: it says less than was done",
    ),
];

impl Intent<'_> {
    /// Returns the duration in seconds, if the timing determines it.
    fn seconds(&self) -> Option<f64> {
        let Survey { left_ns, messages, .. } = self.survey;
        self.pace.seconds(*messages, left_ns.end.ns_since(left_ns.start))
    }

    /// Returns the lines of text.
    pub fn lines(&self, folder: &std::path::Path) -> Vec<String> {
        let survey = self.survey;
        let about = if survey.is_exact { "" } else { "about " };
        let about_recipients = if survey.is_recipients_exact { "" } else { "about " };
        let mut lines = vec![
            format!("replay of {} to {}", folder.display(), self.place()),
            format!(
                "  {about}{}, {about_recipients}{}, {}, originally {}",
                counted(survey.messages, "message", "messages"),
                counted(survey.recipients, "recipient", "recipients"),
                PlotUnit::Bytes.text(survey.octets as f64),
                counted(survey.sessions, "session", "sessions"),
            ),
        ];
        if survey.messages > 0 {
            let (from, to) = (rfc3339(survey.left_ns.start), rfc3339(survey.left_ns.end));
            lines.push(format!("  originally sent from {} to {}", short(&from), short(&to)));
        }
        let takes = self.seconds().map_or(String::new(), |s| format!(", in {}", seconds(s)));
        lines.push(format!("  {}{takes}", self.pace));
        lines.push(match self.sessions {
            SessionMapping::Original => "  one connection per original session".to_owned(),
            SessionMapping::Any => {
                format!("  over {}", counted(self.connections as u64, "connection", "connections"))
            }
        });
        lines.extend(self.changes());
        for (count, what) in [
            (survey.finished_earlier, "sent before, according to the resume file"),
            (survey.not_stored, "not stored in full: skipped"),
            (survey.unreadable, "unreadable: skipped"),
        ] {
            if count > 0 {
                lines.push(format!("  {about}{count} {what}"));
            }
        }
        if self.replay.resume.is_none() {
            lines.push("  cannot be resumed after an interruption (use --resume FILE)".into());
        }
        lines
    }

    /// Formats the target with its address, or alone if it was named by its address.
    fn place(&self) -> String {
        let target = self.target.to_string();
        if target.strip_prefix("lmtp:").unwrap_or(&target) == self.address {
            target
        } else {
            format!("{target} ({})", self.address)
        }
    }

    fn changes(&self) -> Vec<String> {
        let replay = self.replay;
        let mut changes = Vec::new();
        if let Some(path) = &replay.from {
            changes.push(format!("from <{path}>"));
        }
        if let Some(file) = &replay.map_recipients {
            changes.push(format!("recipients by {}", file.display()));
        }
        if let Some(domain) = &replay.to_domain {
            let others = if replay.map_recipients.is_some() { "other " } else { "" };
            changes.push(format!("{others}recipients at {domain}"));
        }
        changes.extend(replay.mark.iter().map(|mark| format!("with {mark}")));
        changes.into_iter().map(|change| format!("  {change}")).collect()
    }

    /// Returns the JSON object. Keys keep their meaning.
    pub fn to_json(&self) -> Value {
        let survey = self.survey;
        // Without messages there are no times.
        let time = |ns| (survey.messages > 0).then(|| rfc3339(ns));
        json!({
            "to": self.target.to_string(),
            "address": self.address,
            "messages": survey.messages,
            "recipients": survey.recipients,
            "bytes": survey.octets,
            "sessions": survey.sessions,
            "left_from": time(survey.left_ns.start),
            "left_until": time(survey.left_ns.end),
            "seconds": self.seconds(),
            "finished_earlier": survey.finished_earlier,
            "not_stored": survey.not_stored,
            "unreadable": survey.unreadable,
            "exact": survey.is_exact && survey.is_recipients_exact,
        })
    }
}

/// Returns the outcomes that only a replay reports.
pub fn outcomes(tally: &ReplayTally, planned: u64) -> ReplayOutcomes {
    let mut keys = serde_json::Map::new();
    for kind in ReplayCount::ALL {
        keys.insert(key(*kind).to_owned(), tally.count(*kind).into());
    }
    for (kind, key) in [
        (ReplayCount::PossibleDuplicates, "possible_duplicate_ids"),
        (ReplayCount::Unknown, "unknown_ids"),
    ] {
        keys.insert(key.to_owned(), tally.listed(kind).into());
    }
    keys.insert("planned".to_owned(), planned.into());
    ReplayOutcomes {
        messages: messages(tally, planned),
        lines: lines(tally),
        keys: [("replay".to_owned(), Value::Object(keys))].into_iter().collect(),
    }
}

/// Counts each message once, by the outcome of its last attempt; planned messages without an
/// outcome were not begun.
fn messages(tally: &ReplayTally, planned: u64) -> sender::SendingTally {
    let came = tally.finished() - tally.skipped();
    sender::SendingTally {
        not_started: planned.saturating_sub(came),
        started: tally.count(ReplayCount::Started),
        accepted: tally.count(ReplayCount::Accepted),
        partly_accepted: tally.count(ReplayCount::PartlyAccepted),
        deferred: tally.count(ReplayCount::Deferred),
        rejected: tally.count(ReplayCount::Rejected),
        not_sent: tally.count(ReplayCount::NotSent),
        unknown: tally.count(ReplayCount::Unknown),
        withheld: tally.count(ReplayCount::Withheld),
        ..sender::SendingTally::default()
    }
}

fn lines(tally: &ReplayTally) -> Vec<String> {
    let mut lines = Vec::new();
    let again = tally.count(ReplayCount::Retried);
    if again > 0 {
        lines.push(format!("{} beyond the first of each", counted(again, "try", "tries")));
    }
    for (kind, what) in OUTCOME_LINES {
        let count = tally.count(*kind);
        if count == 0 {
            continue;
        }
        let mut listed = tally.listed(*kind);
        listed.truncate(EXAMPLES_MAX);
        lines.push(format!("{count} {what}"));
        lines.extend(listed.iter().map(|one| format!("  {one}")));
        if count > listed.len() as u64 {
            lines.push(format!("  and {} more", count - listed.len() as u64));
        }
    }
    for (kind, what) in [
        (ReplayCount::RecipientsDuplicate, "recipients made equal to another one of their message"),
        (ReplayCount::FinishedEarlier, "sent before, according to the resume file"),
    ] {
        let count = tally.count(kind);
        if count > 0 {
            lines.push(format!("{count} {what}"));
        }
    }
    lines
}

fn key(kind: ReplayCount) -> &'static str {
    match kind {
        ReplayCount::Started => "begun",
        ReplayCount::Accepted => "accepted",
        ReplayCount::PartlyAccepted => "partly_accepted",
        ReplayCount::Rejected => "rejected",
        ReplayCount::Deferred => "deferred",
        ReplayCount::NotSent => "not_sent",
        ReplayCount::Unknown => "unknown",
        ReplayCount::Withheld => "withheld",
        ReplayCount::Retried => "retries",
        ReplayCount::PossibleDuplicates => "possible_duplicates",
        ReplayCount::FinishedEarlier => "finished_earlier",
        ReplayCount::NotStored => "not_stored",
        ReplayCount::Gone => "gone",
        ReplayCount::Damaged => "damaged",
        ReplayCount::Unsendable => "unsendable",
        ReplayCount::RecipientsAccepted => "recipients_accepted",
        ReplayCount::RecipientsRejected => "recipients_rejected",
        ReplayCount::RecipientsDuplicate => "recipients_duplicate",
        ReplayCount::Octets => "bytes",
        ReplayCount::Unwritten => "resume_not_written",
    }
}

/// Shortens a time to milliseconds, which are precise enough for text.
fn short(time: &str) -> String {
    format!("{}Z", &time[..23.min(time.len() - 1)])
}
