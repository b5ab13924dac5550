//! Memory of a worker.

/// Maximum memory of each worker, in octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemorySettings {
    /// For envelopes in progress.
    pub envelope_bytes: usize,
    /// For input buffers.
    pub buffer_bytes: usize,
    /// For regions of messages in progress.
    pub region_bytes: u64,
}

impl Default for MemorySettings {
    fn default() -> MemorySettings {
        MemorySettings { envelope_bytes: 64 << 20, buffer_bytes: 64 << 20, region_bytes: 64 << 20 }
    }
}
