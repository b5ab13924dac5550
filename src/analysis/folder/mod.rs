//! One data folder, or several: whether they can be read, who holds them, their segments, and
//! reading whole logs.
mod data_folder;
mod holder;
mod retry;
mod segment_row;
mod selection;
mod source;
mod verification;

pub use data_folder::{ensure_data_folder, open_folder};
pub use holder::holder;
pub use retry::{Attempt, Attempts, retry_while_pruned};
pub use segment_row::SegmentRow;
pub use selection::FolderSpans;
pub use verification::{UnpublishedSlots, Verification};

pub(super) use data_folder::ensure_statistics;
pub(super) use source::{
    LogSource, MessagePlace, MessageVisitor, Understood, UnreadMessages, threads, visit_all,
};
