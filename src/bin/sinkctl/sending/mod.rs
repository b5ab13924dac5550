//! Code that replay, blast and calibrate share: sending with progress, and reporting the outcome.
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::SIGTERM;
use sinkd::sender::source::Source;
use sinkd::sender::{SendReport, SendingSettings, SharedRun};
use sinkd::stats::{Follower, Metric};

use crate::base::progress::{Interruptible, watched};

mod account;
mod encryption;
mod outcome;
mod reason;

pub use account::{AccountOptions, PASSWORD_VARIABLE};
pub use encryption::{TlsMode, TlsOptions};
pub use outcome::{ReplayOutcomes, ReportForms, SendingOutcome};
pub use reason::reason;

/// Maximum number of connections being opened at once; a target's backlog is often 128.
pub const OPENING_MAX: usize = 64;
/// Descriptors reserved for purposes other than connections.
pub const DESCRIPTORS_KEPT: u64 = 128;
/// Sending ends when connections have failed for this long and none was useful.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long messages in progress may continue after a stop, such as by Ctrl-C.
pub const GRACE: Duration = Duration::from_secs(5);

/// The folder with the records of a run, in a form that `stats`, `report`, `compare` and `assert`
/// read.
pub enum Records {
    /// A folder that is kept.
    Kept(PathBuf),
    /// A temporary folder.
    Passing(tempfile::TempDir),
}

impl Records {
    /// Creates the folder, or a temporary one for `None`. Errors: the folder is not empty.
    pub fn new(folder: Option<&Path>) -> anyhow::Result<Records> {
        let Some(folder) = folder else {
            let made = tempfile::Builder::new().prefix("sinkctl-").tempdir();
            return Ok(Records::Passing(made.context("cannot create a folder for the records")?));
        };
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{}: cannot be created", folder.display()))?;
        let mut entries = std::fs::read_dir(folder)
            .with_context(|| format!("{}: cannot be read", folder.display()))?;
        let is_empty = entries.next().is_none();
        anyhow::ensure!(
            is_empty,
            "{}: not empty; choose a new or empty folder for --records",
            folder.display()
        );
        Ok(Records::Kept(folder.to_owned()))
    }

    pub fn path(&self) -> &Path {
        match self {
            Records::Kept(path) => path,
            Records::Passing(folder) => folder.path(),
        }
    }
}

/// Sends, shows progress, and ends early on request. `total` is the number of messages, if known;
/// `done` returns how many of them are finished, such as [`messages_done`].
pub fn send(
    settings: &SendingSettings,
    sources: Vec<Box<dyn Source>>,
    records: &Records,
    total: Option<u64>,
    done: impl Fn(&SharedRun) -> u64,
) -> anyhow::Result<(SendReport, Arc<SharedRun>)> {
    let shared = Arc::new(SharedRun::default());
    // The first signal lets messages in progress finish.
    let signals = [Interruptible::new(&shared.stop)?, Interruptible::by(SIGTERM, &shared.stop)?];
    let mut progress = SendingProgress::new(records.path(), total);
    let report = watched(
        || progress.show_progress(&shared, done(&shared)),
        || sinkd::sender::run(settings, sources, records.path(), &shared),
    );
    drop((progress, signals));
    Ok((report.context("cannot start sending")?, shared))
}

/// Returns the number of messages done; each attempt counts.
pub fn messages_done(shared: &SharedRun) -> u64 {
    shared.done.load(Ordering::Relaxed)
}

/// The progress line: messages, their rate, and percentiles of the last second.
struct SendingProgress {
    bar: ProgressBar,
    follower: Follower,
    /// The newest second shown.
    shown_second: u64,
}

impl SendingProgress {
    fn new(folder: &Path, total: Option<u64>) -> SendingProgress {
        let follower = Follower::new(folder);
        let bar = match total {
            _ if !std::io::stderr().is_terminal() => ProgressBar::hidden(),
            Some(total) => ProgressBar::new(total).with_style(
                ProgressStyle::with_template(
                    "{bar:24} {human_pos} of {human_len}, {eta} left  {wide_msg}",
                )
                .expect("the template is correct"),
            ),
            None => ProgressBar::no_length().with_style(
                ProgressStyle::with_template("{spinner} {elapsed}  {human_pos} done  {wide_msg}")
                    .expect("the template is correct"),
            ),
        };
        SendingProgress { bar, follower, shown_second: 0 }
    }

    fn show_progress(&mut self, shared: &SharedRun, done: u64) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(done);
        // An error only affects the progress line.
        let Ok(news) = self.follower.read_new(self.shown_second) else { return };
        let Some((second, counters)) = news.seconds.last_key_value() else { return };
        if *second < self.shown_second {
            return;
        }
        self.shown_second = *second;
        let messages = counters.counter(sinkd::stats::Counter::Messages);
        let newest = news.histograms.iter().rev();
        let times =
            newest.clone().find(|(metric, at, _)| (*metric, at) == (Metric::Transaction, second));
        let open = shared.open.load(Ordering::Relaxed);
        let mut message = format!("{messages}/s over {open} connections");
        if let Some((_, _, histogram)) = times {
            let at = |quantile| {
                crate::stats::value(
                    Some(Metric::Transaction),
                    histogram.value_at_quantile(quantile),
                )
            };
            message += &format!(", p50 {}, p99 {}, max {}", at(0.5), at(0.99), at(1.0));
        }
        self.bar.set_message(message);
    }
}

impl Drop for SendingProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
