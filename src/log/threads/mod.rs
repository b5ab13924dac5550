//! The threads that do the work for which no worker may block. [`Provision`] creates, seals, drops
//! and recycles segments, [`Flusher`] flushes open ones, and [`sync`] flushes sealed ones later.
mod ahead;
mod dedicated_file;
mod flusher;
mod maker;
mod provision;
mod recycle;
mod retainer;
mod seal;
mod served;
pub(crate) mod sync;

pub(crate) use flusher::Flusher;
pub(crate) use maker::MakerSetup;
pub(crate) use provision::Provision;
