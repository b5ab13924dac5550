//! The event loops: the only place where protocol and log meet.
//!
//! ```text
//! listener ─accept─▶ admission ─▶ worker (mio loop) ─▶ turn: recv ▶ session ▶ log ▶ one send
//! ```
//!
//! Invariants: a worker never waits for storage or for another thread; per readiness event there is
//! one `send`, however many replies; an idle connection holds no buffer.
#![deny(unsafe_code)]
mod accept;
mod admission;
mod bind_error;
#[doc(hidden)]
pub mod by_hand;
mod clock;
mod commands;
mod conn;
mod counters;
mod handover;
mod idle_runs;
mod index;
mod input;
mod lateness;
mod ledger;
mod listener;
mod listener_rules;
mod moments;
mod orphan;
mod payload;
mod pool;
mod preamble;
mod presence;
mod record;
mod redact;
mod replied;
mod run_queue;
mod sample;
mod sampling;
mod send;
mod service_manager;
mod shared;
mod shutdown;
mod spends;
mod storage;
mod stream;
#[allow(unsafe_code, reason = "the one file for system calls that no crate has a safe word for")]
mod sys;
mod table;
#[doc(hidden)]
pub mod testkit;
mod time_spent;
mod timer;
mod transaction_times;
mod transactions;
mod transcript;
mod turn;
mod unix;
mod waits;
mod watchdog;
mod worker;

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::config::{ClientListError, Config, Listener};
use crate::index::ParserThreads;
use crate::log::{self, Log};
use crate::smtp::extension::Extension;
use crate::smtp::policy::{Policy, PolicyOptions};
use crate::smtp::tally;
use crate::stats::{Hub, Live, Recorder};

pub use bind_error::ListenError;
pub use clock::ClockWatch;
pub use counters::Counters;
pub use service_manager::ServiceManager;
pub use shutdown::{Stop, StopStage};
pub use transcript::TranscriptError;

use admission::Admission;
use handover::Handover;
use idle_runs::IdleRuns;
use listener_rules::ListenerRules;
use moments::MomentSender;
use presence::Presence;
use sample::Sampler;
use transcript::Transcripts;
use unix::SocketFile;
use watchdog::Watchdog;
use worker::Worker;

/// Why sinkd can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Bind(#[from] ListenError),
    #[error(transparent)]
    Log(#[from] log::OpenError),
    #[error("the event loop could not be set up")]
    Loop(#[from] std::io::Error),
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    #[error(transparent)]
    Clients(#[from] ClientListError),
}

/// A running sink.
pub struct Server {
    log: Log,
    stop: Arc<Stop>,
    listeners: Vec<Listener>,
    counters: Vec<Arc<Counters>>,
    workers: Vec<JoinHandle<()>>,
    socket_files: Vec<SocketFile>,
    transcript_thread: Option<JoinHandle<()>>,
    moments_thread: Option<JoinHandle<()>>,
    hub: Option<Hub>,
    parser: Option<ParserThreads>,
    watchdog: Watchdog,
}

impl Server {
    /// Opens the data folder, binds every listener and starts the workers. When this returns,
    /// connections are accepted.
    ///
    /// Errors: an address in use, a folder that is locked or not writable (the text
    /// says what to do).
    pub fn start(config: &Config) -> Result<(Server, log::Recovery), StartError> {
        let descriptors = sys::raise_descriptor_limit();
        let workers = config.workers.unwrap_or_else(default_workers);
        let sockets = listener::bind_all(&config.listen, workers, config.backlog)?;
        let (log, recovery) = Log::open(&config.data, config.log_settings())?;
        let stop = Arc::new(Stop::new(config.stop_after_messages, config.stop_after_sessions));
        let admission = Arc::new(Admission::new(config, workers, descriptors));
        let rules = listener_rules(config, &sockets.listeners)?;
        let sampling = sampling::Sampling::new(config);
        let (transcripts, transcript_thread) = Transcripts::start(config)?.unzip();
        let moments = config.noop_marks.then(|| MomentSender::start(log.events())).transpose()?;
        let (moments, moments_thread) = moments.unzip();
        let counters: Vec<Arc<Counters>> = (0..workers).map(|_| Arc::default()).collect();
        let idle_runs = config.run_after_idle.map(|t| IdleRuns::new(log.events(), t));
        let (parser, begun) = index::start(config, workers)?.unzip();
        let lag = parser.as_ref().map(|parser| Box::new(parser.lag()) as Box<_>);
        let sampler = Sampler::new(&admission, &counters, &log, idle_runs, lag);
        let (hub, recorders) = start_statistics(config, log.start_count(), workers, sampler)?;
        let watchdog = Watchdog::start(&counters)?;
        let handover = Handover::new(workers)?;
        for waker in &handover.wakers {
            stop.add_waker(waker.clone());
        }
        let mut server = Server {
            log,
            stop: stop.clone(),
            listeners: sockets.listeners,
            socket_files: sockets.files,
            counters,
            workers: Vec::new(),
            transcript_thread,
            moments_thread,
            hub,
            parser,
            watchdog,
        };
        let (mut recorders, presence) = (recorders.into_iter(), Arc::<Presence>::default());
        for (index, (inbox, listeners)) in
            handover.inboxes.into_iter().zip(sockets.per_worker).enumerate()
        {
            let writer = writer(&server.log, handover.wakers[index].clone())?;
            let counters = server.counters[index].clone();
            let worker = Worker::new(worker::WorkerSetup {
                inbox,
                peers: handover.senders.clone(),
                listeners,
                admission: admission.clone(),
                table: table::TableSetup {
                    index,
                    listeners: rules.clone(),
                    writer,
                    start_count: server.log.start_count(),
                    stop: stop.clone(),
                    counters,
                    sampling: sampling.clone(),
                    transcripts: transcripts.clone(),
                    moments: moments.clone(),
                    recorder: recorders.next(),
                    presence: presence.clone(),
                    begun: begun.clone().unwrap_or_default(),
                    config,
                },
            })?;
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || worker.run())?;
            server.workers.push(thread);
        }
        Ok((server, recovery))
    }

    /// What is listened on, with real ports, in the order of the configuration.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// The handle by which anything may stop this server.
    pub fn stop(&self) -> Arc<Stop> {
        self.stop.clone()
    }

    /// One set of counters for each worker.
    pub fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    /// Looks out for a system clock that moves.
    pub fn clock_watch(&self) -> ClockWatch {
        ClockWatch::new(self.log.events(), self.log.start_count())
    }

    /// What was recorded since the start; `None` without statistics.
    pub fn live(&self) -> Option<Arc<Live>> {
        self.hub.as_ref().map(Hub::live)
    }

    /// Waits until the workers have ended (the caller must have begun the stop), then seals the
    /// log.
    pub fn join(self) {
        for worker in self.workers {
            worker.join().expect("a worker does not panic: panics abort or are bugs");
        }
        drop(self.watchdog);
        drop(self.socket_files);
        for thread in self.transcript_thread.into_iter().chain(self.moments_thread) {
            thread.join().expect("threads that write down what workers tell them don't panic");
        }
        if let Some(parser) = self.parser {
            parser.close();
        }
        if let Some(hub) = self.hub {
            hub.close();
        }
        self.log.close();
    }
}

/// A writer that wakes its worker by `waker`.
fn writer(log: &Log, waker: Arc<mio::Waker>) -> Result<log::Writer, log::OpenError> {
    log.writer(Box::new(move || {
        let _ = waker.wake();
    }))
}

/// The hub, and a recorder for each worker; without statistics neither.
fn start_statistics(
    config: &Config,
    start_count: u32,
    workers: usize,
    sampler: Sampler,
) -> std::io::Result<(Option<Hub>, Vec<Recorder>)> {
    if !config.stats {
        return Ok((None, Vec::new()));
    }
    let (hub, recorders) = Hub::start(
        &config.data,
        start_count,
        workers,
        tally::kinds(),
        config.stats_retain_age,
        Box::new(sampler),
    )?;
    Ok((Some(hub), recorders))
}

/// What holds for each listener.
fn listener_rules(
    config: &Config,
    listeners: &[Listener],
) -> Result<Vec<ListenerRules>, ClientListError> {
    let clients = config.client_lists(listeners)?;
    let rules = |(listener, clients): (&Listener, _)| {
        let denied = listener.options.denied.unwrap_or(config.denied);
        ListenerRules::with(policy(config, listener), clients, denied)
    };
    Ok(listeners.iter().zip(clients).map(rules).collect())
}

/// What sessions of `listener` say.
fn policy(config: &Config, listener: &Listener) -> Policy {
    let own = &listener.options;
    let without = |it: &Extension| config.without.contains(it) || own.without.contains(it);
    let extensions = own.extensions.as_ref().unwrap_or(&config.extensions).iter().copied();
    let hostname = own.hostname.as_ref().unwrap_or(&config.hostname).clone();
    Policy::of(PolicyOptions {
        protocol: listener.protocol,
        hostname,
        is_proxied: listener.is_proxied,
        has_xclient: own.xclient.unwrap_or(true),
        greeting: own.greeting.as_ref().or(config.greeting.as_ref()).cloned(),
        extensions: extensions.filter(|it| !without(it)).collect(),
        limits: own.limits(&config.limits),
        listener: listener.address.to_string(),
        listener_name: own.name.clone().unwrap_or_default(),
        sink_name: config.name.clone().unwrap_or_default(),
        noop_marks: config.noop_marks,
        syntax: config.syntax,
    })
}

/// The cores this process may use, at most 8.
pub fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get()).min(8)
}
