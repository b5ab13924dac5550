//! The buffers from which the connections of a thread write.
use super::conn_tls::SealingBuffers;

/// Buffers shared by the connections of a thread, because only one writes at a time. They stay in
/// the processor's cache, and connections that wait for replies need no memory for them.
#[derive(Debug, Default)]
pub struct OutputBuffers {
    /// Lent to the session that has its turn.
    pub write: Vec<u8>,
    /// For sealed octets.
    pub sealing: SealingBuffers,
}
