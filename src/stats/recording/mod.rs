//! Recording: what each worker measures in a second, merged and written.
mod counts;
mod files;
mod hub;
mod interval;
mod listener_counts;
mod live;
mod recorded_names;
mod recorder;
mod sample;

pub use files::StatsPlace;
pub use hub::{Hub, Observer};
pub use interval::Interval;
pub use listener_counts::ListenerCounts;
pub use live::Live;
pub use recorded_names::RecordedNames;
pub use recorder::Recorder;
pub use sample::Sample;
