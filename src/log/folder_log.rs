//! The data folder, open for writing.
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::append::{Link, Segments, Writer};
use super::exchange::{
    FlushJob, Gate, NewWorker, OpenedSegment, PreparedSegment, ProvisionRequest, REQUESTS_MAX,
    SyncJob,
};
use super::files::boot::current_boot;
use super::files::disk;
use super::files::error::OpenError;
use super::files::events;
use super::files::events_file::EventsFile;
use super::files::layout;
use super::files::lock::FolderLock;
use super::files::probe;
use super::files::store::StoreFile;
use super::format::StoreId;
use super::settings::{Durability, LogSettings};
use super::threads::{Flusher, MakerSetup, Provision, sync};
use super::upkeep::reclaim;
use super::upkeep::recovery::{self, Recovery};
use super::upkeep::retention::SealedSegments;
use crate::time::ProcessClock;

/// A data folder that is open for writing, with its lock, and the provisioning, flusher and sync
/// threads.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    settings: LogSettings,
    start_count: u32,
    events: Arc<EventsFile>,
    workers: AtomicU32,
    requests: Sender<ProvisionRequest>,
    jobs: Sender<SyncJob>,
    flusher: Sender<FlushJob>,
    provision: Option<JoinHandle<()>>,
    flush: Option<JoinHandle<()>>,
    sync: Option<JoinHandle<()>>,
    _lock: FolderLock,
}

impl Log {
    /// Opens `folder`, which is created if necessary, and recovers every message that earlier
    /// starts committed.
    ///
    /// Costs one small read per segment. After a reboot of the machine, also costs a scan of
    /// everything that was not flushed.
    pub fn open(folder: &Path, settings: LogSettings) -> Result<(Log, Recovery), OpenError> {
        let (parts, recovery) = LogParts::open(folder, settings)?;
        let LogParts { provision, requested, flusher, flushes, syncs, mut log } = parts;
        let handle = provision.store_handle();
        let handle = handle.map_err(|e| OpenError::new(folder.join("store"), e))?;
        let call = log.settings.flush.clone();
        log.sync = Some(spawn("log-sync", move || sync::run(&syncs, &handle, &call))?);
        if let Some(flusher) = flusher {
            log.flush = Some(spawn("log-flush", move || flusher.run(&flushes))?);
        }
        log.provision = Some(spawn("log-provision", move || provision.run(&requested))?);
        Ok((log, recovery))
    }

    /// Returns a writer for one worker; its first segment is ready when this returns. When a writer
    /// that got `Wait` can continue, another thread calls `wake`.
    ///
    /// Errors: `NoSpace`, and errors of the file system.
    pub fn writer(&self, wake: Box<dyn Fn() + Send + Sync>) -> Result<Writer, OpenError> {
        self.request_writer(wake).finish(self)
    }

    /// Requests the first segment of a new worker from provisioning.
    pub(super) fn request_writer(&self, wake: Box<dyn Fn() + Send + Sync>) -> PendingWriter {
        // Relaxed: the numbers only have to differ.
        let worker = self.workers.fetch_add(1, Ordering::Relaxed);
        let gate = Arc::new(Gate::new(wake));
        let (next, receiver) = bounded(1);
        let (answer, opened) = bounded(1);
        let request =
            ProvisionRequest::Open(NewWorker { worker, gate: gate.clone(), next, answer });
        // An error will be reported when the answer is waited for.
        drop(self.requests.send(request));
        PendingWriter { worker, gate, next: receiver, opened }
    }

    /// Returns how often this folder was opened for writing, including this time.
    pub fn start_count(&self) -> u32 {
        self.start_count
    }

    /// Returns `events.jsonl` of this folder, for other threads of sinkd that write to it.
    pub fn events(&self) -> Arc<EventsFile> {
        self.events.clone()
    }

    /// Seals the segments, joins the threads and unlocks the folder. All writers must have been
    /// closed.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // An error means that a thread has already ended, so there is nothing to wait for.
        drop(self.requests.send(ProvisionRequest::Stop));
        if let Some(thread) = self.provision.take() {
            drop(thread.join());
        }
        drop(self.flusher.send(FlushJob::Stop));
        if let Some(thread) = self.flush.take() {
            drop(thread.join());
        }
        drop(self.jobs.send(SyncJob::Stop));
        if let Some(thread) = self.sync.take() {
            drop(thread.join());
        }
    }
}

/// A writer that waits for its first segment.
pub(super) struct PendingWriter {
    worker: u32,
    gate: Arc<Gate>,
    next: Receiver<PreparedSegment>,
    opened: Receiver<OpenedSegment>,
}

impl PendingWriter {
    /// Waits for the answer.
    pub fn finish(self, log: &Log) -> Result<Writer, OpenError> {
        let PendingWriter { worker, gate, next, opened } = self;
        let gone = || io::Error::other("the provisioning thread has stopped");
        let opened = opened.recv().map_err(|_| gone()).flatten();
        let first = *opened.map_err(|e| OpenError::new(&log.folder, e))?;
        let link = Link::new(worker, gate, log.requests.clone(), log.flusher.clone());
        Ok(Writer::new(log.settings.clone(), link, Segments::new(first, next)))
    }
}

/// A log before its threads are started: the state of each thread, and the channel of its requests.
pub(super) struct LogParts {
    // Dropped first, because it must not outlive the receiver of the writers' requests.
    pub provision: Provision,
    pub requested: Receiver<ProvisionRequest>,
    /// The flusher, if the durability requires one.
    pub flusher: Option<Flusher>,
    pub flushes: Receiver<FlushJob>,
    pub syncs: Receiver<SyncJob>,
    pub log: Log,
}

impl LogParts {
    pub fn open(folder: &Path, settings: LogSettings) -> Result<(LogParts, Recovery), OpenError> {
        make_folders(folder)?;
        let lock = FolderLock::take(folder)?;
        probe::probe(folder)?;
        let boot = settings.boot.unwrap_or_else(current_boot);
        reclaim::reclaim(folder).map_err(|e| OpenError::new(folder, e))?;
        let highest = recovery::prepare(folder)?;
        let store = StoreFile::open(folder, highest, fresh_id()?)?;
        let (mut recovery, unsynced) = recovery::recover(folder, boot)?;
        let mut sealed_segments = std::mem::take(&mut recovery.sealed_segments);
        date_by_system_clock(folder, &mut sealed_segments)
            .map_err(|e| OpenError::new(folder, e))?;
        let (jobs, syncs) = unbounded();
        // The receiver is still alive, so no job is lost.
        unsynced.into_iter().for_each(|job| drop(jobs.send(job)));
        let start_count = store.state.starts;
        let (requests, requested) = bounded(REQUESTS_MAX);
        let (flush_jobs, flushes) = unbounded();
        let flusher = flusher(&settings, &jobs, &requests);
        let events = Arc::new(EventsFile::new(folder));
        let setup = MakerSetup {
            folder: folder.to_owned(),
            settings: settings.clone(),
            store,
            boot,
            sync: jobs.clone(),
            flusher: flush_jobs.clone(),
            sealed_segments,
            events: events.clone(),
        };
        let log = Log {
            folder: folder.to_owned(),
            settings,
            start_count,
            events,
            workers: AtomicU32::new(0),
            requests,
            jobs,
            flusher: flush_jobs,
            provision: None,
            flush: None,
            sync: None,
            _lock: lock,
        };
        let provision = Provision::new(setup, ProcessClock::get().monotonic());
        Ok((LogParts { provision, requested, flusher, flushes, syncs, log }, recovery))
    }
}

/// Returns the flusher, if the durability requires one.
fn flusher(
    settings: &LogSettings,
    sync: &Sender<SyncJob>,
    requests: &Sender<ProvisionRequest>,
) -> Option<Flusher> {
    let interval = match settings.durability {
        Durability::Process => return None,
        Durability::Interval(interval) => Some(interval),
        Durability::Message => None,
    };
    Some(Flusher::new(settings.flush.clone(), interval, sync.clone(), requests.clone()))
}

/// Corrects the times of segments whose sinkd had a clock that differed from the system clock,
/// because the clock of this sinkd began with the system's. Costs a read of `events.jsonl`, and if
/// a clock has ever moved, one of each segment's first page.
fn date_by_system_clock(folder: &Path, sealed_segments: &mut SealedSegments) -> io::Result<()> {
    let moved = events::moved_clocks(folder)?;
    for number in if moved.is_empty() { Vec::new() } else { sealed_segments.numbers() } {
        let file = File::open(layout::segment_path(folder, number));
        let start = file.ok().and_then(|file| disk::identity_of(&file)).map(|i| i.start_count);
        if let Some(ahead_ns) = start.and_then(|start| moved.get(&start)) {
            sealed_segments.correct_clock(number, *ahead_ns);
        }
    }
    sealed_segments.clamp_times(ProcessClock::get().unix_ns());
    Ok(())
}

fn make_folders(folder: &Path) -> Result<(), OpenError> {
    let segments = layout::segments_folder(folder);
    for path in [folder, &segments] {
        if path.exists() && !path.is_dir() {
            return Err(OpenError::NotAFolder { path: path.to_owned() });
        }
    }
    disk::make_folder(&segments).map_err(|e| OpenError::new(folder, e))
}

fn spawn(
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let builder = std::thread::Builder::new().name(name.into());
    builder.spawn(run).map_err(|cause| OpenError::Thread { name, cause })
}

/// Returns 16 random octets for a new folder.
fn fresh_id() -> Result<StoreId, OpenError> {
    use std::io::Read;
    let path = Path::new("/dev/urandom");
    let mut id = [0; 16];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut id));
    read.map_err(|cause| OpenError::Io { path: path.to_owned(), cause })?;
    Ok(StoreId(id))
}
