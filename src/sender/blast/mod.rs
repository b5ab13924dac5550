//! Made-up mail for load generation: what each message is follows from a seed and its number alone.
//!
//! ```text
//! Settings ─▶ Plan (once: bodies, templates, recipients; shared by all threads)
//!               └─▶ Blast: Source, one a thread: takes the next number
//!                     number ─▶ size, body, recipients, moment ─▶ Mail
//! ```
//!
//! Neither the number of threads nor the order of calls matters: nothing passes from one message to
//! another but the number, and the moment. docs/blast.md describes the content of a message, and
//! how to recompute its checksum.
//!
//! Sketch of a message with built-in content: one copy of some 900 octets from a prepared head,
//! 12 digits put into it four times, one reference to a body of this thread's; no allocation.
pub mod attachment;
mod bank;
mod checksum;
mod head;
pub mod list;
mod pace;
mod plan;
pub mod random;
pub mod recipients;
mod render;
mod shared;
pub mod size;
mod source;
pub mod template;
mod words;

pub use pace::{Arrivals, SendingRate};
pub use plan::{
    BlastContent, BlastPlan, BlastSettings, MISSING_MAX, MissingNumbers, NUMBER_MAX, PlanError,
};
pub use source::Blast;
