//! A payload in progress, from its first octet to its final reply, and the storage it goes to.
//!
//! A payload is one value, a [`Transfer`]: its [`Framing`] says where it ends, its [`Fate`] how
//! much of it is stored, and its [`octets::PayloadOctets`] where those are that have arrived. This
//! folder doesn't know connections. The steps that move octets are in `turn/receiving/`.
mod fate;
mod framing;
mod octets;
mod orphan;
mod pool;
mod proof;
mod sampling;
mod storage;
mod transfer;

pub(super) use fate::Fate;
pub(super) use framing::{Framing, Scanned};
pub(super) use octets::STAGED_BYTES_MAX;
pub(super) use orphan::Orphan;
pub(super) use pool::{Buffer, TransferPool};
pub(super) use proof::Proof;
pub(super) use sampling::{Draw, Sampling};
pub(super) use storage::Storage;
pub(super) use transfer::{CommitInProgress, Transfer};
