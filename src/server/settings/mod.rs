//! The settings in force: numbered, immutable generations, built by the control thread and applied
//! by all workers.
//!
//! ```text
//! Generations ─builds─▶ Generation ─▶ CurrentGeneration
//!                        one load a round ─▶ AppliedGeneration of a worker ─▶ Session
//! ```
pub(super) mod applied;
pub(super) mod current;
pub mod generation;
pub mod generations;
pub(super) mod listener_rules;
pub(super) mod times;
