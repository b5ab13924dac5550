//! The parser threads of a running sinkd: they index what the workers have committed, when there is
//! time for it.
//!
//! A worker says only that it has begun a segment, and never waits to say it: how far a segment
//! goes is read from its live page, and what was not said is found by listing the folder.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use super::backlog::{Backlog, Job};
use super::indexer::Indexer;
use super::lag::Lag;

/// An idle parser looks at live pages this often: a store to a map wakes no thread, and waking one
/// would cost a worker a system call.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the threads rest while the workers are busy.
const REST: Duration = Duration::from_millis(50);
/// Checks whether to continue before another segment gets its turn: 2,048 messages.
const QUESTIONS_PER_TURN: u32 = 64;

/// When mail is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// As mail arrives, whatever else the machine has to do.
    Eager,
    /// When the machine has idle time, and not while the workers are busy.
    #[default]
    Lazy,
    /// Never: `sinkctl reindex` does it, and searching goes without.
    Off,
}

/// How mail is indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSettings {
    /// When to index.
    pub when: When,
    /// Number of threads.
    pub threads: usize,
    /// The header field that numbers messages; empty: none.
    pub sequence_field: String,
}

impl Default for IndexSettings {
    fn default() -> IndexSettings {
        IndexSettings { when: When::default(), threads: 1, sequence_field: String::new() }
    }
}

/// What the threads ask the program they run in.
pub trait Host: Send + Sync {
    /// Lowers the priority of the calling thread. Each thread of a lazy index calls it when it
    /// begins.
    fn run_when_idle(&self);

    /// Returns whether the workers are busy.
    fn is_busy(&self) -> bool;
}

/// The running threads.
pub struct ParserThreads {
    shared: Arc<Shared>,
    /// Dropped: they end.
    stop: Sender<()>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    settings: IndexSettings,
    host: Box<dyn Host>,
    backlog: Mutex<Backlog>,
    stopped: Receiver<()>,
}

impl ParserThreads {
    /// Starts the threads on the folder `data`. `begun`: numbers of segments that workers begin.
    ///
    /// Errors: the folder for the index can't be made, or a thread.
    pub fn start(
        data: &Path,
        settings: IndexSettings,
        host: Box<dyn Host>,
        begun: Receiver<u32>,
    ) -> std::io::Result<ParserThreads> {
        std::fs::create_dir_all(super::sidecar::folder(data))?;
        let (stop, stopped) = bounded(0);
        let backlog = Backlog::new(PathBuf::from(data), settings.sequence_field.clone(), begun);
        let backlog = Mutex::new(backlog);
        let shared = Arc::new(Shared { settings, host, backlog, stopped });
        let mut parser = ParserThreads { shared, stop, threads: Vec::new() };
        for index in 0..parser.shared.settings.threads {
            let shared = parser.shared.clone();
            let thread = std::thread::Builder::new().name(format!("parser-{index}"));
            parser.threads.push(thread.spawn(move || shared.run())?);
        }
        Ok(parser)
    }

    /// How to ask for the lag, from any thread.
    pub fn lag(&self) -> impl Fn() -> Lag + Send + use<> {
        let shared = self.shared.clone();
        move || shared.backlog().lag()
    }

    /// Ends the threads, after the blocks that they have begun. The next start continues from
    /// there.
    pub fn close(self) {
        drop(self.stop);
        for thread in self.threads {
            thread.join().expect("a parser thread does not panic");
        }
    }
}

impl Shared {
    fn run(&self) {
        if self.settings.when == When::Lazy {
            self.host.run_when_idle();
        }
        let mut indexer = Indexer::new(&self.settings.sequence_field);
        loop {
            let pause = if self.must_rest() {
                REST
            } else {
                // Not inside the condition: the lock would be held for the whole turn.
                let job = self.backlog().claim();
                match job {
                    Some(job) => {
                        self.work(&mut indexer, job);
                        Duration::ZERO
                    }
                    None => LOOK_EVERY,
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
            questions <= QUESTIONS_PER_TURN && !self.is_over() && !self.must_rest()
        });
        self.backlog().take_back(job, result);
    }

    fn must_rest(&self) -> bool {
        self.settings.when == When::Lazy && self.host.is_busy()
    }

    fn is_over(&self) -> bool {
        self.stopped.try_recv() == Err(TryRecvError::Disconnected)
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
