//! `sinkctl replay`: sends stored messages to another SMTP server.
mod choose;
mod options;
mod shown;

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context;
use sinkd::log::MessageId;
use sinkd::log::reader::Folder;
use sinkd::machine::raise_descriptor_limit;
use sinkd::sender::replay::{
    Belongs, Feed, LOOK_AHEAD, Marks, OwnFolder, RecipientMap, ReplayContent, ReplayCount,
    ReplayOptions, ReplayPace, ReplayPlan, ReplayTally, Resume, Retry, Rewriting, Selection,
    SentBefore, SessionMapping, Survey, SurveyProgress, survey, writes_into,
};
use sinkd::sender::{
    self, Ends, ResolvedAddress, SendReport, SendingSettings, SendingTls, SharedRun, connectable,
};
use sinkd::smtp::client::Options;
use sinkd::smtp::sasl::Account;
use sinkd::time::{Clock, UnixNs};
use xxhash_rust::xxh3::xxh3_128;

use crate::base::clock::SystemClock;
use crate::base::left_out::report_left_out;
use crate::base::left_out::report_pruned_unread;
use crate::base::list_error::list_error;
use crate::base::outcome::{Finding, Out};
use crate::base::progress::{Interruptible, TerminalBar, watched};
use crate::sending::{
    self, DESCRIPTORS_KEPT, GRACE, OPENING_MAX, PATIENCE, Records, SendingOutcome,
};
use options::{ReplayConnections, Speed};
use shown::Intent;

pub use options::Replay;

/// Default number of connections, if the original ones are not used.
const CONNECTIONS_DEFAULT: usize = 10;

pub fn run(folder: Folder, replay: &Replay, out: &mut Out) -> anyhow::Result<Finding> {
    // Sources are used by threads, so the folder lives as long as the program.
    let folder: &'static Folder = Box::leak(Box::new(folder));
    let left_out = report_left_out(folder);
    let access = TargetAccess::of(replay)?;
    let addresses = replay.to.resolve(replay.allow_public.as_deref()).context("--to")?;
    refuse_own(folder.path(), &addresses)?;
    let prepared = PreparedReplay::of(folder, replay)?;
    let finding = left_out.and(prepared.finding);
    let replay_options = replay_options(replay);
    let connections = connections(replay, replay_options);
    let intent = Intent {
        replay,
        target: &replay.to,
        address: addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        survey: &prepared.survey,
        pace: replay_options.pace,
        sessions: replay_options.sessions,
        connections: count(connections),
    };
    if !is_agreed(&intent, folder.path(), out)? {
        return Ok(if replay.dry_run { finding } else { Finding::PartlyDone });
    }
    replay.forms.check()?;
    let settings = settings(replay, connectable(&addresses)?, connections, access);
    let sent = send(folder, replay, prepared, &settings, replay_options)?;
    let is_all = report_outcome(replay, &sent, out)?;
    let skipped = folder.pruned_unread();
    report_pruned_unread(&skipped);
    let is_all = is_all && skipped.segments == 0;
    Ok(if is_all { finding } else { Finding::PartlyDone })
}

/// The account and TLS for the target, from flags, files and the environment.
struct TargetAccess {
    account: Option<Arc<Account>>,
    tls: Option<SendingTls>,
}

impl TargetAccess {
    fn of(replay: &Replay) -> anyhow::Result<TargetAccess> {
        let tls = replay.encryption.sending(&replay.to)?;
        Ok(TargetAccess { account: replay.account.account()?, tls })
    }
}

/// The messages to send and their changes, before sending.
struct PreparedReplay {
    rewriting: Rewriting,
    marks: Marks,
    resume: Option<(Resume, SentBefore)>,
    selection: Selection,
    survey: Survey,
    /// Whether the folder has everything that the flags select, and there is something to send.
    finding: Finding,
}

impl PreparedReplay {
    fn of(folder: &Folder, replay: &Replay) -> anyhow::Result<PreparedReplay> {
        let (rewriting, marks) =
            (rewriting(replay)?, Marks::parse(&replay.mark).context("--mark")?);
        let ids = replay.ids.as_deref().map(choose::ids).transpose()?;
        let map = rewriting.recipients.as_ref();
        let belongs = belongs(folder, replay, ids.as_deref(), map)?;
        let now_ns = SystemClock.now();
        let resume = resume(replay, &belongs, now_ns)?;
        let started_ns = resume.as_ref().map_or(now_ns, |(resume, _)| resume.started_ns());
        let (selection, found) = choose::selection(folder, replay, ids, started_ns)?;
        let content = report_only_counted(folder, &selection, replay);
        let survey =
            survey_interruptibly(folder, &selection, resume.as_ref().map(|(_, before)| before))?;
        let is_empty = survey.messages + survey.finished_earlier == 0 && !replay.allow_empty;
        if is_empty {
            eprintln!("sinkctl: nothing to send; pass --allow-empty to treat this as a success");
        }
        let amount = if is_empty { Finding::NothingFound } else { Finding::Done };
        let finding = found.and(content).and(amount);
        Ok(PreparedReplay { rewriting, marks, resume, selection, survey, finding })
    }
}

/// Opens the file of --resume. A dry run does not create it.
fn resume(
    replay: &Replay,
    belongs: &Belongs,
    now_ns: UnixNs,
) -> anyhow::Result<Option<(Resume, SentBefore)>> {
    Ok(match &replay.resume {
        Some(path) if !replay.dry_run || path.exists() => {
            Some(Resume::open(path, belongs, now_ns)?)
        }
        _ => None,
    })
}

/// Sends what was prepared, until each message has an outcome, the user interrupts, or sending
/// fails.
fn send(
    folder: &'static Folder,
    replay: &Replay,
    prepared: PreparedReplay,
    settings: &SendingSettings,
    replay_options: ReplayOptions,
) -> anyhow::Result<FinishedReplay> {
    let tally = Arc::new(ReplayTally::default());
    let planned = prepared.survey.messages;
    let content = ReplayContent::new(folder, prepared.rewriting, prepared.marks);
    let plan = ReplayPlan::new(folder, &prepared.selection, LOOK_AHEAD)?;
    let feed = Feed::new(plan, content, replay_options, prepared.resume, tally.clone());
    let records = Records::new(replay.forms.records.as_deref())?;
    let ended = |_: &SharedRun| tally.finished() - tally.skipped();
    let (report, shared) =
        sending::send(settings, vec![Box::new(feed)], &records, Some(planned), ended)?;
    let is_stopped = shared.stop.load(Ordering::Relaxed);
    Ok(FinishedReplay { report, records, tally, is_stopped, planned })
}

/// Errors: the target writes to the folder that would be read. If that can't be determined, prints
/// a warning.
fn refuse_own(folder: &Path, addresses: &[ResolvedAddress]) -> anyhow::Result<()> {
    for address in addresses {
        match writes_into(folder, address) {
            OwnFolder::No => {}
            OwnFolder::Unknown { pid } => eprintln!(
                "sinkctl: process {pid} writes to {} and may also listen on {address}, which \
                 cannot be checked from here; if it does, stop this replay: it would send to \
                 itself",
                folder.display()
            ),
            OwnFolder::Yes { pid } => anyhow::bail!(
                "{address} is the sinkd (process {pid}) that writes to {}: each message sent would \
                 be stored there again. Replay to another server, or to a sinkd with another \
                 --data",
                folder.display()
            ),
        }
    }
    Ok(())
}

fn rewriting(replay: &Replay) -> anyhow::Result<Rewriting> {
    let map = replay.map_recipients.as_deref().map(RecipientMap::open);
    Ok(Rewriting {
        from: replay.from.as_ref().map(|path| path.clone().into_bytes()),
        recipients: map.transpose().map_err(list_error)?,
        to_domain: replay.to_domain.as_ref().map(|domain| domain.clone().into_bytes()),
    })
}

/// Returns what a resume file belongs to: everything that decides what is sent, to which target and
/// recipients.
fn belongs(
    folder: &Folder,
    replay: &Replay,
    ids: Option<&[MessageId]>,
    map: Option<&RecipientMap>,
) -> anyhow::Result<Belongs> {
    // The most recent run may be a different one when the replay is resumed.
    let run_name = |name: &String| crate::base::span::run_name(&[folder.path().to_owned()], name);
    let run = replay.run.as_ref().map(run_name).transpose()?.unwrap_or_default();
    let store = folder.segments().next().map(|summary| summary.identity.store.0);
    let store = u128::from_be_bytes(store.unwrap_or_default());
    let map = map.map_or(String::new(), |map| format!("{:032x}", map.digest()));
    let ids = ids.map(|ids| {
        let octets: Vec<u8> = ids.iter().flat_map(|id| id.to_bytes()).collect();
        format!("{} {:032x}", ids.len(), xxh3_128(&octets))
    });
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Ok(vec![
        ("store", format!("{store:032x}")),
        ("to", replay.to.to_string()),
        ("query", replay.query.text()),
        ("ids", ids.unwrap_or_default()),
        ("since", text(&replay.since)),
        ("until", text(&replay.until)),
        ("run", run),
        ("from", replay.from.as_ref().map_or(String::new(), |path| format!("<{path}>"))),
        ("to-domain", text(&replay.to_domain)),
        ("map-recipients", map),
        ("mark", replay.mark.join("\n")),
    ])
}

/// Reports the number of messages that were only counted, and so have neither content nor time.
/// Returns `Incomplete` if the selection certainly includes them.
fn report_only_counted(folder: &Folder, selection: &Selection, replay: &Replay) -> Finding {
    let count = folder.only_counted();
    let is_span = matches!(selection, Selection::Span(_));
    if count == 0 || !is_span {
        return Finding::Done;
    }
    eprintln!("sinkctl: {count} messages were only counted, not stored, and cannot be sent");
    // They may all lie outside of a selected span.
    let is_all = replay.since.is_none() && replay.until.is_none() && replay.run.is_none();
    if is_all { Finding::Incomplete } else { Finding::Done }
}

fn survey_interruptibly(
    folder: &Folder,
    selection: &Selection,
    before: Option<&SentBefore>,
) -> anyhow::Result<Survey> {
    let (progress, none) = (SurveyProgress::default(), SentBefore::default());
    let _interruptible = Interruptible::new(&progress.stop)?;
    let bar = TerminalBar::new(selection.len(folder)?, "messages read");
    let survey = watched(
        || bar.at(progress.messages.load(Ordering::Relaxed)),
        || survey(folder, selection, before.unwrap_or(&none), &progress),
    )?;
    anyhow::ensure!(!progress.stop.load(Ordering::Relaxed), "interrupted: nothing was sent");
    Ok(survey)
}

fn replay_options(replay: &Replay) -> ReplayOptions {
    let pace = match (replay.rate, replay.speed) {
        (Some(per_s), _) => ReplayPace::Rate { per_s },
        (None, Speed::Max) => ReplayPace::Max,
        (None, Speed::Times(speed)) => ReplayPace::Original { speed },
    };
    let is_original = matches!(pace, ReplayPace::Original { .. });
    let sessions = match replay.connections {
        Some(ReplayConnections::Original) => SessionMapping::Original,
        None if is_original => SessionMapping::Original,
        _ => SessionMapping::Any,
    };
    let retry = Retry { times: replay.retry, after: replay.retry_after };
    ReplayOptions { pace, sessions, retry }
}

fn connections(replay: &Replay, replay_options: ReplayOptions) -> sender::Connections {
    let room = raise_descriptor_limit().saturating_sub(DESCRIPTORS_KEPT).max(16) as usize;
    match (replay_options.sessions, replay.connections) {
        (SessionMapping::Original, _) => sender::Connections::ByLane(room),
        (SessionMapping::Any, Some(ReplayConnections::Count(n))) => {
            sender::Connections::Kept(n.min(room))
        }
        (SessionMapping::Any, _) => sender::Connections::Kept(CONNECTIONS_DEFAULT),
    }
}

fn count(connections: sender::Connections) -> usize {
    match connections {
        sender::Connections::Kept(n) | sender::Connections::ByLane(n) => n,
    }
}

fn settings(
    replay: &Replay,
    address: ResolvedAddress,
    connections: sender::Connections,
    access: TargetAccess,
) -> SendingSettings {
    let session = Options {
        protocol: replay.to.protocol,
        name: replay.helo.clone(),
        pipelining: true,
        chunking: replay.chunking,
        depth: 1,
        joined_bytes_max: 0,
        sends_ambiguous: replay.allow_smuggling,
        start_tls: replay.encryption.start_tls(),
        account: access.account,
    };
    SendingSettings {
        address,
        session,
        tls: access.tls,
        connections,
        per_connection: None,
        opening_max: OPENING_MAX,
        timeout: replay.timeout,
        patience: PATIENCE,
        ends: Ends::WithSource,
        grace: GRACE,
    }
}

/// Shows what will be sent, and asks for confirmation on a terminal. Returns whether to send it;
/// false for a dry run.
fn is_agreed(intent: &Intent<'_>, folder: &Path, out: &mut Out) -> anyhow::Result<bool> {
    let replay = intent.replay;
    if replay.dry_run {
        if replay.forms.json {
            writeln!(out, "{}", intent.to_json())?;
        } else {
            intent.lines(folder).iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        return Ok(false);
    }
    if !replay.forms.json {
        intent.lines(folder).iter().for_each(|line| eprintln!("{line}"));
    }
    let stdin = std::io::stdin();
    let is_person = stdin.is_terminal() && std::io::stderr().is_terminal();
    if replay.yes || !is_person || intent.survey.messages == 0 {
        return Ok(true);
    }
    let mut err = std::io::stderr().lock();
    write!(err, "Send? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    let is_yes = matches!(answer.trim(), "y" | "Y" | "yes");
    if !is_yes {
        writeln!(err, "nothing was sent")?;
    }
    Ok(is_yes)
}

/// Prints the outcome. Returns whether everything was sent, accepted and recorded in the resume
/// file.
fn report_outcome(replay: &Replay, sent: &FinishedReplay, out: &mut Out) -> anyhow::Result<bool> {
    let FinishedReplay { report, records, tally, is_stopped, .. } = sent;
    // If the source was read to its end, everything was handed out, whatever the survey estimated.
    let is_over = report.error.is_none() && !is_stopped;
    let came = tally.finished() - tally.skipped();
    let planned = if is_over { came } else { sent.planned.max(came) };
    let title = format!("replay to {}", replay.to);
    let outcomes = Some(shown::outcomes(tally, planned));
    SendingOutcome { title, report, records, replay: outcomes }.report(&replay.forms, out)?;
    crate::base::outcome::flush(out)?;
    if *is_stopped {
        eprintln!("sinkctl: interrupted: the rest was not sent");
    }
    let is_whole = report.error.is_none() && report.tally.unsolicited == 0;
    let is_all = tally.is_all_accepted() && is_whole && !is_stopped;
    if let Some(path) = &replay.resume
        && (tally.tried_again() > 0 || *is_stopped || report.error.is_some())
    {
        eprintln!("sinkctl: run the same command again to continue (--resume {})", path.display());
    }
    Ok(is_all && tally.count(ReplayCount::Unwritten) == 0)
}

/// The result of sending.
struct FinishedReplay {
    report: SendReport,
    records: Records,
    tally: Arc<ReplayTally>,
    is_stopped: bool,
    /// The number of messages to send, counted or estimated by the survey.
    planned: u64,
}
