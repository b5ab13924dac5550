//! Sends the loads, and reads what the sink recorded about each of them.
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use sinkd::analysis::wait_until_written;
use sinkd::machine::cores;
use sinkd::sender::blast::recipients::{PerMessage, RecipientOrder, RecipientSource};
use sinkd::sender::blast::size::Sizes;
use sinkd::sender::blast::{Blast, BlastContent, BlastPlan, BlastSettings, MessageDate};
use sinkd::sender::source::Source;
use sinkd::sender::{Connections, Ends, ResolvedAddress, SendReport, SendingSettings};
use sinkd::smtp::client::{JOINED_BYTES_MAX, Options, Protocol};
use sinkd::stats::{Ceiling, History, RunSummary, Shape};
use sinkd::time::{Clock, Seconds};

use super::load::{LOADS, Load};
use super::target_access::TargetAccess;
use crate::base::clock::SystemClock;
use crate::sending::{self, GRACE, OPENING_MAX, PATIENCE, Records};

/// Sends all loads, one after another, and then reads the statistics of the sink about each of
/// them.
pub fn ceilings(
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

/// Returns the time in whole seconds since 1970.
pub fn unix_s() -> u64 {
    SystemClock.now().second()
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

fn plan(load: &Load) -> anyhow::Result<Arc<BlastPlan>> {
    let per_message: PerMessage = load.recipients.parse()?;
    let recipients = RecipientSource::generated("recipient.example", 1_000_000)?;
    Ok(BlastPlan::new(BlastSettings {
        seed: 1,
        run_id: Some("calibrate".into()),
        date: MessageDate::new("Sat, 1 Jan 2000 00:00:00 +0000")?,
        from: "calibrate@sender.example".into(),
        recipients: recipients.chosen(per_message, RecipientOrder::Listed)?,
        content: BlastContent::Generated(Sizes::parse(load.size, sinkd::wording::parse_size)?),
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
