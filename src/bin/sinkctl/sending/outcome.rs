//! Reports the outcome of sending: as text, JSON, a log of histograms, and a page.
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use sinkd::sender::{FailureKind, SendReport, SendingTally};
use sinkd::smtp::client::{Phase, ReplyCode};
use sinkd::tls::Failure;
use sinkd::wording::{counted, printable_line, whole};

use super::Records;
use super::reason::reason;
use crate::base::outcome::{Finding, Out};

/// Maximum number of kinds of failures shown as text.
const FAILURES_MAX: usize = 12;

/// The forms in which the outcome is reported, besides text.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct ReportForms {
    /// Print one JSON object; its key 'stats' is what 'sinkctl stats --json' prints.
    #[arg(long)]
    pub json: bool,
    /// File for the histograms of each second, as an HdrHistogram interval log.
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<PathBuf>,
    /// File for an HTML page with plots, as sinkctl report writes it.
    #[arg(long, value_name = "FILE")]
    pub page: Option<PathBuf>,
    /// New folder in which to keep the recorded statistics; stats, report, compare and assert read
    /// it with --data.
    #[arg(long, value_name = "DIR")]
    pub records: Option<PathBuf>,
}

impl ReportForms {
    /// Checks before sending that the files can be written, and creates them. Afterward it would be
    /// too late.
    pub fn check(&self) -> anyhow::Result<()> {
        for path in self.hlog.iter().chain(&self.page) {
            // To the reader of a pipe, opening and closing it would look like the whole output.
            if path.metadata().is_ok_and(|it| !it.is_file() && !it.is_dir()) {
                continue;
            }
            let opened = OpenOptions::new().append(true).create(true).open(path);
            opened.with_context(|| format!("{}: cannot be written", path.display()))?;
        }
        Ok(())
    }
}

/// The outcome in `--json`. Keys keep their meaning. To a sender, each attempt is another message.
#[derive(Serialize)]
struct SendingFigures<'a> {
    begun: u64,
    accepted: u64,
    partly_accepted: u64,
    deferred: u64,
    rejected: u64,
    not_sent: u64,
    unknown: u64,
    withheld: u64,
    /// Messages requested, or due before sending ended, but never begun.
    not_begun: u64,
    resent: u64,
    ambiguous: u64,
    unsolicited_replies: u64,
    recipients: u64,
    refused_recipients: u64,
    bytes: u64,
    connections: u64,
    extra_connections: ExtraConnections,
    seconds: f64,
    /// Why sending ended early; null if it did not.
    error: Option<String>,
    failures: Vec<FailureFigures>,
    stats: serde_json::Value,
    /// Keys of `ReplayOutcomes`.
    #[serde(flatten)]
    replay: Option<&'a serde_json::Map<String, serde_json::Value>>,
}

/// How many connections a replay opened beyond one per session, by reason.
#[derive(Serialize)]
struct ExtraConnections {
    busy: u64,
    ended: u64,
    crowded: u64,
}

/// Outcomes that only a replay reports.
#[derive(Debug)]
pub struct ReplayOutcomes {
    /// Outcomes of messages, to print instead of the sender's counts, in which each attempt is
    /// another message.
    pub messages: SendingTally,
    /// Lines of text.
    pub lines: Vec<String>,
    /// Further keys of the JSON object.
    pub keys: serde_json::Map<String, serde_json::Value>,
}

/// What there is to report after sending.
pub struct SendingOutcome<'a> {
    /// The line before the figures: what was sent, and where to.
    pub title: String,
    pub report: &'a SendReport,
    pub records: &'a Records,
    /// `None` for a blast.
    pub replay: Option<ReplayOutcomes>,
}

#[derive(Serialize)]
struct FailureFigures {
    what: String,
    count: u64,
    example: String,
}

impl SendingOutcome<'_> {
    /// Reports the outcome in every requested form. Returns `Done` if there was at least one
    /// message, every message that was requested or due was accepted for every recipient, the
    /// target was reachable at the end and sent no unsolicited reply, and the files were written.
    pub fn report(&self, forms: &ReportForms, out: &mut Out) -> anyhow::Result<Finding> {
        // An error here must not suppress the report: the mail was sent, and can't be sent again.
        let written = self.write_files(forms);
        let printed = if forms.json {
            self.object()
                .and_then(|object| Ok(writeln!(out, "{}", serde_json::to_string(&object)?)?))
        } else {
            self.print(out)
        };
        if let Err(error) = &written {
            eprintln!("sinkctl: {error:#}");
        }
        if let Some(error) = &self.report.error {
            eprintln!("sinkctl: {}", reason(error));
        }
        let kinds = self.report.tally.failures.keys();
        for (kind, what) in kinds.filter_map(|kind| Some((kind, hint(*kind)?))) {
            eprintln!("sinkctl: {kind}: {what}");
        }
        if let Err(error) = printed
            && !crate::base::outcome::is_closed_pipe(&error)
        {
            return Err(error);
        }
        let is_good = is_whole(self.report) && written.is_ok();
        Ok(if is_good { Finding::Done } else { Finding::PartlyDone })
    }

    /// Returns the counts of messages to print: a replay's own, in which each message occurs once,
    /// or else the sender's.
    fn messages(&self) -> &SendingTally {
        self.replay.as_ref().map_or(&self.report.tally, |replay| &replay.messages)
    }

    fn object(&self) -> anyhow::Result<SendingFigures<'_>> {
        let (report, tally) = (self.report, &self.report.tally);
        let failures = tally.failures.iter();
        Ok(SendingFigures {
            begun: tally.started,
            accepted: tally.accepted,
            partly_accepted: tally.partly_accepted,
            deferred: tally.deferred,
            rejected: tally.rejected,
            not_sent: tally.not_sent,
            unknown: tally.unknown,
            withheld: tally.withheld,
            not_begun: self.messages().not_started,
            resent: tally.resent,
            ambiguous: tally.ambiguous,
            unsolicited_replies: tally.unsolicited,
            recipients: tally.recipients,
            refused_recipients: tally.refused_recipients,
            bytes: tally.bytes,
            connections: tally.connections,
            extra_connections: ExtraConnections {
                busy: tally.extra.busy,
                ended: tally.extra.ended,
                crowded: tally.extra.crowded,
            },
            seconds: report.duration.as_secs_f64(),
            error: report.error.as_ref().map(reason),
            failures: failures
                .map(|(what, f)| FailureFigures {
                    what: what.to_string(),
                    count: f.count,
                    example: f.example.to_string(),
                })
                .collect(),
            stats: crate::stats::json_of(self.records.path())?,
            replay: self.replay.as_ref().map(|replay| &replay.keys),
        })
    }

    fn write_files(&self, forms: &ReportForms) -> anyhow::Result<()> {
        if let Some(path) = &forms.hlog {
            write_log(self.records.path(), path)?;
        }
        if let Some(path) = &forms.page {
            let page = crate::report::page_of(self.records.path(), &self.title)?;
            std::fs::write(path, page)
                .with_context(|| format!("{}: cannot be written", path.display()))?;
        }
        Ok(())
    }

    fn print(&self, out: &mut Out) -> anyhow::Result<()> {
        let (title, tally) = (&self.title, &self.report.tally);
        let connections = counted(tally.connections, "connection", "connections");
        writeln!(out, "{title}, {:.1} s, {connections}", self.report.duration.as_secs_f64())?;
        let messages = self.messages();
        let others = [
            ("partly accepted", messages.partly_accepted),
            ("deferred", messages.deferred),
            ("rejected", messages.rejected),
            ("not sent", messages.not_sent),
            ("sent in full, but no reply: possibly delivered", messages.unknown),
            ("withheld: they must not be sent to this server", messages.withheld),
            ("not begun", messages.not_started),
        ];
        let all = messages.started + messages.not_started;
        let accepted = whole(messages.accepted as f64);
        write!(out, "{accepted} of {} accepted", counted(all, "message", "messages"))?;
        for (what, n) in others.into_iter().filter(|(_, n)| *n > 0) {
            write!(out, "; {} {what}", whole(n as f64))?;
        }
        writeln!(out)?;
        let mut failures: Vec<_> = tally.failures.iter().collect();
        failures.sort_by_key(|(_, failure)| std::cmp::Reverse(failure.count));
        for (what, failure) in failures.iter().take(FAILURES_MAX) {
            let first = if failure.count > 1 { "first: " } else { "" };
            writeln!(
                out,
                "failed   {what} x{}: {first}{}",
                failure.count,
                printable_line(&failure.example.to_string())
            )?;
        }
        if failures.len() > FAILURES_MAX {
            writeln!(
                out,
                "         and {}",
                counted((failures.len() - FAILURES_MAX) as u64, "other kind", "other kinds")
            )?;
        }
        notes(tally).iter().try_for_each(|line| writeln!(out, "{line}"))?;
        for line in self.replay.iter().flat_map(|replay| &replay.lines) {
            writeln!(out, "{line}")?;
        }
        if tally.accepted_for_any() > 0 {
            crate::stats::print_all(self.records.path(), out)?;
        }
        Ok(())
    }
}

/// Returns what to do about a kind of failure; `None` if its name says enough.
fn hint(kind: FailureKind) -> Option<&'static str> {
    match kind {
        FailureKind::Reply(phase, code) => hint_about_reply(phase, code),
        FailureKind::Tls(Failure::PeerUnknownCa) => {
            Some("name the CA that signed the target's certificate with --ca")
        }
        FailureKind::Tls(Failure::PeerWrongName) => {
            Some("choose a name of the target's certificate with --tls-name")
        }
        FailureKind::Tls(Failure::PeerExpired) => {
            Some("renew the target's certificate, or check the clocks; --insecure verifies nothing")
        }
        FailureKind::Tls(Failure::NotTls) => {
            Some("if the port begins in plain text, use --tls offered or --tls required")
        }
        FailureKind::Tls(Failure::CertificateRequired | Failure::UnknownCa) => {
            Some("show a certificate that the target trusts with --tls-cert and --tls-key")
        }
        _ => None,
    }
}

fn hint_about_reply(phase: Phase, code: ReplyCode) -> Option<&'static str> {
    match (phase, code.number()) {
        (Phase::Auth, 535) => Some("check --auth-user, the password and --auth-mechanism"),
        (Phase::Mail, 530) => {
            Some("if the target requires TLS, use --tls required; if it requires AUTH, --auth-user")
        }
        (Phase::Greeting, 554) => Some("if the port begins with TLS, use --tls implicit"),
        _ => None,
    }
}

fn is_whole(report: &SendReport) -> bool {
    let SendingTally { started, accepted, not_started, unsolicited, .. } = report.tally;
    if report.is_lost && report.error.is_none() {
        eprintln!("sinkctl: the target could not be reached at the end");
    }
    let is_all = accepted > 0 && accepted == started && not_started == 0;
    is_all && unsolicited == 0 && report.error.is_none() && !report.is_lost
}

/// Returns further remarks about messages and connections.
fn notes(tally: &SendingTally) -> Vec<String> {
    let extra = tally.extra;
    [
        (
            tally.resent,
            "sent again over another connection: the target ended the first one with 421",
        ),
        (tally.ambiguous, "sent although some servers would see the end of data within them"),
        (tally.unsolicited, "connections ended by an unsolicited reply"),
        (
            extra.busy,
            "extra connections: a message was due while its session's connection was busy",
        ),
        (extra.ended, "extra connections: the target had ended the session's connection"),
        (extra.crowded, "extra connections: the session's connection was closed to make room"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect()
}

/// Concatenates the interval logs of the hours; the header lines come from the first log.
fn write_log(folder: &Path, path: &Path) -> anyhow::Result<()> {
    let unreadable = |path: &Path| format!("{}: cannot be read", path.display());
    let logs = sinkd::stats::interval_logs(folder).with_context(|| unreadable(folder))?;
    let mut text = String::new();
    for log in logs {
        let log = std::fs::read_to_string(&log).with_context(|| unreadable(&log))?;
        let is_interval = |line: &&str| line.starts_with(sinkd::stats::INTERVAL_BEGIN);
        if text.is_empty() {
            text = log
        } else {
            log.lines().filter(is_interval).for_each(|line| {
                text.push_str(line);
                text.push('\n');
            })
        }
    }
    std::fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_one_flag_helps_against_names_it() {
        let reply = |phase, number| FailureKind::Reply(phase, ReplyCode::new(number).unwrap());
        for (kind, flag) in [
            (FailureKind::Tls(Failure::PeerExpired), "--insecure"),
            (FailureKind::Tls(Failure::PeerWrongName), "--tls-name"),
            (reply(Phase::Greeting, 554), "--tls implicit"),
            (reply(Phase::Mail, 530), "--tls required"),
        ] {
            assert!(hint(kind).is_some_and(|text| text.contains(flag)), "{kind}");
        }
        assert_eq!(hint(reply(Phase::Mail, 451)), None);
    }
}
