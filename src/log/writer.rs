//! Contract of the writing side.
use std::path::Path;

/// `segment:slot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    pub segment: u32,
    pub slot: u32,
}

/// Proof of a commit; only the log makes one.
#[derive(Debug, Clone, Copy)]
pub struct Committed {
    id: MessageId,
}
impl Committed {
    pub fn id(&self) -> MessageId {
        self.id
    }
}

#[derive(Debug, Clone)]
pub struct Settings {
    /// Bytes of a worker's first segment; each next is twice that, up to `segment_bytes_max`.
    pub segment_bytes_first: u64,
    pub segment_bytes_max: u64,
    /// Records expected to be larger get an own segment; at most segment_bytes_first.. see DESIGN (4 MiB).
    pub own_segment_bytes_over: u64,
    /// Own segments open at once, per worker.
    pub own_segments_max: usize,
    /// Bytes of open regions per worker.
    pub region_bytes_max: u64,
}
impl Default for Settings {
    fn default() -> Self {
        Settings {
            segment_bytes_first: 4 << 20,
            segment_bytes_max: 64 << 20,
            own_segment_bytes_over: 4 << 20,
            own_segments_max: 16,
            region_bytes_max: 64 << 20,
        }
    }
}

/// What happened at opening, for the log lines of sinkd.
#[derive(Debug, Default)]
pub struct Recovery {
    pub segments: u64,
    pub messages: u64,
    pub sealed_now: u64,
    pub damaged: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("contract")]
pub struct OpenError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    #[default]
    Message,
    Rejection,
    Note,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StorageMode {
    #[default]
    Full,
    Headers,
    Envelope,
}

/// What the slot says beside place, lengths and checksums.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    pub kind: Kind,
    pub mode: StorageMode,
    /// Commit time, ns since the Unix epoch (monotonic clock plus an offset taken at start).
    pub received_at_ns: u64,
    /// MAIL accepted to commit, us, saturating.
    pub transaction_us: u32,
    pub session: u64,
    /// Stuffed dots in the stored payload.
    pub dots: u32,
    /// True message bytes (RFC 1870), whatever is stored.
    pub message_bytes: u32,
    /// Final reply, e.g. 250 and [2,0,0].
    pub reply_code: u16,
    pub enhanced: [u8; 3],
    /// Arrived by BDAT.
    pub chunked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// Provisioning is behind: park; the writer's `wake` is called when there may be room.
    Wait,
    /// A budget of this worker (regions, own segments) is used up: 452, or stage.
    Budget,
    /// The disk is full or failing: 452 until a probe succeeds.
    Full,
}

/// The data folder, open for writing: lock, provisioning and sync threads.
#[derive(Debug)]
pub struct Log {}
impl Log {
    pub fn open(_folder: &Path, _settings: Settings) -> Result<(Log, Recovery), OpenError> {
        unimplemented!()
    }
    /// One for each worker; its first segment is ready when this returns.
    /// `wake` is called from another thread when a writer that was told `Wait` may go on.
    pub fn writer(&self, _wake: Box<dyn Fn() + Send + Sync>) -> Result<Writer, OpenError> {
        unimplemented!()
    }
    /// How often this folder was opened for writing, this time included.
    pub fn start_count(&self) -> u32 {
        unimplemented!()
    }
    /// After all writers were closed: seals, joins the threads, unlocks.
    pub fn close(self) {
        unimplemented!()
    }
}

/// A worker's door to its segments. No call blocks, allocates (in the steady state) or makes a
/// system call, except a channel send when the window must move.
#[derive(Debug)]
pub struct Writer {}

/// Space held before commit: a region in a shared segment, or an own segment. Must be given back
/// by `commit_reserved` or `release`.
#[must_use]
#[derive(Debug)]
pub struct Reservation {}

/// The commit of a reservation.
#[derive(Debug)]
pub enum Commit {
    Done(Committed),
    /// An own segment is being cut and renamed by provisioning; `wake` is called; ask `poll_commit`.
    Later(PendingCommit),
}
#[must_use]
#[derive(Debug)]
pub struct PendingCommit {}

impl Writer {
    /// Receive here (the *whole* way): puts `envelope` at the tail and gives the free space behind it:
    /// exactly `payload_bytes` octets (callers ask for at most 256 KiB). Nothing is held: any other
    /// call on the writer takes the space back.
    pub fn receive_here(
        &mut self,
        _envelope: &[u8],
        _payload_bytes: usize,
    ) -> Result<&mut [u8], NoRoom> {
        unimplemented!()
    }
    /// Commits the first `payload_bytes` octets of what the `receive_here` just before gave.
    pub fn commit_received(&mut self, _payload_bytes: usize, _facts: &Facts) -> Committed {
        unimplemented!()
    }
    /// Append these slices as one payload (staging, bytes behind a BDAT line). At most 4 MiB in all.
    pub fn append(
        &mut self,
        _envelope: &[u8],
        _payload: &[&[u8]],
        _facts: &Facts,
    ) -> Result<Committed, NoRoom> {
        unimplemented!()
    }
    /// Holds space for `payload_bytes` octets of payload, to be filled over many reads.
    pub fn reserve(
        &mut self,
        _envelope: &[u8],
        _payload_bytes: u64,
    ) -> Result<Reservation, NoRoom> {
        unimplemented!()
    }
    /// Octets of payload that `r` still has room for before it must `grow`.
    pub fn room(&self, _r: &Reservation) -> u64 {
        unimplemented!()
    }
    /// The next free populated octets of `r`, at most 256 KiB; `Err(Wait)` while provisioning maps more.
    pub fn space(&mut self, _r: &mut Reservation) -> Result<&mut [u8], NoRoom> {
        unimplemented!()
    }
    /// The first `bytes` octets of `space` now hold payload.
    pub fn filled(&mut self, _r: &mut Reservation, _bytes: usize) {
        unimplemented!()
    }
    /// Makes room for at least `payload_bytes` in all, by moving what is there (region to region,
    /// region to own segment) or by growing (own segment). On error `r` is as it was.
    pub fn grow(&mut self, _r: &mut Reservation, _payload_bytes: u64) -> Result<(), NoRoom> {
        unimplemented!()
    }
    /// Commits the first `payload_bytes` octets (at most what was filled); the rest is given back.
    pub fn commit_reserved(
        &mut self,
        _r: Reservation,
        _payload_bytes: u64,
        _facts: &Facts,
    ) -> Commit {
        unimplemented!()
    }
    /// `Err(Wait)`: not yet. `Err(Full)`: it failed, nothing is visible.
    pub fn poll_commit(&mut self, _p: &mut PendingCommit) -> Result<Committed, NoRoom> {
        unimplemented!()
    }
    /// The transfer ended early: what it held is given back, and nothing is ever visible.
    pub fn release(&mut self, _r: Reservation) {
        unimplemented!()
    }
    /// At the end of a loop round, and when the worker goes idle: publishes front positions to
    /// provisioning if it must move the window. Cheap when there is nothing to do.
    pub fn round_done(&mut self) {
        unimplemented!()
    }
    /// Seals what this worker has open. All reservations must be gone.
    pub fn close(self) {
        unimplemented!()
    }
}
impl MessageId {
    pub fn write_to(&self, _out: &mut Vec<u8>) {
        unimplemented!()
    }
    pub fn to_bytes(&self) -> [u8; 8] {
        unimplemented!()
    }
}
impl std::fmt::Display for MessageId {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        unimplemented!()
    }
}
