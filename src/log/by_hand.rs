//! The log without its threads, for simulation: the caller decides when each thread runs, and
//! passes the time.
use std::path::Path;
use std::time::{Duration, Instant};

use super::append::Writer;
use super::files::error::OpenError;
use super::folder_log::LogParts;
use super::settings::LogSettings;
use super::upkeep::recovery::Recovery;

/// A log whose provisioning and flushing happen only when called.
pub struct LogByHand {
    parts: LogParts,
    began: Instant,
}

impl LogByHand {
    /// Opens a folder like [`Log::open`].
    pub fn open(folder: &Path, settings: LogSettings) -> Result<(LogByHand, Recovery), OpenError> {
        let (mut parts, recovery) = LogParts::open(folder, settings)?;
        parts.provision.begin();
        let began = parts.provision.now();
        Ok((LogByHand { parts, began }, recovery))
    }

    /// Returns a writer like [`Log::writer`].
    pub fn writer(&mut self, wake: Box<dyn Fn() + Send + Sync>) -> Result<Writer, OpenError> {
        let pending = self.parts.log.request_writer(wake);
        self.serve(usize::MAX, self.parts.provision.now().duration_since(self.began));
        pending.finish(&self.parts.log)
    }

    /// Returns how often this folder was opened for writing, including this time.
    pub fn start_count(&self) -> u32 {
        self.parts.log.start_count()
    }

    /// Returns the number of requests waiting for provisioning.
    pub fn requests(&self) -> usize {
        self.parts.requested.len()
    }

    /// Runs provisioning: serves up to `most` requests, then does what is due. `now` is the time
    /// since the log was opened. Returns the number of requests served.
    pub fn serve(&mut self, most: usize, now: Duration) -> usize {
        self.parts.provision.set_now(self.began + now);
        let mut served = 0;
        while served < most
            && let Ok(request) = self.parts.requested.try_recv()
        {
            served += 1;
            if self.parts.provision.serve(request).is_break() {
                break;
            }
            self.parts.provision.run_due();
        }
        self.parts.provision.run_due();
        served
    }

    /// Runs up to `most` jobs of the flusher. Returns the number of jobs run.
    pub fn flush(&mut self, most: usize, now: Duration) -> usize {
        let mut done = 0;
        while done < most
            && let Some(flusher) = &mut self.parts.flusher
            && let Ok(job) = self.parts.flushes.try_recv()
        {
            done += 1;
            if flusher.serve(job, self.began + now).is_break() {
                break;
            }
        }
        done
    }

    /// Runs the flusher as if the interval of durability `interval` had passed.
    pub fn flush_interval(&mut self) {
        if let Some(flusher) = &mut self.parts.flusher {
            flusher.flush_changed();
        }
    }

    /// Seals the segments and unlocks the folder. All writers must have been closed.
    pub fn close(mut self, now: Duration) {
        while self.serve(usize::MAX, now) + self.flush(usize::MAX, now) > 0 {}
        self.parts.provision.end();
    }

    /// Ends like a process killed by SIGKILL: requests that were not served are lost.
    pub fn crash(self) {}
}
