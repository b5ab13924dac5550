//! What loadgen, floor and dropper share: sockets, and system calls without a safe wrapper elsewhere.
#![deny(unsafe_code)]

pub mod net;
pub mod system;
