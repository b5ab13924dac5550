//! The provisioning thread: creates, allocates, maps, populates, seals and unmaps segments, so that
//! no event loop waits for that.
//!
//! The thread sleeps in its request channel. A worker sends `Serve` if less than half of its window
//! is left or if it got `Wait`; everything else that the thread needs to know is in the atomics of
//! `exchange`. While storage refuses, the thread tries again every half second.
//!
//! Only [`Provision::run`] reads the monotonic clock, and sets the time before each request; the
//! simulation sets a made-up one.
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::dedicated_file::{DedicatedFile, Provisioned};
use super::maker::{Maker, MakerSetup};
use super::seal;
use super::served::ServedWorker;
use crate::log::exchange::{DedicatedCommit, NewDedicated, NewWorker, ProvisionRequest};

/// The thread's state.
pub(crate) struct Provision {
    maker: Maker,
    workers: HashMap<u32, ServedWorker>,
    /// When to retry what storage refused.
    retry_at: Option<Instant>,
    /// Workers whose large messages need more than one step; each is listed at most once.
    unfinished: VecDeque<u32>,
}

impl Provision {
    pub(crate) fn new(setup: MakerSetup, now: Instant) -> Provision {
        Provision {
            maker: Maker::new(setup, now),
            workers: HashMap::new(),
            retry_at: None,
            unfinished: VecDeque::new(),
        }
    }

    /// Returns the time of the request being served.
    pub(crate) fn now(&self) -> Instant {
        self.maker.now()
    }

    /// Sets the time of the next requests.
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.maker.retainer.set_now(now);
    }

    /// Returns another handle for the file `store`, for the sync thread.
    pub(crate) fn store_handle(&self) -> io::Result<File> {
        self.maker.store.handle()
    }

    /// Serves requests until `Stop`.
    pub(crate) fn run(mut self, requests: &Receiver<ProvisionRequest>) {
        self.begin();
        loop {
            let request = match self.next_due() {
                _ if !self.unfinished.is_empty() => requests.recv_timeout(Duration::ZERO),
                None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => requests.recv_deadline(at),
            };
            self.set_now(Instant::now());
            match request {
                Ok(request) => {
                    if self.serve(request).is_break() {
                        break;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.run_due();
        }
        self.end();
    }

    /// Runs at the start of the thread.
    pub(crate) fn begin(&mut self) {
        self.maker.retainer.begin();
    }

    /// Runs at the end of the thread. Workers that did not close may still take the segments
    /// prepared for them, so these stay; recovery deletes empty ones.
    pub(crate) fn end(&mut self) {
        self.maker.retainer.end();
    }

    /// Returns when to act without a request.
    fn next_due(&self) -> Option<Instant> {
        [self.retry_at, self.maker.retainer.next_due()].into_iter().flatten().min()
    }

    /// Does what is due, and one step of unfinished work.
    pub(crate) fn run_due(&mut self) {
        self.retry_if_due();
        self.maker.retainer.run_due();
        if let Some(worker) = self.unfinished.pop_front() {
            self.serve_worker(worker);
        }
    }

    fn retry_if_due(&mut self) {
        if self.retry_at.is_none_or(|at| self.now() < at) {
            return;
        }
        self.retry_at = None;
        let workers: Vec<u32> = self.workers.keys().copied().collect();
        for worker in workers {
            self.serve_worker(worker);
        }
    }

    /// Serves one request. Breaks if the request ends the thread.
    pub(crate) fn serve(&mut self, request: ProvisionRequest) -> ControlFlow<()> {
        match request {
            ProvisionRequest::Open(new) => self.open(new),
            ProvisionRequest::Serve { worker } => self.serve_worker(worker),
            ProvisionRequest::Seal(left) => seal::seal(*left, &mut self.maker),
            ProvisionRequest::DedicatedOpen { worker, dedicated } => {
                self.dedicated_open(worker, dedicated)
            }
            ProvisionRequest::DedicatedCommit { worker, commit } => {
                self.dedicated_commit(worker, commit)
            }
            ProvisionRequest::DedicatedDrop { worker, key, access } => {
                drop(access);
                if let Some(dedicated) = self.take_dedicated(worker, key) {
                    dedicated.abandon(&mut self.maker);
                }
            }
            ProvisionRequest::DedicatedFlushed { number, outcome } => {
                self.maker.retainer.dedicated_flushed(number, outcome);
            }
            ProvisionRequest::Closed { worker } => {
                if let Some(served) = self.workers.remove(&worker) {
                    served.close(&mut self.maker);
                }
            }
            ProvisionRequest::Stop => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn open(&mut self, new: NewWorker) {
        let worker = new.worker;
        if let Some(served) = ServedWorker::open(new, &mut self.maker) {
            self.workers.insert(worker, served);
        }
        self.serve_worker(worker);
    }

    fn serve_worker(&mut self, worker: u32) {
        let Some(served) = self.workers.get_mut(&worker) else {
            return;
        };
        let rest = served.serve(&mut self.maker);
        self.retry_at = [self.retry_at, rest.retry_at].into_iter().flatten().min();
        if rest.is_unfinished {
            self.requeue(worker);
        }
    }

    /// Queues this worker to be served again after the others.
    fn requeue(&mut self, worker: u32) {
        if !self.unfinished.contains(&worker) {
            self.unfinished.push_back(worker);
        }
    }

    fn dedicated_open(&mut self, worker: u32, dedicated: NewDedicated) {
        let Some(served) = self.workers.get_mut(&worker) else {
            return;
        };
        if served.open_dedicated(DedicatedFile::new(worker, dedicated), &mut self.maker)
            == Provisioned::Short
        {
            self.requeue(worker);
        }
    }

    fn take_dedicated(&mut self, worker: u32, key: u64) -> Option<DedicatedFile> {
        self.workers.get_mut(&worker)?.take_dedicated(key)
    }

    fn dedicated_commit(&mut self, worker: u32, commit: DedicatedCommit) {
        let Some(served) = self.workers.get_mut(&worker) else {
            return;
        };
        if let Some(dedicated) = served.take_dedicated(commit.key) {
            dedicated.finish(&mut self.maker, commit, &served.gate);
            served.gate.wake();
        }
    }
}
