//! Generates mail for load tests: each message depends only on a seed and its number.
//!
//! ```text
//! Settings ─▶ Plan (once: bodies, templates, recipients; shared by all threads)
//!               └─▶ Blast: Source, one per thread: takes the next number
//!                     number ─▶ size, body, recipients, moment ─▶ Mail
//! ```
//!
//! The number of threads and the order of calls do not matter: messages share nothing but the
//! counter of numbers. docs/blast.md describes the content of a message, and how to recompute its
//! checksum.
//!
//! Cost of a message with built-in content: one copy of about 900 octets from a prepared head, 12
//! digits filled in four times, and one reference to a body of this thread; no allocation.
pub mod attachment;
mod bank;
mod checksum;
mod head;
pub mod list;
mod message_date;
mod pace;
mod plan;
pub mod random;
pub mod recipients;
mod render;
mod shared;
pub mod size;
mod source;
pub mod template;
mod template_error;
mod words;

pub use message_date::{MessageDate, NotADate};
pub use pace::{Arrivals, SendingRate};
pub use plan::{
    BlastContent, BlastPlan, BlastSettings, MISSING_MAX, MissingNumbers, NUMBER_MAX, PlanError,
};
pub use source::Blast;
