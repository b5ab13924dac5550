//! Replays a folder: sends its messages to another server, in the original order and timing.
//!
//! ```text
//! Selection ─▶ Plan (departure order, sessions) ─▶ Feed ─▶ the engine
//!                Content (map, envelope, marks) ─────┘ ▲       │ outcome
//!                Resume (what was sent) ◀──────────────┴───────┘
//! ```
//!
//! Invariants: a message is handed to the sender only after the resume file names it, so nothing is
//! sent twice unnoticed; content goes from the map to the socket after its checksum was checked;
//! memory does not grow with the number of messages.
mod ahead;
mod content;
mod feed;
mod id_set;
mod lanes;
mod maps;
mod marks;
mod own_folder;
mod pace;
mod plan;
mod recipient_map;
mod recipient_verdict;
mod resume;
mod resume_error;
mod resume_line;
mod resume_log;
mod retry;
mod rewriting;
mod sent_before;
mod survey;
mod tally;
#[cfg(test)]
mod testkit;

pub use content::ReplayContent;
pub use feed::{Feed, ReplayOptions, SessionMapping};
pub use id_set::IdSet;
pub use marks::{Marks, NotAMark};
pub use own_folder::{OwnFolder, writes_into};
pub use pace::ReplayPace;
pub use plan::{LOOK_AHEAD, ReplayPlan, Selection, in_order};
pub use recipient_map::{MapError, MapRowError, RecipientMap};
pub use resume::{Belongs, Resume};
pub use resume_error::ResumeError;
pub use retry::Retry;
pub use rewriting::Rewriting;
pub use sent_before::SentBefore;
pub use survey::{Survey, SurveyProgress, survey};
pub use tally::{ReplayCount, ReplayTally};
