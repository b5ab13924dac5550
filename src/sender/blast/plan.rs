//! The plan of a blast: everything decided before it begins.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::attachment::Attachment;
use super::bank::{Bank, Common};
use super::list::is_mailbox;
use super::message_date::MessageDate;
use super::pace::SendingRate;
use super::recipients::RecipientSource;
use super::render::Rendering;
use super::size::Sizes;
use super::template::Template;
use crate::sender::source::SessionEnd;

/// Upper bound of message numbers, which start at 0; a larger one would not fit into its field.
pub const NUMBER_MAX: u64 = 1_000_000_000_000;

/// The address in From fields if the reverse-path is null.
const FROM: &str = "news@sender.example";

/// Maximum number of missing messages whose numbers are kept.
pub const MISSING_MAX: usize = 10_000;

/// Maximum length of a run's name, in octets.
const RUN_ID_BYTES_MAX: usize = 64;

/// Maximum size of a message including attachments, in octets.
const MESSAGE_BYTES_MAX: u64 = 256 << 20;

/// The source of the content.
#[derive(Debug, Clone)]
pub enum BlastContent {
    /// Newsletters; the sizes do not include attachments.
    Generated(Sizes),
    /// A template.
    Template(Template),
}

/// Settings of a blast.
#[derive(Debug, Clone)]
pub struct BlastSettings {
    /// Seed of all random choices.
    pub seed: u64,
    /// Identifies the run [default: the seed].
    pub run_id: Option<String>,
    /// The Date field (RFC 5322) of all messages.
    pub date: MessageDate,
    /// The reverse-path without brackets; "" is the null reverse-path.
    pub from: String,
    /// The source of recipients.
    pub recipients: RecipientSource,
    /// The source of content.
    pub content: BlastContent,
    /// Attachments of every message.
    pub attachments: Vec<Attachment>,
    /// The number of messages; `None` if only the pace ends the run.
    pub count: Option<u64>,
    /// The pace, for an open loop.
    pub pace: Option<SendingRate>,
}

/// Why a blast with these settings is impossible.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No message can be that small.
    #[error("expected at least {smallest} bytes, the minimum for these recipients, found {size}")]
    TooSmall {
        /// The requested size.
        size: u64,
        /// The smallest possible size.
        smallest: u64,
    },
    /// Messages with their attachments would be this large, in bytes, which is too large.
    #[error("expected messages of at most 256M including attachments, found {0} bytes")]
    TooLarge(u64),
    /// The reverse-path is not an address.
    #[error("expected an address such as news@example.org, or <>, found '{0}'")]
    From(String),
    /// The name of the run is invalid.
    #[error("expected 1 to 64 letters, digits, '.', '_' or '-', found '{0}'")]
    RunId(String),
}

pub(super) enum Prepared {
    Generated { bank: Bank, sizes: Sizes },
    Template(Rendering),
}

/// A plan, shared by all threads.
pub struct BlastPlan {
    pub(super) seed: u64,
    pub(super) from: String,
    pub(super) recipients: RecipientSource,
    end: u64,
    requested: Option<u64>,
    pub(super) pace: Option<SendingRate>,
    pub(super) prepared: Prepared,
    run_id: String,
    numbers: NumberCounter,
    missing: Mutex<MissingNumbers>,
}

/// Counts the numbers handed out. It has a cache line of its own, because all threads write it.
#[repr(align(128))]
struct NumberCounter(AtomicU64);

/// Message numbers in ascending order; at most [`MISSING_MAX`] of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingNumbers {
    /// Not sent: the connection was lost first, or sending ended.
    pub not_sent: Vec<u64>,
    /// Sent completely, but never answered.
    pub unknown: Vec<u64>,
}

impl BlastPlan {
    /// Prepares the content: up to 64 MiB, and up to 0.1 s for the largest sizes.
    pub fn new(settings: BlastSettings) -> Result<Arc<BlastPlan>, PlanError> {
        let BlastSettings { seed, run_id, date, from, recipients, .. } = settings;
        if !from.is_empty() && !is_mailbox(&from) {
            return Err(PlanError::From(from));
        }
        let run_id = run_id.unwrap_or_else(|| format!("{seed:016x}"));
        let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !(1..=RUN_ID_BYTES_MAX).contains(&run_id.len()) || !run_id.chars().all(is_word) {
            return Err(PlanError::RunId(run_id));
        }
        let attachments: Vec<&[u8]> = settings.attachments.iter().map(Attachment::part).collect();
        let common = Common {
            seed,
            run_id: &run_id,
            from: if from.is_empty() { FROM } else { &from },
            date: date.as_str(),
            address_bytes_max: recipients.address_bytes_max(),
            attachments: &attachments,
        };
        Ok(Arc::new(BlastPlan {
            prepared: prepare(&common, settings.content)?,
            end: settings.count.unwrap_or(NUMBER_MAX).min(NUMBER_MAX),
            requested: settings.count,
            pace: settings.pace,
            seed,
            from,
            recipients,
            run_id,
            numbers: NumberCounter(AtomicU64::new(0)),
            missing: Mutex::default(),
        }))
    }

    /// Returns the value of X-Run.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Returns the next number; `None` if there is none left.
    pub(super) fn take(&self) -> Option<u64> {
        // Relaxed, because only the number itself is shared.
        let number = self.numbers.0.fetch_add(1, Ordering::Relaxed);
        (number < self.end).then_some(number)
    }

    /// Returns the number that would be next. To be called after all threads have ended.
    pub(super) fn next(&self) -> Option<u64> {
        let number = self.numbers.0.load(Ordering::Relaxed);
        (number < self.end).then_some(number)
    }

    /// Returns the end of the schedule, since the start of sending; approximate for a count of
    /// Poisson arrivals. `None` if there is no pace or no end.
    pub fn schedule_end(&self) -> Option<Duration> {
        let pace = self.pace?;
        let by_count = self.requested.map(|count| {
            Duration::try_from_secs_f64(count as f64 / pace.per_s.get()).unwrap_or(Duration::MAX)
        });
        pace.until.into_iter().chain(by_count).min()
    }

    pub(super) fn requested(&self) -> Option<u64> {
        self.requested
    }

    pub(super) fn record_miss(&self, number: u64, end: SessionEnd) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let list =
            if end == SessionEnd::Unknown { &mut missing.unknown } else { &mut missing.not_sent };
        if list.len() < MISSING_MAX {
            list.push(number);
        }
    }

    /// Returns the messages that were numbered but may not have arrived, although the target did
    /// not refuse them.
    pub fn missing(&self) -> MissingNumbers {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        missing.not_sent.sort_unstable();
        missing.unknown.sort_unstable();
        missing
    }
}

fn prepare(common: &Common<'_>, content: BlastContent) -> Result<Prepared, PlanError> {
    let attached: u64 = common.attachments.iter().map(|part| part.len() as u64).sum();
    let largest = match &content {
        BlastContent::Generated(sizes) => sizes.bounds().1,
        BlastContent::Template(_) => 0,
    };
    if attached + largest > MESSAGE_BYTES_MAX {
        return Err(PlanError::TooLarge(attached + largest));
    }
    let sizes = match content {
        BlastContent::Template(template) => {
            return Ok(Prepared::Template(Rendering::new(common, &template)));
        }
        BlastContent::Generated(sizes) => sizes,
    };
    let bank = Bank::new(common, &sizes);
    let smallest = bank.size_min(common.address_bytes_max);
    match (&sizes, sizes.bounds().0) {
        // Few sizes are that small; they are raised to the minimum.
        (Sizes::Lognormal { .. }, _) => {}
        (_, size) if size < smallest => return Err(PlanError::TooSmall { size, smallest }),
        _ => {}
    }
    Ok(Prepared::Generated { bank, sizes })
}
