//! What no worker waits for: segments are made, sealed, dropped and used again by one thread
//! ([`Provision`]), flushed by another ([`Flusher`]), and, once sealed, late by a third ([`sync`]).
mod ahead;
mod flusher;
mod maker;
mod own_file;
mod provision;
mod recycle;
mod retainer;
mod seal;
mod served;
pub(crate) mod sync;

pub(crate) use flusher::Flusher;
pub(crate) use maker::MakerSetup;
pub(crate) use provision::Provision;
