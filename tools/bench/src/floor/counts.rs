//! What floor counts, and prints when it ends.

/// System calls, messages and bytes since the start.
#[derive(Debug, Default)]
pub struct Counts {
    pub accepts: u64,
    pub receives: u64,
    /// Receives that failed with EAGAIN.
    pub empty_receives: u64,
    pub sends: u64,
    pub waits: u64,
    /// Writes of a whole round, for `--store batch`.
    pub commits: u64,
    pub messages: u64,
    /// Bytes of payload, with the end of data.
    pub payload_bytes: u64,
    /// Checksums of all input with payload, combined by XOR; 0 without `--crc`.
    pub checksum: u32,
}

impl Counts {
    /// Returns lines of JSON.
    pub fn json(&self) -> String {
        let per_message = |calls: u64| calls as f64 / self.messages.max(1) as f64;
        let commits = match self.commits {
            0 => String::new(),
            commits => format!("{{\"commits\":{commits}}}\n"),
        };
        format!(
            "{commits}{{\"msgs\":{},\"payload_bytes\":{},\"accepts\":{},\"recv_per_msg\":{:.3},\
             \"eagain_per_msg\":{:.3},\"send_per_msg\":{:.3},\"wait_per_msg\":{:.3},\"crc\":{}}}\n",
            self.messages,
            self.payload_bytes,
            self.accepts,
            per_message(self.receives),
            per_message(self.empty_receives),
            per_message(self.sends),
            per_message(self.waits),
            self.checksum,
        )
    }
}
