//! sinkd: setup and signals. The library does the work.
#![forbid(unsafe_code)]

mod advice;
mod cli;
mod generated;
mod print;
mod reload;
mod settings;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use clap::ArgMatches;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded, select};
use rustix::fs::Mode;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use sinkd::config::http::Http;
use sinkd::config::{Config, Environment, KeptAuthority, Listener, LogFormat};
use sinkd::control::Control;
use sinkd::http::{self, NotReady};
use sinkd::server::{Counters, Server, ServiceManager, StartedServer, Stop, StopStage};
use sinkd::smtp::limits::Protocol;
use sinkd::time::{ProcessClock, UnixNs};
use sinkd::wording::{duration, shell_word, without_numbers};

use advice::{advice, without_http};
use generated::Generated;
use print::{error_chain, print, report};
use reload::Reloading;
use settings::effective;

/// Exit code of `--is-ready` if no sinkd accepts mail.
const EXIT_DOES_NOT_HOLD: u8 = 1;
/// Exit code of any other error.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    match run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&without_numbers(&format!("{}{}", error_chain(&error), advice(&error))));
            ExitCode::from(exit_code(&error))
        }
    }
}

/// Returns the exit code of an error. Only `--is-ready` has errors that are answers.
fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<NotReady>() {
        None | Some(NotReady::NoAddress(_)) => EXIT_USAGE,
        Some(_) => EXIT_DOES_NOT_HOLD,
    }
}

fn run(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    let matches = cli::matches(args);
    if let Some(generated) = matches.get_one::<Generated>("generate") {
        return print(&generated.text(cli::shown())?).context("standard output");
    }
    let environment = Environment::of_process();
    let config = effective(&matches, &environment)?;
    if matches.get_flag("print-config") {
        return print(&config.to_toml()).context("standard output");
    }
    if matches.get_flag("is-ready") {
        return Ok(http::is_ready(config.http)?);
    }
    let warnings = [environment.warnings(), config.warnings()].concat();
    if matches.get_flag("check") {
        config.client_lists(&config.listen)?;
        config.auth_rules(&config.listen)?;
        let tls = config.check_tls(&config.listen, ProcessClock::get().unix_ns().as_duration())?;
        let warnings = [warnings, tls].concat();
        warnings.iter().for_each(|text| report(&format!("warning: {text}")));
        return print("sinkd: the configuration is valid\n").context("standard output");
    }
    start_logging(&config)?;
    end_on_panic();
    warnings.iter().for_each(|text| tracing::warn!("{text}"));
    serve(&config, matches, environment)
}

/// Writes log lines to stderr, without the numbers of system errors.
struct LogLines;

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = without_numbers(&String::from_utf8_lossy(line));
        std::io::stderr().write_all(text.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn start_logging(config: &Config) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(config.logging.level.name())?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| LogLines)
        // A line that can't be written (the disk is full) is lost. The alternative is a panic in
        // the thread that logs.
        .log_internal_errors(false)
        .with_target(false);
    match config.logging.format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// Makes panics end sinkd: a panic is a bug, and the state after it is unknown. The next start
/// recovers the log. Only a panic while a message is parsed for the index is caught, because a
/// message can cause it.
fn end_on_panic() {
    let default_hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default_hook(panic);
        if !sinkd::mime::is_analyzing() {
            std::process::abort();
        }
    }));
}

fn serve(config: &Config, matches: ArgMatches, environment: Environment) -> anyhow::Result<()> {
    // Files of sinkd contain or describe other people's mail, so only the owner may read them.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let started = SystemTime::now();
    let signals = signals()?;
    let bound = bound_http(config.http)?;
    let StartedServer { server, generations, recovery } = Server::start(config)?;
    let reloading = Reloading::new(matches, environment, generations);
    let control = reload::start(&config.data, reloading)?;
    let stop = server.stop();
    let is_ready = Box::new(move || stop.stage() == StopStage::Running);
    let facts = http::MetricFacts {
        live: server.live(),
        is_ready,
        generation: Box::new(server.generation()),
        started,
        data: config.data.clone(),
        workers: server.counters().len(),
    };
    let http = bound.map(|bound| bound.serve(facts)).transpose()?;
    if recovery.sealed_now > 0 {
        tracing::info!(
            segments = recovery.sealed_now,
            messages = recovery.messages,
            "the last sinkd here did not stop cleanly: its open segments were recovered"
        );
    }
    let addresses = addresses(&server, http.as_ref());
    announce(&addresses, server.authority().as_ref(), config);
    let manager = ServiceManager::from_environment();
    manager.ready(&format!("{}; data in {}", addresses.join(", "), config.data.display()));
    wait_for_end(&server, config, &signals, &control);
    manager.stopping(config.stop.grace);
    let counters = server.counters().to_vec();
    server.join();
    drop(control);
    drop(http);
    say_what_was_done(&counters);
    Ok(())
}

/// Binds the address for HTTP. If the default address can't be bound, sinkd runs without HTTP,
/// because no user asked for it.
fn bound_http(http: Http) -> anyhow::Result<Option<http::Bound>> {
    match http::bind(http) {
        Err(error) if http == Http::IfFree => {
            tracing::warn!("{}", without_http(&error));
            Ok(None)
        }
        bound => Ok(bound?),
    }
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

/// Returns the addresses, such as `SMTP on 127.0.0.1:1025`.
fn addresses(server: &Server, http: Option<&http::HttpServer>) -> Vec<String> {
    let mail = server.listeners().iter().map(|Listener { protocol, is_tls, address, .. }| {
        let name = match (protocol, is_tls) {
            (Protocol::Smtp, false) => "SMTP",
            (Protocol::Smtp, true) => "SMTPS",
            (Protocol::Submission, false) => "Submission",
            (Protocol::Submission, true) => "Submissions",
            (Protocol::Lmtp, _) => "LMTP",
        };
        format!("{name} on {address}")
    });
    mail.chain(http.map(|http| format!("HTTP on {}", http.address()))).collect()
}

/// Prints the addresses, the CA and the data folder to stdout, because scripts may wait for these
/// lines. If they cannot be written, sinkd runs anyway.
fn announce(addresses: &[String], authority: Option<&KeptAuthority>, config: &Config) {
    let mut lines: String = addresses.iter().map(|one| format!("sinkd: {one}\n")).collect();
    if let Some(KeptAuthority { path, facts }) = authority {
        let (path, fingerprint) = (path.display(), &facts.fingerprint);
        lines.push_str(&format!("sinkd: TLS with the CA in {path}, SHA-256 {fingerprint}\n"));
    }
    let folder = config.data.display();
    let reader = reading_command(&config.data);
    lines.push_str(&format!("sinkd: data in {folder}; read it with: {reader}\n"));
    if let Err(error) = print(&lines) {
        tracing::warn!(%error, "the addresses could not be written to standard output");
    }
}

/// Returns the command that lists the mail in `folder`, quoted for a shell.
fn reading_command(folder: &Path) -> String {
    if folder == Config::default().data {
        return "sinkctl ls".into();
    }
    // A name that begins with a dash would be parsed as a flag.
    let is_flag = folder.as_os_str().as_bytes().starts_with(b"-");
    let name = if is_flag { Path::new(".").join(folder) } else { folder.to_owned() };
    format!("sinkctl --data {} ls", shell_word(name))
}

/// What a signal requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Stop,
    Reload,
}

/// Returns a channel that receives an item for each SIGTERM, SIGINT or SIGHUP.
///
/// A terminal that hangs up stops sinkd gracefully, unless sinkd was started with `nohup`. If
/// standard input is not a terminal, SIGHUP makes sinkd read its settings again.
fn signals() -> anyhow::Result<Receiver<Signal>> {
    // A file that grows beyond a limit then causes an error of the call (EFBIG) instead of ending
    // the process.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    let hangup = match std::io::stdin().is_terminal() {
        true if is_hangup_ignored() => None,
        true => Some(Signal::Stop),
        false => Some(Signal::Reload),
    };
    let handled = [(SIGTERM, Some(Signal::Stop)), (SIGINT, Some(Signal::Stop)), (SIGHUP, hangup)];
    let numbers = handled.iter().filter(|(_, action)| action.is_some()).map(|(number, _)| number);
    let mut signals = Signals::new(numbers)?;
    let (sender, receiver) = bounded(4);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            let action = handled.iter().find(|(number, _)| *number == signal);
            let Some((_, Some(action))) = action else { continue };
            if sender.send(*action).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// Returns whether sinkd was started (by `nohup`) to outlive its terminal. Must be called before a
/// handler of SIGHUP is registered. On systems other than Linux, returns false, so that a hangup
/// stops sinkd.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (SIGHUP - 1)) != 0
}

/// Maximum time between two checks of whether the system clock has moved.
const CLOCK_LOOK: Duration = Duration::from_secs(1);

/// Executes the requests of signals until sinkd is stopping, and begins the stop if clients are
/// idle for too long. From then on, a further signal to stop ends sinkd at once.
fn wait_for_end(server: &Server, config: &Config, signals: &Receiver<Signal>, control: &Control) {
    let stop = server.stop();
    let stage_rose = stop.watch();
    let started = Instant::now();
    let mut clock = server.clock_watch();
    while stop.stage() == StopStage::Running {
        clock.check();
        let wait = match config.stop.after_idle {
            None => CLOCK_LOOK,
            Some(limit) => match limit.checked_sub(idle_for(server, started)) {
                Some(left) if !left.is_zero() => left.min(CLOCK_LOOK),
                _ => {
                    let limit = duration(limit.as_secs_f64() * 1e6);
                    tracing::info!("no client has sent anything for {limit}: stopping");
                    return stop.begin(StopStage::Graceful);
                }
            },
        };
        select! {
            recv(signals) -> signal => match signal {
                Ok(Signal::Reload) => control.reload(),
                Ok(Signal::Stop) | Err(_) => stop.begin(StopStage::Graceful),
            },
            recv(stage_rose) -> _ => {}
            default(wait) => {}
        }
    }
    stop_at_once_on_second_signal(signals.clone(), stop);
}

/// Returns the time since any client last sent something, or since `started` if that is later.
fn idle_for(server: &Server, started: Instant) -> Duration {
    let heard_ms = server
        .counters()
        .iter()
        .map(|c| c.last_read_unix_ms.load(Ordering::Relaxed))
        .max()
        .unwrap_or(0);
    // Both are times of this process's clock, so the difference is elapsed time.
    let heard = Duration::from_millis(heard_ms);
    let since = ProcessClock::get().unix_ns().since(UnixNs::of_duration(heard));
    since.min(started.elapsed())
}

fn stop_at_once_on_second_signal(signals: Receiver<Signal>, stop: Arc<Stop>) {
    std::thread::spawn(move || {
        loop {
            match signals.recv_timeout(Duration::from_secs(3600)) {
                Ok(Signal::Stop) => stop.begin(StopStage::AtOnce),
                Ok(Signal::Reload) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
}
