//! The server: event loops that serve connections. Only here do the protocol and the log meet.
//!
//! ```text
//! listener ─accept─▶ admission ─▶ worker (mio loop) ─▶ turn: recv ▶ session ▶ log ▶ one send
//! ```
//!
//! Invariants: a worker never waits for storage or for another thread; per readiness event there is
//! one `send`, unless the replies fill their buffer; an idle connection holds no buffer.
#![deny(unsafe_code)]
#[doc(hidden)]
#[cfg(feature = "testkit")]
pub mod by_hand;
mod common_threads;
mod connection;
mod indexing;
mod listening;
mod log_throttle;
mod payload;
mod recording;
mod runs;
mod service_manager;
mod settings;
mod shutdown;
mod start_error;
#[allow(unsafe_code, reason = "the one file for system calls that no crate wraps safely")]
mod sys;
#[doc(hidden)]
#[cfg(feature = "testkit")]
pub mod testkit;
mod time_spent;
mod transcripts;
mod turn;
mod worker;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::config::{Config, KeptAuthority, Listener};
use crate::index::ParserThreads;
use crate::log::{self, Log};
use crate::machine::{cores, raise_descriptor_limit};
use crate::stats::{Hub, Live, Recorder};

pub use listening::ListenError;
pub use recording::Counters;
pub use runs::ClockWatch;
pub use service_manager::ServiceManager;
pub use settings::generation::GenerationError;
pub use settings::generations::{Generations, ReloadError, Reloaded};
pub use shutdown::{Stop, StopStage};
pub use start_error::StartError;
pub use transcripts::TranscriptError;

use common_threads::CommonThreads;
use indexing::NewSegments;
use listening::{Acceptor, Admission, Handover, SocketFile};
use payload::Sampling;
use runs::MarkSender;
use settings::current::CurrentGeneration;
use settings::generation::{self, Generation};
use time_spent::Presence;
use transcripts::Transcripts;
use worker::{TableSetup, Watchdog, Worker, WorkerSetup};

/// A running sink.
pub struct Server {
    log: Log,
    stop: Arc<Stop>,
    listeners: Vec<Listener>,
    counters: Vec<Arc<Counters>>,
    workers: Vec<JoinHandle<()>>,
    socket_files: Vec<SocketFile>,
    transcript_thread: Option<JoinHandle<()>>,
    marks_thread: Option<JoinHandle<()>>,
    hub: Option<Hub>,
    parser: Option<ParserThreads>,
    watchdog: Watchdog,
    current: Arc<CurrentGeneration>,
}

/// What all workers share when they are started.
struct WorkerResources<'a> {
    config: &'a Config,
    current: Arc<CurrentGeneration>,
    admission: Arc<Admission>,
    stop: Arc<Stop>,
    sampling: Option<Arc<Sampling>>,
    transcripts: Option<Arc<Transcripts>>,
    marks: Option<Arc<MarkSender>>,
    presence: Arc<Presence>,
    new_segments: NewSegments,
}

/// A sink that has just been started.
pub struct StartedServer {
    /// The sink.
    pub server: Server,
    /// Changes the settings of the running sink.
    pub generations: Generations,
    /// What was recovered from the last run of sinkd in the folder.
    pub recovery: log::Recovery,
}

impl Server {
    /// Opens the data folder, binds every listener and starts the workers. When this returns,
    /// connections are accepted.
    ///
    /// Errors: an address in use, a folder that is locked or not writable (the text
    /// says what to do).
    pub fn start(config: &Config) -> Result<StartedServer, StartError> {
        let workers = config.workers.unwrap_or_else(default_workers);
        let admission = Arc::new(Admission::new(config, workers, raise_descriptor_limit()));
        let sockets = listening::bind_all(&config.listen, workers, config.backlog)?;
        let listeners = sockets.listeners;
        let first = Generation::build(config, &listeners, generation::FIRST)?;
        let current = Arc::new(CurrentGeneration::new(Arc::new(first)));
        let (log, recovery) = Log::open(&config.data, config.log_settings())?;
        let stop = Arc::new(Stop::new(config.stop.after_messages, config.stop.after_sessions));
        let counters: Vec<Arc<Counters>> = (0..workers).map(|_| Arc::default()).collect();
        let threads = CommonThreads::start(config, &log, &listeners, &admission, &counters)?;
        let handover = Handover::new(workers)?;
        for waker in &handover.wakers {
            stop.add_waker(waker.clone());
        }
        let generations =
            Generations::new(config, &listeners, current.clone(), admission.clone(), stop.clone());
        let (transcripts, transcript_thread) = threads.transcripts.unzip();
        let (marks, marks_thread) = threads.marks.unzip();
        let (parser, new_segments) = threads.parser.unzip();
        let resources = WorkerResources {
            config,
            current: current.clone(),
            admission,
            stop: stop.clone(),
            sampling: Sampling::new(config),
            transcripts,
            marks,
            presence: Arc::default(),
            new_segments: new_segments.unwrap_or_default(),
        };
        let mut server = Server {
            log,
            stop,
            listeners,
            socket_files: sockets.files,
            counters,
            workers: Vec::new(),
            transcript_thread,
            marks_thread,
            hub: threads.hub,
            parser,
            watchdog: threads.watchdog,
            current,
        };
        server.start_workers(resources, handover, sockets.per_worker, threads.recorders)?;
        Ok(StartedServer { server, generations, recovery })
    }

    /// Starts a worker for each of `acceptors`.
    fn start_workers(
        &mut self,
        common: WorkerResources<'_>,
        handover: Handover,
        acceptors: Vec<Vec<Acceptor>>,
        recorders: Vec<Recorder>,
    ) -> Result<(), StartError> {
        let mut recorders = recorders.into_iter();
        for (index, (inbox, listeners)) in handover.inboxes.into_iter().zip(acceptors).enumerate() {
            let worker = Worker::new(WorkerSetup {
                inbox,
                peers: handover.senders.clone(),
                listeners,
                admission: common.admission.clone(),
                table: TableSetup {
                    index,
                    current: common.current.clone(),
                    writer: writer(&self.log, handover.wakers[index].clone())?,
                    start_count: self.log.start_count(),
                    stop: common.stop.clone(),
                    counters: self.counters[index].clone(),
                    sampling: common.sampling.clone(),
                    transcripts: common.transcripts.clone(),
                    marks: common.marks.clone(),
                    recorder: recorders.next(),
                    presence: common.presence.clone(),
                    new_segments: common.new_segments.clone(),
                    challenge_seed: RandomState::new().hash_one(index),
                    config: common.config,
                },
            })?;
            let name = format!("worker-{index}");
            let builder = std::thread::Builder::new().name(name.clone());
            let thread = builder.spawn(move || worker.run()).map_err(StartError::thread(&name))?;
            self.workers.push(thread);
        }
        Ok(())
    }

    /// Returns the CA that sinkd created, if a listener presents a certificate signed by it.
    pub fn authority(&self) -> Option<KeptAuthority> {
        self.current.get().authority.clone()
    }

    /// Returns the listeners, with their actual ports, in the order of the configuration.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Returns a function that returns the number of the generation in force.
    pub fn generation(&self) -> impl Fn() -> u32 + Send + Sync + use<> {
        let current = self.current.clone();
        move || current.number()
    }

    /// Returns the handle that stops this server.
    pub fn stop(&self) -> Arc<Stop> {
        self.stop.clone()
    }

    /// Returns the counters of each worker.
    pub fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    /// Returns a detector for steps of the system clock.
    pub fn clock_watch(&self) -> ClockWatch {
        ClockWatch::new(self.log.events(), self.log.start_count())
    }

    /// Returns the statistics since the start; `None` if they are off.
    pub fn live(&self) -> Option<Arc<Live>> {
        self.hub.as_ref().map(Hub::live)
    }

    /// Waits until the workers have ended (the caller must have begun the stop), then seals the
    /// log.
    pub fn join(self) {
        for worker in self.workers {
            worker.join().expect("workers don't panic");
        }
        drop(self.watchdog);
        drop(self.socket_files);
        for thread in self.transcript_thread.into_iter().chain(self.marks_thread) {
            thread.join().expect("the threads of transcripts and marks don't panic");
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

/// Returns a writer that wakes its worker through `waker`.
fn writer(log: &Log, waker: Arc<mio::Waker>) -> Result<log::Writer, log::OpenError> {
    log.writer(Box::new(move || {
        let _ = waker.wake();
    }))
}

/// Returns the default number of workers: the cores this process may use, at most 8.
pub fn default_workers() -> usize {
    cores().min(8)
}
