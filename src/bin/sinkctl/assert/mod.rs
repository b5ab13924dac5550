//! `sinkctl assert`: checks claims about a run, for CI.
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use sinkd::analysis::claims::{
    CheckedClaim, Claim, ClaimFailure, Evidence, check, subjects, windows_s,
};
use sinkd::machine::read_text_at_most;

use crate::base::data::most_severe;
use crate::base::outcome::{Finding, Out};
use crate::base::span::{SentField, TimeRange, selection};

mod advice;
mod json;
mod junit;

use advice::{claim, reason};
use json::{ClaimOutcome, ClaimRow};

#[derive(Debug, Args)]
pub struct Assert {
    /// Claims of the form SUBJECT OPERATOR VALUE; times need a unit. Subjects include
    /// totals.messages, rate.median, transaction.p99, replies.4xx, busy.max,
    /// limits.messages_per_1m, limited_by and, with --sent-field, transit.p99 (--subjects lists
    /// them all).
    #[arg(value_name = "CLAIM")]
    pub claims: Vec<String>,
    /// File with claims, one per line; # starts a comment. May be repeated.
    #[arg(long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print the subjects of claims, one per line, each with its figures, without reading the
    /// data folder.
    #[arg(long, conflicts_with_all = ["claims", "files", "junit"])]
    pub subjects: bool,
    /// File in which to write a JUnit XML report for CI systems.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print one JSON object per line, one for each claim.
    #[arg(long, conflicts_with = "subjects")]
    pub json: bool,
    #[command(flatten)]
    pub sent: SentField,
    #[command(flatten)]
    pub during: TimeRange,
}

pub fn run(folders: &[PathBuf], assert: &Assert, out: &mut Out) -> anyhow::Result<Finding> {
    if assert.subjects {
        for (name, figures) in subjects() {
            writeln!(out, "{}", format!("{name:24}  {figures}").trim_end())?;
        }
        return Ok(Finding::Done);
    }
    let claims = claims(assert)?;
    anyhow::ensure!(
        !claims.is_empty(),
        "expected at least one claim, such as 'totals.messages > 0'"
    );
    let sent_field = assert.sent.sent_field.as_deref();
    if let (Some(claim), None) = (claims.iter().find(|claim| claim.is_about_transit()), sent_field)
    {
        anyhow::bail!(
            "'{}': requires --sent-field NAME, the header field with the time of sending",
            claim.text
        );
    }
    let (spans, windows_s) = (assert.during.spans(folders)?, windows_s(&claims));
    let selection = selection(folders, &spans);
    let mut evidence = Evidence::gather(selection, windows_s)?;
    if let Some(field) = sent_field {
        evidence.gathered.transit = crate::stats::by::transit(selection, field)?;
    }
    for damage in &evidence.gathered.history.damage {
        eprintln!("sinkctl: {damage}");
    }
    let checked = check(claims, &evidence);
    for one in &checked {
        let left_out = left_out(one, &evidence);
        if assert.json {
            writeln!(out, "{}", serde_json::to_string(&ClaimRow::new(one, left_out))?)?
        } else {
            writeln!(out, "{}", line(one, left_out))?
        }
    }
    if let Some(path) = &assert.junit {
        std::fs::write(path, junit::suite(&checked).xml())
            .with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    let failed = most_severe(checked.iter().filter_map(|one| one.failure.as_ref()).map(finding));
    Ok(failed.and(spans.finding))
}

/// Returns whether a claim was refuted, or cannot be decided.
fn finding(failure: &ClaimFailure) -> Finding {
    match ClaimOutcome::of(Some(failure)) {
        ClaimOutcome::Holds => Finding::Done,
        ClaimOutcome::DoesNotHold => Finding::DoesNotHold,
        ClaimOutcome::Undecided => Finding::Incomplete,
    }
}

/// Formats a claim and its outcome as text.
fn line(checked: &CheckedClaim, left_out: Option<String>) -> String {
    let text = &checked.claim.text;
    match &checked.failure {
        None => {
            let note = left_out.map_or(String::new(), |why| format!(" (left out: {why})"));
            format!("ok      {text}{note}")
        }
        Some(why) => format!("FAILED  {text}: {}", reason(why)),
    }
}

/// Returns the messages that a claim about transit leaves out, and why.
fn left_out(checked: &CheckedClaim, evidence: &Evidence) -> Option<String> {
    let transit = evidence.gathered.transit.as_ref().filter(|_| checked.claim.is_about_transit());
    transit.and_then(|transit| transit.left_out()).map(|why| why.to_string())
}

/// Maximum size of a file of claims, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Collects the claims from the command line and from files, which have one per line and comments
/// after `#`.
fn claims(assert: &Assert) -> anyhow::Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for text in &assert.claims {
        claims.push(claim(text)?);
    }
    for path in &assert.files {
        let text = read_text_at_most(path, FILE_BYTES_MAX)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                let place = format!("{}:{}", path.display(), number + 1);
                claims.push(claim(line).context(place)?);
            }
        }
    }
    Ok(claims)
}
