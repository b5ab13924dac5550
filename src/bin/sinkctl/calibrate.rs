//! `sinkctl calibrate`: measures the capacity of this machine under several loads, to compare other
//! runs with it.
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use sinkd::config::Environment;
use sinkd::plot::PlotUnit;
use sinkd::sender::blast::recipients::{PerMessage, RecipientOrder, RecipientSource};
use sinkd::sender::blast::size::Sizes;
use sinkd::sender::blast::{Blast, BlastContent, BlastPlan, MessageDate};
use sinkd::sender::source::Source;
use sinkd::sender::{Connections, Ends, ResolvedAddress, SendReport, SendingSettings, SendingTls};
use sinkd::smtp::client::{JOINED_BYTES_MAX, Options, Protocol, StartTls};
use sinkd::smtp::sasl::Account;
use sinkd::stats::{Calibration, Ceiling, History, RunSummary, Shape};
use sinkd::time::Seconds;
use sinkd::tls::CertificateFolder;
use sinkd::wording::{whole, whole_percent};

use crate::base::clock::SystemClock;
use crate::base::outcome::{Finding, Out};
use crate::base::value::{Unexpected, duration};
use crate::sending::{
    self, AccountOptions, GRACE, OPENING_MAX, PASSWORD_VARIABLE, PATIENCE, Records, TlsMode,
    TlsOptions,
};
use sinkd::analysis::wait_until_written;

/// One of the loads to measure.
struct Load {
    name: &'static str,
    size: &'static str,
    recipients: &'static str,
    connections: usize,
    /// Messages in flight per connection; 1 sends one command per round trip.
    depth: usize,
    is_chunked: bool,
    per_connection: Option<u64>,
}

const PLAIN: Load = Load {
    name: "2 KB, 64 connections",
    size: "2K",
    recipients: "1",
    connections: 64,
    depth: 1,
    is_chunked: false,
    per_connection: None,
};

const LOADS: [Load; 8] = [
    Load { name: "2 KB, one connection", connections: 1, ..PLAIN },
    PLAIN,
    Load { name: "2 KB, 500 connections", connections: 500, ..PLAIN },
    Load { name: "2 KB, a connection each", per_connection: Some(1), ..PLAIN },
    Load { name: "2 KB, pipelined", depth: 2, ..PLAIN },
    Load { name: "2 KB, chunks, 16 in flight", depth: 16, is_chunked: true, ..PLAIN },
    Load { name: "2 KB, 50 recipients, pipelined", recipients: "50", depth: 2, ..PLAIN },
    Load { name: "200 KB, 16 connections", size: "200K", connections: 16, ..PLAIN },
];

#[derive(Debug, Args)]
pub struct Calibrate {
    /// Address of a local sinkd whose data folder is --data [default: start a temporary sinkd].
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    pub to: Option<SocketAddr>,
    /// Duration of each load, at least 2s.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = load_time)]
    pub duration: Duration,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub account: AccountOptions,
    #[command(flatten)]
    pub encryption: TlsOptions,
}

fn address(text: &str) -> Result<SocketAddr, Unexpected> {
    let expected = "an IP address and port such as 127.0.0.1:1025";
    text.parse().map_err(|_| Unexpected::new(expected, text))
}

/// Minimum width of the column of names.
const NAME_COLUMNS: usize = 32;
/// Minimum duration of a load: only whole seconds count, and one second may contain none.
const LOAD_TIME_MIN: Duration = Duration::from_secs(2);

fn load_time(text: &str) -> Result<Duration, Unexpected> {
    let error = || Unexpected::new("a duration such as 5s, at least 2s", text);
    duration(text).filter(|time| *time >= LOAD_TIME_MIN).ok_or_else(error)
}

pub fn run(data: &Path, calibrate: &Calibrate, out: &mut Out) -> anyhow::Result<Finding> {
    // Checked before the loads run: with --to, the statistics of the sink are read from this
    // folder.
    check_folder(data, calibrate)?;
    let account = calibrate.account.account()?;
    let sink = MeasuredSink::of(data, calibrate)?;
    let access = TargetAccess::to(&sink, calibrate, account)?;
    let ceilings = ceilings(&access, sink.folder(), calibrate.duration)?;
    let measured_at = crate::base::print::rfc3339(unix_s() * 1_000_000_000);
    let calibration = Calibration::new(measured_at, cores(), ceilings);
    if calibrate.json {
        writeln!(out, "{}", serde_json::to_string(&calibration)?)?;
    } else {
        print(&calibration, out)?;
    }
    if data.is_dir() {
        calibration
            .write(data)
            .with_context(|| format!("{}: cannot store the result", data.display()))?;
    }
    Ok(Finding::Done)
}

/// Errors: with --to, the folder has no statistics. Without --to, a missing folder causes a
/// warning.
fn check_folder(data: &Path, calibrate: &Calibrate) -> anyhow::Result<()> {
    anyhow::ensure!(
        calibrate.to.is_none() || data.join("stats").is_dir(),
        "{}: {} (set --data to the data folder of the sinkd at --to)",
        data.display(),
        if data.is_dir() { "no statistics in this folder" } else { "no such folder" }
    );
    if !data.is_dir() {
        eprintln!(
            "sinkctl: {}: no such folder: the result is printed, but not stored; with --data, \
             stats compares runs with it",
            data.display()
        );
    }
    Ok(())
}

/// How to reach the sink: its address, the account and TLS.
struct TargetAccess {
    address: SocketAddr,
    account: Option<Arc<Account>>,
    start_tls: StartTls,
    tls: Option<SendingTls>,
}

impl TargetAccess {
    fn to(
        sink: &MeasuredSink<'_>,
        calibrate: &Calibrate,
        account: Option<Arc<Account>>,
    ) -> anyhow::Result<TargetAccess> {
        let mut encryption = calibrate.encryption.clone();
        if let MeasuredSink::Own(sinkd) = sink
            && encryption.wants_ca()
        {
            encryption.ca = Some(CertificateFolder::in_data_folder(sinkd.folder.path()).ca_path());
        }
        let address = sink.address();
        let tls = encryption.named(&address.ip().to_string())?;
        Ok(TargetAccess { address, account, start_tls: encryption.start_tls(), tls })
    }

    /// Returns the name of a load that is sent with this access.
    fn name(&self, load: &Load) -> String {
        let tls = if self.tls.is_some() { ", TLS" } else { "" };
        format!("{}{tls}", load.name)
    }
}

/// The sinkd to measure.
enum MeasuredSink<'a> {
    /// A temporary sinkd, which ends when this value is dropped.
    Own(Sinkd),
    /// A running sinkd at --to, and its data folder.
    Running { address: SocketAddr, folder: &'a Path },
}

impl<'a> MeasuredSink<'a> {
    fn of(data: &'a Path, calibrate: &Calibrate) -> anyhow::Result<MeasuredSink<'a>> {
        let Some(address) = calibrate.to else {
            return Ok(MeasuredSink::Own(Sinkd::start(calibrate)?));
        };
        anyhow::ensure!(
            address.ip().is_loopback(),
            "{address}: not on this machine; choose a sinkd on a loopback address, and its folder \
             with --data"
        );
        Ok(MeasuredSink::Running { address, folder: data })
    }

    fn address(&self) -> SocketAddr {
        match self {
            MeasuredSink::Own(sinkd) => sinkd.address,
            MeasuredSink::Running { address, .. } => *address,
        }
    }

    fn folder(&self) -> &Path {
        match self {
            MeasuredSink::Own(sinkd) => sinkd.folder.path(),
            MeasuredSink::Running { folder, .. } => folder,
        }
    }
}

/// Sends all loads, one after another, and then reads the statistics of the sink about each of
/// them.
fn ceilings(
    access: &TargetAccess,
    folder: &Path,
    duration: Duration,
) -> anyhow::Result<Vec<Ceiling>> {
    let mut measured = Vec::new();
    for load in &LOADS {
        // Only whole seconds of this load count.
        let from = unix_s() + 1;
        let (report, sender) = send(load, access, duration)?;
        check_report(load, access.address, &report)?;
        measured.push((load, sender, Seconds { start: from, end: unix_s() }));
    }
    if let Some((_, _, span)) = measured.last() {
        wait_until_written(span.end_ns(), &SystemClock);
    }
    let ceilings = measured.into_iter();
    ceilings
        .map(|(load, sender, span)| {
            let name = access.name(load);
            Ok(Ceiling { name, ..ceiling(load, &sender, folder, span)? })
        })
        .collect()
}

/// Errors: sending ended early, or the sink accepted nothing.
fn check_report(load: &Load, address: SocketAddr, report: &SendReport) -> anyhow::Result<()> {
    if let Some(error) = &report.error {
        anyhow::bail!("{}: {}", load.name, sending::reason(error));
    }
    if let Some((_, failure)) = report.tally.failures.first_key_value()
        && report.tally.accepted_for_any() == 0
    {
        anyhow::bail!("{}: {address} accepted nothing: {}", load.name, failure.example);
    }
    Ok(())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Sends a load for the given duration. Returns the report, and the statistics of the sender.
fn send(
    load: &Load,
    access: &TargetAccess,
    duration: Duration,
) -> anyhow::Result<(SendReport, RunSummary)> {
    // The sink needs the other half of the cores.
    let threads = (cores() / 2).clamp(1, 8).min(load.connections);
    let settings = SendingSettings {
        address: ResolvedAddress::Tcp(access.address),
        session: Options {
            protocol: Protocol::Smtp,
            name: "calibrate.example".into(),
            pipelining: load.depth > 1,
            chunking: load.is_chunked,
            depth: load.depth,
            joined_bytes_max: JOINED_BYTES_MAX,
            sends_ambiguous: false,
            start_tls: access.start_tls,
            account: access.account.clone(),
        },
        tls: access.tls.clone(),
        connections: Connections::Kept(load.connections),
        per_connection: load.per_connection,
        opening_max: OPENING_MAX,
        timeout: Duration::from_secs(30),
        patience: PATIENCE,
        ends: Ends::At(duration),
        grace: GRACE,
    };
    let plan = plan(load)?;
    let sources = (0..threads).map(|_| Box::new(Blast::new(&plan)) as Box<dyn Source>);
    let records = Records::new(None)?;
    let sources = sources.collect();
    let (report, shared) =
        sending::send(&settings, sources, &records, None, sending::messages_done)?;
    anyhow::ensure!(!shared.stop.load(Ordering::Relaxed), "interrupted: nothing was stored");
    let mut history = History::default();
    history.read(records.path(), Seconds::ALL)?;
    Ok((report, RunSummary::of(&history)))
}

fn plan(load: &Load) -> anyhow::Result<std::sync::Arc<BlastPlan>> {
    let per_message: PerMessage = load.recipients.parse()?;
    let recipients = RecipientSource::generated("recipient.example", 1_000_000)?;
    Ok(BlastPlan::new(sinkd::sender::blast::BlastSettings {
        seed: 1,
        run_id: Some("calibrate".into()),
        date: MessageDate::new("Sat, 1 Jan 2000 00:00:00 +0000")?,
        from: "calibrate@sender.example".into(),
        recipients: recipients.chosen(per_message, RecipientOrder::Listed)?,
        content: BlastContent::Generated(Sizes::parse(load.size, sinkd::config::parse_bytes)?),
        attachments: Vec::new(),
        count: None,
        pace: None,
    })?)
}

/// Returns what the sink recorded about a load.
fn ceiling(
    load: &Load,
    sender: &RunSummary,
    folder: &Path,
    span: Seconds,
) -> anyhow::Result<Ceiling> {
    let mut history = History::default();
    history.read(folder, span)?;
    let summary = RunSummary::of(&history);
    let mut shape = Shape::of(&history, &summary).with_context(|| {
        format!("{}: no statistics of the load '{}'", folder.display(), load.name)
    })?;
    // Open connections are sampled at the end of a second, when most may already be closed.
    shape.connections = load.connections as f64;
    Ok(Ceiling {
        name: load.name.into(),
        shape,
        messages_per_s: summary.rate.median,
        bytes_per_s: summary.rate.median * shape.message_bytes,
        sink_busy_share: summary.busy_share.median.min(1.0),
        sender_busy_share: sender.busy_share.median.min(1.0),
    })
}

fn print(calibration: &Calibration, out: &mut Out) -> anyhow::Result<()> {
    let heads = ["messages/s", "bytes/s", "sink busy", "sender busy"];
    let names = calibration.ceilings.iter().map(|ceiling| ceiling.name.len());
    let width = names.max().unwrap_or_default().max(NAME_COLUMNS);
    writeln!(out, "{:width$}{}", "", heads.map(|head| format!("{head:>12}")).join(""))?;
    for ceiling in &calibration.ceilings {
        writeln!(
            out,
            "{:width$}{:>12}{:>12}{:>12}{:>12}",
            ceiling.name,
            whole(ceiling.messages_per_s),
            PlotUnit::BytesPerSecond.text(ceiling.bytes_per_s),
            whole_percent(ceiling.sink_busy_share),
            whole_percent(ceiling.sender_busy_share)
        )?;
    }
    writeln!(
        out,
        "medians of seconds; sender and sink shared the {} cores of this machine",
        calibration.cores
    )?;
    Ok(())
}

/// A temporary sinkd with a temporary folder.
struct Sinkd {
    /// Dropped before the folder, so that nothing writes into that folder then.
    _child: RunningSinkd,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Sinkd {
    /// Starts a sinkd that accepts the loads.
    fn start(calibrate: &Calibrate) -> anyhow::Result<Sinkd> {
        let folder = tempfile::Builder::new().prefix("sinkctl-").tempdir()?;
        let program = program();
        let mut command = without_settings(&program, Environment::names_of_process());
        let child = command
            .args(listening(calibrate.encryption.tls))
            .args(["--http", "off", "--log-level", "error"])
            // Stored mail would fill the disk, and its content does not matter.
            .args(["--retain-bytes", "256M", "--index", "off", "--data"])
            .arg(folder.path())
            .args(calibrate.account.auth_user.iter().flat_map(|_| ["--auth", "any"]))
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{}: cannot be started", program.display()))?;
        // It is stopped if an error follows.
        let mut child = RunningSinkd(child);
        let stdout = child.0.stdout.take().context("its output is ours")?;
        let (mut address, mut is_ready) = (None, false);
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            let listener = line.strip_prefix("sinkd: SMTP on ");
            if let Some(text) = listener.or_else(|| line.strip_prefix("sinkd: SMTPS on ")) {
                address = text.parse().ok();
            }
            is_ready = line.starts_with("sinkd: data in ");
            if is_ready {
                break;
            }
        }
        match address {
            Some(address) => Ok(Sinkd { _child: child, address, folder }),
            None if is_ready => anyhow::bail!("{} printed no address", program.display()),
            None => {
                let status = child.0.wait()?;
                anyhow::bail!("{} ended before it was ready: {status}", program.display())
            }
        }
    }
}

/// Returns the command of a sinkd without the variables `settings`, which would change what is
/// measured, and without the password.
fn without_settings(program: &Path, settings: impl IntoIterator<Item = OsString>) -> Command {
    let mut command = Command::new(program);
    for name in settings.into_iter().chain([PASSWORD_VARIABLE.into()]) {
        command.env_remove(name);
    }
    command
}

/// Returns the flags of a sinkd with this kind of TLS.
fn listening(tls: TlsMode) -> &'static [&'static str] {
    match tls {
        TlsMode::Off => &["--listen", "127.0.0.1:0"],
        TlsMode::Offered | TlsMode::Required => &["--listen", "127.0.0.1:0", "--tls"],
        TlsMode::Implicit => &["--listen", "smtps:127.0.0.1:0"],
    }
}

/// A process that is stopped when this is dropped.
struct RunningSinkd(Child);

impl Drop for RunningSinkd {
    fn drop(&mut self) {
        let is_signaled = Pid::from_raw(self.0.id().cast_signed())
            .is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        if !is_signaled {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

/// Returns the path of the sinkd beside this program, or its name to be found in PATH.
fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|us| us.with_file_name("sinkd"));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from("sinkd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_sets_nothing_of_the_temporary_sinkd() {
        let names = ["SINKD_STORE", "SINKD_STOP_AFTER_MESSAGES"];
        let command = without_settings(Path::new("sinkd"), names.map(OsString::from));
        let removed = command.get_envs().filter(|(_, value)| value.is_none());
        let removed: Vec<_> = removed.map(|(name, _)| name.to_str().unwrap()).collect();
        for name in names.into_iter().chain([PASSWORD_VARIABLE]) {
            assert!(removed.contains(&name), "{name}: {removed:?}");
        }
    }

    #[test]
    fn a_load_takes_two_seconds_at_least() {
        assert!(load_time("2s").is_ok());
        let error = load_time("1s").unwrap_err().to_string();
        assert_eq!(error, "expected a duration such as 5s, at least 2s, found '1s'");
    }
}
