//! `sinkctl assert`: checks claims about a run, for CI.
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use sinkd::analysis::claims::{
    CheckedClaim, Claim, ClaimFailure, Evidence, check, subjects, windows_s,
};

use crate::base::data::worst;
use crate::base::outcome::{Finding, Out};
use crate::base::span::{SentField, TimeRange, selection};

mod advice;
mod junit;

use advice::{claim, reason};

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
        match &one.failure {
            None => writeln!(out, "ok      {}{}", one.claim.text, left_out(one, &evidence))?,
            Some(why) => writeln!(out, "FAILED  {}: {}", one.claim.text, reason(why))?,
        }
    }
    if let Some(path) = &assert.junit {
        std::fs::write(path, junit::xml(&checked))
            .with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    let failed = worst(checked.iter().filter_map(|one| one.failure.as_ref()).map(finding));
    Ok(failed.and(spans.finding))
}

/// Returns whether a claim was refuted, or cannot be decided.
fn finding(failure: &ClaimFailure) -> Finding {
    match failure {
        ClaimFailure::Verdict(_) | ClaimFailure::Number { .. } => Finding::DoesNotHold,
        _ => Finding::Incomplete,
    }
}

/// Returns a note about the messages that a claim about transit leaves out; empty if there are
/// none.
fn left_out(checked: &CheckedClaim, evidence: &Evidence) -> String {
    let transit = evidence.gathered.transit.as_ref().filter(|_| checked.claim.is_about_transit());
    let why = transit.and_then(|transit| transit.left_out());
    why.map_or(String::new(), |why| format!(" (left out: {why})"))
}

/// Collects the claims from the command line and from files, which have one per line and comments
/// after `#`.
fn claims(assert: &Assert) -> anyhow::Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for text in &assert.claims {
        claims.push(claim(text)?);
    }
    for path in &assert.files {
        let text = std::fs::read_to_string(path)
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
