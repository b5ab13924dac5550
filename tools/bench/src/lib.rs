//! What loadgen, floor and dropper share: sockets, system calls without a safe wrapper elsewhere,
//! and the dialogue of the two servers.
#![deny(unsafe_code)]

pub mod canned;
pub mod net;
pub mod system;
