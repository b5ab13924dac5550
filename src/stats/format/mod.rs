//! The files of statistics: their names, their lines, and damage in them.
mod counter_line;
mod damage;
mod file_name;
mod lines;

pub(super) use counter_line::{CounterLine, NUMBER_MAX, TENTHS};
pub use damage::{LineFault, StatsDamage};
pub(super) use file_name::{HOUR_S, StatsFileKind, Stem, folder_of};
pub(super) use lines::{LineFile, unglued};
