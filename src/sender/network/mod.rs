//! Connections to the target as sockets: opened, encrypted, and what wakes a sending thread.
//!
//! This folder doesn't know sessions or messages.
mod alarm;
mod conn_tls;
mod kernel;
mod output_buffers;
mod stream;

pub(super) use conn_tls::{HandshakeEnd, ReceivedRecord, Sealing, TargetTls};
pub(super) use kernel::{KernelNetwork, Network, Pause, TargetEvent};
pub(super) use output_buffers::OutputBuffers;
pub(super) use stream::TargetStream;
