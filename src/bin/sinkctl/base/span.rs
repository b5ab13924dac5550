//! The span of time that a command reads.
use std::ops::Deref;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use sinkd::analysis::FolderSpans;
use sinkd::log::reader::Folder;
use sinkd::log::{Moment, Run, Runs};
use sinkd::time::Span;

use super::clock::SystemClock;
use super::outcome::Finding;
use super::value::field_name;

/// A span of time; unbounded without flags.
#[derive(Debug, Default, Args)]
pub struct TimeRange {
    /// Start of the time span: RFC 3339, a date (2026-11-21), or an age (10m, 2h, 1d).
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// End of the time span, in the formats of --since; the span does not include it.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// Time span of this run (see sinkctl runs); 'last' is the most recent one.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["since", "until"])]
    pub run: Option<String>,
}

/// The header field that says when a message was sent.
#[derive(Debug, Default, Args)]
pub struct SentField {
    /// Header field with the time at which a message was sent, for transit times: Unix time in s or
    /// ms, or a date (for example X-Sent from blast, or Date).
    #[arg(long, value_name = "NAME", value_parser = field_name)]
    pub sent_field: Option<String>,
}

/// The name that stands for the most recent run.
const LAST: &str = "last";

impl TimeRange {
    /// Returns whether the span is unbounded.
    pub fn is_all(&self) -> bool {
        self.since.is_none() && self.until.is_none() && self.run.is_none()
    }

    /// Returns the span in each folder. A folder without the run gets the span of the first folder
    /// that has it. Reports on stderr if the start or the end of a run may be missing.
    pub fn spans(&self, folders: &[PathBuf]) -> anyhow::Result<Spans> {
        super::data::ensure_distinct(folders)?;
        let Some(name) = &self.run else {
            let (since_ns, until_ns) = (self.since.map(|m| m.0), self.until.map(|m| m.0));
            let each = vec![Span { since_ns, until_ns }; folders.len()];
            return Ok(Spans { each, finding: Finding::Done });
        };
        let (all, finding) = runs_of(folders)?;
        let name = resolve_run_name(&all, name);
        let found: Vec<_> = all.iter().map(|runs| runs.find(&name).map(Run::span)).collect();
        let Some(first) = found.iter().find_map(|span| span.as_ref().ok()).copied() else {
            found.into_iter().collect::<Result<Vec<_>, _>>()?;
            anyhow::bail!("no data folder was given");
        };
        let each = found.into_iter().map(|span| span.unwrap_or(first)).collect();
        Ok(Spans { each, finding })
    }

    /// Returns the spans of several folders.
    pub fn spans_of(&self, folders: &[Folder]) -> anyhow::Result<Spans> {
        let paths: Vec<PathBuf> = folders.iter().map(|folder| folder.path().to_owned()).collect();
        self.spans(&paths)
    }
}

/// The span of each folder that a command reads.
#[derive(Debug)]
pub struct Spans {
    each: Vec<Span>,
    /// `Incomplete` if a span comes from a run whose start or end may be missing.
    pub finding: Finding,
}

impl Deref for Spans {
    type Target = [Span];

    fn deref(&self) -> &[Span] {
        &self.each
    }
}

/// Returns the name of the run that `name` stands for in `folders`, as [`resolve_run_name`] does.
pub fn run_name(folders: &[PathBuf], name: &str) -> anyhow::Result<String> {
    Ok(resolve_run_name(&runs_of(folders)?.0, name))
}

/// Returns the name of the run that `name` stands for: `last` is the most recent run of all
/// folders, unless a run has that name.
fn resolve_run_name(all: &[Runs], name: &str) -> String {
    let has_the_name = all.iter().any(|runs| runs.find(name).is_ok());
    let last = all.iter().filter_map(|runs| runs.runs.last()).max_by_key(|run| run.from_ns);
    match last {
        Some(last) if name == LAST && !has_the_name => last.name.clone(),
        _ => name.to_owned(),
    }
}

/// Returns the runs of each folder, and whether some may be missing, which it reports on stderr.
fn runs_of(folders: &[PathBuf]) -> anyhow::Result<(Vec<Runs>, Finding)> {
    let mut finding = Finding::Done;
    let mut read = |folder: &PathBuf| {
        let runs = Runs::read(folder)
            .with_context(|| format!("{}: cannot read its runs", folder.display()))?;
        finding = finding.and(crate::base::data::report_run_damage(folder)?);
        anyhow::Ok(runs)
    };
    let all = folders.iter().map(&mut read).collect::<Result<_, _>>()?;
    Ok((all, finding))
}

/// Combines folders and spans.
pub fn selection<'a>(folders: &'a [PathBuf], spans: &'a [Span]) -> FolderSpans<'a> {
    FolderSpans { folders, spans, clock: &SystemClock }
}
