//! The parser threads of a running sinkd, which index committed messages when the machine has time.
//!
//! A worker only announces that it has begun a segment, and never waits to do so. The end of a
//! segment is read from its live page, and segments that were not announced are found by listing
//! the folder.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use super::backlog::{Backlog, Job};
use super::indexer::Indexer;
use super::lag::Lag;
use crate::index::sidecar;

/// How often an idle parser checks live pages. Polled, because a store to a map wakes no thread,
/// and a wakeup would cost the worker a system call.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long the threads pause while the workers are busy.
const PAUSE: Duration = Duration::from_millis(50);
/// Number of batches, of 2,048 messages in total, before a thread switches to another segment.
const BATCHES_PER_TURN: u32 = 64;

/// When the parser threads may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// As mail arrives, whatever the load of the machine.
    Eager,
    /// When the machine is idle, and not while the workers are busy.
    #[default]
    Lazy,
    /// Never. `sinkctl reindex` creates the index; without it, searches read the messages.
    Off,
}

/// How the parser threads of a sinkd index mail. With [`When::Off`], sinkd starts none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSettings {
    /// Whether the threads wait for idle workers.
    pub when: When,
    /// Number of parser threads. One segment is indexed by one thread at a time.
    pub threads: usize,
    /// The header field that numbers messages, if any.
    pub sequence_field: Option<String>,
}

impl Default for IndexSettings {
    fn default() -> IndexSettings {
        IndexSettings { when: When::default(), threads: 1, sequence_field: None }
    }
}

/// What the threads need from the program that they run in.
pub trait Host: Send + Sync {
    /// Lowers the priority of the calling thread. Each thread of a lazy index calls it once.
    fn run_when_idle(&self);

    /// Returns whether the workers are busy. Lazy threads call it before each batch of up to 32
    /// messages, and pause while it returns true.
    fn is_busy(&self) -> bool;
}

/// The parser threads. Call [`ParserThreads::close`] to end them; dropping this value does not wait
/// for them.
pub struct ParserThreads {
    shared: Arc<ParserState>,
    /// Never sends: the threads stop when it is dropped.
    stop: Sender<()>,
    threads: Vec<JoinHandle<()>>,
}

struct ParserState {
    settings: IndexSettings,
    host: Box<dyn Host>,
    backlog: Mutex<Backlog>,
    stopped: Receiver<()>,
}

impl ParserThreads {
    /// Starts the threads for the folder `data`. `new_segments` receives the numbers of segments
    /// that workers begin.
    ///
    /// Errors: the index folder or a thread can't be created.
    pub fn start(
        data: &Path,
        settings: IndexSettings,
        host: Box<dyn Host>,
        new_segments: Receiver<u32>,
    ) -> std::io::Result<ParserThreads> {
        std::fs::create_dir_all(sidecar::folder(data))?;
        let (stop, stopped) = bounded(0);
        let backlog =
            Backlog::new(PathBuf::from(data), settings.sequence_field.clone(), new_segments);
        let backlog = Mutex::new(backlog);
        let shared = Arc::new(ParserState { settings, host, backlog, stopped });
        let mut parser = ParserThreads { shared, stop, threads: Vec::new() };
        for index in 0..parser.shared.settings.threads {
            let shared = parser.shared.clone();
            let thread = std::thread::Builder::new().name(format!("parser-{index}"));
            parser.threads.push(thread.spawn(move || shared.run())?);
        }
        Ok(parser)
    }

    /// Returns a function that computes the lag, for use on any thread.
    pub fn lag(&self) -> impl Fn() -> Lag + Send + use<> {
        let shared = self.shared.clone();
        move || shared.backlog().lag()
    }

    /// Ends the threads once they have completed their current blocks. The next start continues
    /// from there.
    pub fn close(self) {
        drop(self.stop);
        for thread in self.threads {
            thread.join().expect("a parser thread does not panic");
        }
    }
}

impl ParserState {
    fn run(&self) {
        if self.settings.when == When::Lazy {
            self.host.run_when_idle();
        }
        let mut indexer = Indexer::new(self.settings.sequence_field.as_deref());
        loop {
            let pause = if self.must_pause() {
                PAUSE
            } else {
                // Not part of the condition, because the lock would then be held during the whole
                // turn.
                let job = self.backlog().claim();
                match job {
                    Some(job) => {
                        self.work(&mut indexer, job);
                        Duration::ZERO
                    }
                    None => POLL_INTERVAL,
                }
            };
            if self.stopped.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }

    fn work(&self, indexer: &mut Indexer, mut job: Job) {
        let mut questions = 0;
        let result = indexer.index(&job.segment, &mut job.appender, &mut |_| {
            questions += 1;
            questions <= BATCHES_PER_TURN && !self.is_stopped() && !self.must_pause()
        });
        self.backlog().return_job(job, result);
    }

    fn must_pause(&self) -> bool {
        self.settings.when == When::Lazy && self.host.is_busy()
    }

    fn is_stopped(&self) -> bool {
        self.stopped.try_recv() == Err(TryRecvError::Disconnected)
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
