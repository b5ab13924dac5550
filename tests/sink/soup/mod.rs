//! A mix of random clients against one sinkd with small budgets, storage that stalls and disks that
//! fill up. Whatever they do, each client gets its own replies, acknowledged messages are stored as
//! sent, all resources are released, and the sink stops within its grace period.
//!
//! `SOUP_SEED`, printed at the start, repeats the clients' choices, but not the scheduling of
//! threads. `SOUP_SECONDS` is the duration of each scenario (3 by default).
#![cfg(target_os = "linux")]

mod client;
mod ledger;
mod wire;

use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::common;
use crate::common::trace::{detach, hold, thread_named};
use crate::common::{Dice, Sink, sinkctl, text_of};
use crossbeam_channel::{Receiver, bounded};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal, pidfd_open, prlimit};
use tempfile::tempdir;

use client::{Client, Setting};
use ledger::Ledger;
use wire::Target;

const CLIENTS: usize = 24;
const GRACE: Duration = Duration::from_secs(2);
/// Additional time that a busy machine may need after the grace period.
const GRACE_SLACK: Duration = Duration::from_secs(20);

/// A sink, and the faults injected into it.
struct Scenario {
    name: &'static str,
    args: &'static [&'static str],
    message_bytes_max: usize,
    large_bytes: usize,
    /// Threads of the log that are stopped now and then.
    stalled: &'static [&'static str],
    disk_fills_up: bool,
    /// Whether there are few buffers, or large messages at once, so that stalled transfers are
    /// closed.
    is_tight: bool,
    is_ring: bool,
}

const PLAIN: Scenario = Scenario {
    name: "plain",
    args: &["--workers", "2", "--storage-wait", "60s"],
    message_bytes_max: 7 << 20,
    large_bytes: 5 << 20,
    stalled: &[],
    disk_fills_up: false,
    is_tight: false,
    is_ring: false,
};

#[test]
fn clients_of_a_plain_sink_get_their_own_replies() {
    run(&PLAIN);
}

#[test]
fn stalled_storage_and_small_budgets_lose_and_mix_up_nothing() {
    run(&Scenario {
        name: "stalled",
        message_bytes_max: 300_000,
        large_bytes: 200_000,
        args: &[
            "--workers",
            "2",
            "--buffer-memory-bytes",
            "1MiB",
            "--storage-wait",
            "150ms",
            "--region-memory-bytes",
            "8MiB",
            "--envelope-memory-bytes",
            "3MiB",
            "--segment-bytes",
            "4MiB",
        ],
        stalled: &["log-provision"],
        is_tight: true,
        ..PLAIN
    });
}

#[test]
fn waiting_for_flushes_on_a_disk_that_fills_up_loses_nothing() {
    run(&Scenario {
        name: "durable",
        args: &[
            "--workers",
            "2",
            "--durability",
            "message",
            "--storage-wait",
            "300ms",
            "--dedicated-segments-max",
            "2",
        ],
        message_bytes_max: 7 << 20,
        large_bytes: 5 << 20,
        stalled: &["log-flush", "log-provision"],
        disk_fills_up: true,
        is_tight: true,
        ..PLAIN
    });
}

#[test]
fn messages_not_stored_in_full_are_accounted_for() {
    run(&Scenario {
        name: "modes",
        message_bytes_max: 300_000,
        large_bytes: 200_000,
        args: &[
            "--workers",
            "3",
            "--store",
            "headers",
            "--store-rule",
            "keep.example=none/3",
            "--store-rule",
            "envelope.example=envelope",
            "--store-rule",
            "counted.example=none",
            "--durability",
            "50ms",
            "--transcript-sessions",
            "1/50",
        ],
        stalled: &["log-provision"],
        ..PLAIN
    });
}

#[test]
fn a_stalled_ring_shows_only_messages_that_were_sent() {
    run(&Scenario {
        name: "ring",
        args: &[
            "--workers",
            "2",
            "--retain-bytes",
            "64MiB",
            "--segment-bytes",
            "4MiB",
            "--buffer-memory-bytes",
            "2MiB",
            "--storage-wait",
            "200ms",
        ],
        message_bytes_max: 6 << 20,
        large_bytes: 4 << 20,
        stalled: &["log-provision"],
        disk_fills_up: true,
        is_tight: true,
        is_ring: true,
    });
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn run(scenario: &Scenario) {
    let seconds = setting("SOUP_SECONDS", 3);
    let seed = setting("SOUP_SEED", u64::from(std::process::id()));
    println!("soup '{}': SOUP_SEED={seed}", scenario.name);
    let data = tempdir().unwrap();
    let output = tempfile::tempfile().unwrap();
    let (sink, targets) = start(scenario, data.path(), &output);
    let ledger = Arc::new(Ledger::new(scenario.is_tight));
    let (over, is_over) = bounded::<()>(0);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let target = targets[n % targets.len()].clone();
            let ledger = ledger.clone();
            let setting = Setting {
                message_bytes_max: scenario.message_bytes_max,
                large_bytes: scenario.large_bytes,
                may_lack_room: !scenario.stalled.is_empty(),
            };
            let mut dice = Dice::new(seed.wrapping_mul(1000) + n as u64);
            std::thread::spawn(move || run_clients(n, &target, &setting, &mut dice, &ledger))
        })
        .collect();
    let (pid, stalled, fills_up) = (sink.pid(), scenario.stalled, scenario.disk_fills_up);
    let chaos = std::thread::spawn(move || inject_faults(pid, stalled, fills_up, seed, &is_over));
    let until = Instant::now() + Duration::from_secs(seconds);
    // Until the end of the scenario, or a client has failed.
    while let Some(left) = time_until(until).filter(|_| !ledger.is_stopping()) {
        std::thread::park_timeout(left);
    }
    drop(over);
    chaos.join().unwrap();
    ledger.begin_stop();
    sink.signal(Signal::TERM);
    let clients_failed = join(clients);
    let stopped = stop(sink);
    let output = text_of(output);
    if let Some(panic) = clients_failed {
        eprintln!("output of the sink:\n{output}\nand ended with {stopped:?}");
        std::panic::resume_unwind(panic);
    }
    let status = stopped.expect("the sink stops within its grace");
    assert!(status.success(), "{status}: {output}");
    assert!(ledger.acknowledgements.load(Ordering::Relaxed) > 0, "something was accepted");
    // On a busy machine a worker can lose its core for a second or two, but not for eight.
    assert!(!output.contains("panicked") && !output.contains("at_least_s=8"), "{output}");
    judge(scenario, &data.path().join("sink"), &ledger);
}

fn start(scenario: &Scenario, folder: &Path, output: &std::fs::File) -> (Sink, Vec<Target>) {
    let socket = folder.join("socket");
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.args(["--listen", "127.0.0.1:0", "--listen", "lmtp:127.0.0.1:0", "--listen"]);
    command.arg(format!("unix:{}", socket.display()));
    command.args(["--http", "off", "--index", "off", "--log-level", "warn"]);
    command.arg("--message-bytes-max").arg(scenario.message_bytes_max.to_string());
    command.arg("--stop-grace").arg(format!("{}s", GRACE.as_secs()));
    command.args(scenario.args).arg("--data").arg(folder.join("sink"));
    if scenario.args.contains(&"--transcript-sessions") {
        command.arg("--transcript").arg(folder.join("transcripts"));
    }
    command.stderr(output.try_clone().unwrap());
    let sink = Sink::spawn(&mut command);
    let targets = vec![
        Target::Smtp(sink.addresses[0]),
        Target::Lmtp(sink.addresses[1]),
        Target::Smtp(sink.addresses[0]),
        Target::Unix(socket),
    ];
    (sink, targets)
}

fn run_clients(
    n: usize,
    target: &Target,
    setting: &Setting,
    dice: &mut Dice,
    ledger: &Arc<Ledger>,
) {
    let mut sessions = 0;
    while !ledger.is_stopping() {
        let name = format!("c{n}s{sessions}");
        sessions += 1;
        if let Ok(mut client) = Client::connect(target, setting, name, dice, ledger) {
            let _ = client.run();
        }
    }
}

/// Stops threads of the log and fills the disk, for a while each, until the scenario is over.
fn inject_faults(pid: u32, stalled: &[&str], fills_up: bool, seed: u64, is_over: &Receiver<()>) {
    let mut dice = Dice::new(seed ^ 0xC4A05);
    let rest = |ms: usize| {
        is_over
            .recv_timeout(Duration::from_millis(ms as u64))
            .is_err_and(|error| error == crossbeam_channel::RecvTimeoutError::Timeout)
    };
    while rest(20 + dice.roll(80)) {
        let trouble = dice.roll(stalled.len() + usize::from(fills_up));
        let ms = 10 + dice.roll(400);
        if let Some(name) = stalled.get(trouble) {
            let thread = thread_named(pid, name);
            hold(thread);
            rest(ms);
            detach(thread);
        } else if fills_up {
            limit_file_size(pid, Some(4096));
            rest(ms);
            limit_file_size(pid, None);
        }
    }
}

fn limit_file_size(pid: u32, bytes: Option<u64>) {
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Pid::from_raw(pid as i32), Resource::Fsize, limit).unwrap();
}

/// Returns the panic of the first client that failed.
fn join(clients: Vec<std::thread::JoinHandle<()>>) -> Option<Box<dyn std::any::Any + Send>> {
    clients.into_iter().filter_map(|client| client.join().err()).next_back()
}

/// Waits for the sink to end within its grace period; at its end it asserts that all budgets were
/// returned. Returns `None` if it does not end.
fn stop(mut sink: Sink) -> Option<ExitStatus> {
    let until = Instant::now() + GRACE + GRACE_SLACK;
    let pid = Pid::from_raw(sink.pid() as i32);
    // Readable once the process has ended.
    let ended = pidfd_open(pid.unwrap(), PidfdFlags::empty()).unwrap();
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
    let mut source = SourceFd(&ended.as_raw_fd());
    poll.registry().register(&mut source, Token(0), Interest::READABLE).unwrap();
    while let Some(left) = time_until(until)
        && events.is_empty()
    {
        match poll.poll(&mut events, Some(left)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            polled => polled.unwrap(),
        }
    }
    sink.child.try_wait().unwrap()
}

/// Returns the time until `end`; `None` if it has passed.
fn time_until(end: Instant) -> Option<Duration> {
    end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

fn judge(scenario: &Scenario, data: &Path, ledger: &Ledger) {
    let stored = ledger.judge(data, scenario.is_ring);
    let (_, errors, code) = sinkctl(data, &["verify"]);
    assert_eq!(code, 0, "{errors}");
    let (count, errors, code) = sinkctl(data, &["count"]);
    assert_eq!(code, 0, "{errors}");
    let count: u64 = String::from_utf8_lossy(&count).trim().parse().unwrap();
    assert!(count >= stored, "count says {count}, {stored} are stored");
    let acknowledged = ledger.acknowledgements.load(Ordering::Relaxed);
    println!("soup '{}': {acknowledged} replies of 250, {stored} stored", scenario.name);
}
