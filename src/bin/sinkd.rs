//! sinkd: flags, wiring, signals. What it does lies in the library.
#![forbid(unsafe_code)]
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Command};
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded, select};
use rustix::fs::Mode;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use sinkd::config::{self, Config, KEYS, Listener, LogFormat};
use sinkd::http;
use sinkd::log::ProcessClock;
use sinkd::server::{Counters, Server, Stage, Stop};
use sinkd::smtp::limits::Protocol;

/// Exit codes: 0 holds, 1 does not hold, 2 usage or broken input.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    match run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sinkd: {error:#}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn run(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    let matches = command().get_matches_from(args);
    let config = effective(&matches)?;
    if matches.get_flag("print-config") {
        print!("{}", config.to_toml());
        return Ok(());
    }
    if matches.get_flag("check") {
        config.warnings().iter().for_each(|text| eprintln!("sinkd: warning: {text}"));
        println!("sinkd: the configuration is good");
        return Ok(());
    }
    start_logging(&config)?;
    end_on_panic();
    config.warnings().iter().for_each(|text| tracing::warn!("{text}"));
    serve(&config)
}

/// The flags: one for each row of the table of settings, and those that are no setting.
fn command() -> Command {
    let about = "The SMTP server that mass mailers are load-tested against: fast, with every byte \
                 kept. It delivers nothing. Read the mail with sinkctl.";
    let mut command = Command::new("sinkd")
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .max_term_width(100)
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Read settings from a TOML file; flags win over it."),
        )
        .arg(
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help("Test the configuration and exit."),
        )
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Print the effective configuration as TOML with comments, and exit."),
        );
    let defaults = Config::default();
    for key in KEYS {
        let default = (key.show)(&defaults).replace(['"', '[', ']'], "");
        let action = if key.repeatable { ArgAction::Append } else { ArgAction::Set };
        command = command.arg(
            Arg::new(key.name)
                .long(key.flag())
                .value_name(key.value)
                .action(action)
                .help_heading(heading(key.table))
                .help(format!("{} [default: {default}]", key.help)),
        );
    }
    command
}

fn heading(table: &str) -> String {
    let mut heading = table.to_string();
    heading[..1].make_ascii_uppercase();
    heading
}

/// Defaults, then the file, then the flags.
fn effective(matches: &ArgMatches) -> anyhow::Result<Config> {
    let file: Option<&PathBuf> = matches.get_one("config");
    let mut config = config::from_file(file.map(PathBuf::as_path))?;
    for key in KEYS {
        let Some(values) = matches.get_many::<String>(key.name) else { continue };
        if key.repeatable {
            key.clear(&mut config);
        }
        for value in values {
            key.apply(&mut config, value).with_context(|| format!("--{} '{value}'", key.flag()))?;
        }
    }
    config.check()?;
    Ok(config)
}

fn start_logging(config: &Config) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log_level)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that can't be written (the disk is full) is lost. The alternative is a panic in
        // whichever thread had something to say.
        .log_internal_errors(false)
        .with_target(false);
    match config.log_format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// A panic is a bug, and nobody knows what holds after it: it ends sinkd, and recovery sees to the
/// rest. Only where mail is taken apart for the index it is the mail's fault, and is caught.
fn end_on_panic() {
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        say(panic);
        if !sinkd::mime::is_taking_apart() {
            std::process::abort();
        }
    }));
}

fn serve(config: &Config) -> anyhow::Result<()> {
    // What sinkd makes holds other people's mail, or tells of it: it is for the owner alone.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let started = SystemTime::now();
    let signals = signals()?;
    let bound = http::bind(config.http)?;
    let (server, recovery) = Server::start(config)?;
    let facts = http::Facts { live: server.live(), stop: server.stop(), started };
    let http = bound.map(|bound| bound.serve(facts)).transpose()?;
    if recovery.sealed_now > 0 {
        tracing::info!(
            segments = recovery.sealed_now,
            messages = recovery.messages,
            "the last sinkd here did not stop cleanly: its open segments were recovered"
        );
    }
    announce(&server, http.as_ref(), config)?;
    wait_for_end(&server, config, &signals);
    let counters = server.counters().to_vec();
    server.join();
    drop(http);
    say_what_was_done(&counters);
    Ok(())
}

fn say_what_was_done(counters: &[Arc<Counters>]) {
    let total = |of: fn(&Counters) -> &AtomicU64| -> u64 {
        counters.iter().map(|c| of(c).load(Ordering::Relaxed)).sum()
    };
    tracing::info!(
        messages = total(|c| &c.messages),
        bytes = total(|c| &c.message_bytes),
        refused = total(|c| &c.refused),
        sessions = total(|c| &c.sessions),
        waits_for_storage = total(|c| &c.parked),
        flushes = total(|c| &c.flushes),
        "stopped"
    );
}

/// Says what it listens on, on stdout: whoever started sinkd may wait for these lines.
fn announce(server: &Server, http: Option<&http::Server>, config: &Config) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for Listener { protocol, address } in server.listeners() {
        let name = match protocol {
            Protocol::Smtp => "SMTP",
            Protocol::Lmtp => "LMTP",
        };
        writeln!(out, "sinkd: {name} on {address}")?;
    }
    if let Some(http) = http {
        writeln!(out, "sinkd: HTTP on {}", http.address())?;
    }
    writeln!(out, "sinkd: data in {}; read it with: sinkctl ls", config.data.display())?;
    out.flush()?;
    Ok(())
}

/// A channel that gets an item for each SIGTERM, SIGINT or SIGHUP: a terminal that goes away stops
/// sinkd as a person would.
fn signals() -> anyhow::Result<Receiver<i32>> {
    // A file that grows beyond a limit is then an error of the call (EFBIG), not the end of us.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let (told, heard) = bounded(4);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if told.send(signal).is_err() {
                return;
            }
        }
    })?;
    Ok(heard)
}

/// How often to look whether the system clock has moved.
const CLOCK_LOOK: Duration = Duration::from_secs(1);

/// Returns when the workers are on their way out.
fn wait_for_end(server: &Server, config: &Config, signals: &Receiver<i32>) {
    let stop = server.stop();
    let stage_rose = stop.watch();
    let started = Instant::now();
    let mut clock = server.clock_watch();
    while stop.stage() == Stage::Running {
        clock.look();
        let wait = match config.stop_after_idle {
            None => CLOCK_LOOK,
            Some(limit) => match limit.checked_sub(idle_for(server, started)) {
                Some(left) if !left.is_zero() => left.min(CLOCK_LOOK),
                _ => {
                    tracing::info!("nothing was heard for {limit:?}: stopping");
                    return stop.begin(Stage::Graceful);
                }
            },
        };
        select! {
            recv(signals) -> _ => stop.begin(Stage::Graceful),
            recv(stage_rose) -> _ => {}
            default(wait) => {}
        }
    }
    stop_at_once_on_second_signal(signals.clone(), stop);
}

/// Time since anything was heard from anybody.
fn idle_for(server: &Server, started: Instant) -> Duration {
    let heard_ms = server
        .counters()
        .iter()
        .map(|c| c.heard_unix_ms.load(Ordering::Relaxed))
        .max()
        .unwrap_or(0);
    // Both are times of the clock of this process: the difference is time that has passed.
    let since = ProcessClock::get().unix().saturating_sub(Duration::from_millis(heard_ms));
    since.min(started.elapsed())
}

fn stop_at_once_on_second_signal(signals: Receiver<i32>, stop: Arc<Stop>) {
    std::thread::spawn(move || {
        loop {
            match signals.recv_timeout(Duration::from_secs(3600)) {
                Ok(_) => stop.begin(Stage::AtOnce),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
}
