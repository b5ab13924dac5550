//! Connections to the target as sockets: opened, encrypted, and what wakes a sending thread.
//!
//! This folder doesn't know sessions or messages.
mod alarm;
mod conn_tls;
mod kernel;
mod stream;

pub(super) use conn_tls::{HandshakeEnd, ReceivedRecord, Sealing, SealingBuffers, TargetTls};
pub(super) use kernel::{KernelNetwork, Network, Pause, TargetEvent};
pub(super) use stream::TargetStream;
