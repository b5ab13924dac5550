//! The log without its threads, for simulation: the caller decides when each thread does its work,
//! and passes the time.
use std::path::Path;
use std::time::{Duration, Instant};

use super::append::Writer;
use super::files::error::OpenError;
use super::folder_log::LogParts;
use super::settings::LogSettings;
use super::upkeep::recovery::Recovery;

/// A log whose provisioning and flushing are done by hand.
pub struct LogByHand {
    parts: LogParts,
    began: Instant,
}

impl LogByHand {
    /// Opens a folder as [`Log::open`] does.
    pub fn open(folder: &Path, settings: LogSettings) -> Result<(LogByHand, Recovery), OpenError> {
        let (mut parts, recovery) = LogParts::open(folder, settings)?;
        parts.provision.begin();
        let began = parts.provision.now();
        Ok((LogByHand { parts, began }, recovery))
    }

    /// Returns a writer as [`Log::writer`] does.
    pub fn writer(&mut self, wake: Box<dyn Fn() + Send + Sync>) -> Result<Writer, OpenError> {
        let asked = self.parts.log.ask_for_writer(wake);
        self.serve(usize::MAX, self.parts.provision.now().duration_since(self.began));
        asked.finish(&self.parts.log)
    }

    /// How often this folder was opened for writing, this time included.
    pub fn start_count(&self) -> u32 {
        self.parts.log.start_count()
    }

    /// Requests that wait for provisioning.
    pub fn requests(&self) -> usize {
        self.parts.asked.len()
    }

    /// Provisioning serves up to `most` requests, and does what is due, `now` after the log was
    /// opened. Returns how many it served.
    pub fn serve(&mut self, most: usize, now: Duration) -> usize {
        self.parts.provision.set_now(self.began + now);
        let mut served = 0;
        while served < most
            && let Ok(request) = self.parts.asked.try_recv()
        {
            self.parts.provision.serve(request);
            self.parts.provision.look();
            served += 1;
        }
        self.parts.provision.look();
        served
    }

    /// The flusher does up to `most` jobs. Returns how many.
    pub fn flush(&mut self, most: usize, now: Duration) -> usize {
        let mut done = 0;
        while done < most
            && let Some(flusher) = &mut self.parts.flusher
            && let Ok(job) = self.parts.flushes.try_recv()
        {
            flusher.serve(job, self.began + now);
            done += 1;
        }
        done
    }

    /// The interval of durability `interval` has passed.
    pub fn flush_interval(&mut self) {
        if let Some(flusher) = &mut self.parts.flusher {
            flusher.look();
        }
    }

    /// Seals and unlocks, after all writers were closed.
    pub fn close(mut self, now: Duration) {
        while self.serve(usize::MAX, now) + self.flush(usize::MAX, now) > 0 {}
        self.parts.provision.end();
    }

    /// The process ends here, as by SIGKILL: what was asked for and not done is not done.
    pub fn crash(self) {}
}
