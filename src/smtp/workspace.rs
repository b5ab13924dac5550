//! The buffers and counts that all sessions of a worker share.
//!
//! Envelope buffers count by their capacity while lent. Returned buffers are kept for later
//! transactions, up to a total of [`SPARE_BYTES_MAX`]: the steady state allocates nothing.

use super::mark_command::MarkCommand;
use super::policy::CurrentPolicies;
use super::sasl::Challenges;
use super::tally::CommandTally;

/// Size of the reply buffer beyond which a session pauses.
pub const REPLIES_BYTES_PAUSE: usize = 16 * 1024;
/// Initial capacity for events. Each event has a reply, so `REPLIES_BYTES_PAUSE` bounds them.
const EVENTS_FIRST: usize = 64;
/// Capacity of a new envelope buffer. A plain envelope with one recipient has about 200 octets.
const ENVELOPE_BYTES_FIRST: usize = 512;
/// Maximum total capacity of the spare buffers of a worker, in bytes.
pub const SPARE_BYTES_MAX: usize = 1 << 20;

/// What happened to a session's transaction during a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionEvent {
    /// MAIL was accepted.
    Began,
    /// The final reply was appended, or the transaction was reset; after a reset, the payload
    /// received so far is void.
    Ended,
    /// Ended because a chunk would take the message over its limit. The chunk is discarded, then
    /// the message refused.
    TooLarge,
}

/// What a worker lends to the session that is running: the reply buffer, spare envelope buffers and
/// the budget for envelopes. One per worker.
#[derive(Debug)]
pub struct Workspace {
    /// Replies to send, in order; the caller drains it.
    pub replies: Vec<u8>,
    /// Counts of commands and replies; the caller takes them.
    pub tally: CommandTally,
    /// Transactions that began and ended, in order; the caller drains it after each call to a
    /// session.
    pub events: Vec<TransactionEvent>,
    /// Scratch buffer in which a session encodes envelope fields.
    pub(super) fields: Vec<u8>,
    /// The mark or run command that a client sent by NOOP; the caller takes it.
    pub mark_command: Option<MarkCommand>,
    /// The source of CRAM-MD5 challenges.
    pub challenges: Challenges,
    /// The policies that sessions adopt between transactions.
    pub policies: CurrentPolicies,
    spare: Vec<Vec<u8>>,
    /// Total capacity of `spare`.
    spare_bytes: usize,
    /// Total capacity of the buffers lent to open transactions: at most `envelope_bytes_budget`,
    /// plus what `make_room_beyond` added.
    lent_bytes: usize,
    envelope_bytes_budget: usize,
}

impl Workspace {
    /// Creates a workspace. `envelope_bytes_budget`: maximum total capacity of the envelopes in
    /// this worker's open transactions.
    pub fn new(envelope_bytes_budget: usize) -> Workspace {
        Workspace {
            replies: Vec::with_capacity(REPLIES_BYTES_PAUSE + 1024),
            tally: CommandTally::default(),
            events: Vec::with_capacity(EVENTS_FIRST),
            fields: Vec::new(),
            mark_command: None,
            challenges: Challenges::default(),
            policies: CurrentPolicies::default(),
            spare: Vec::new(),
            spare_bytes: 0,
            lent_bytes: 0,
            envelope_bytes_budget,
        }
    }

    /// Returns the total capacity of the envelopes in open transactions, in octets; 0 if none is
    /// open.
    pub fn envelope_bytes_lent(&self) -> usize {
        self.lent_bytes
    }

    /// Makes room for `additional` octets in a buffer that is lent, or that is empty and will be
    /// lent by this call. Returns false if the budget does not allow it.
    pub(super) fn make_room(&mut self, buffer: &mut Vec<u8>, additional: usize) -> bool {
        let before = buffer.capacity();
        let needed = buffer.len() + additional;
        if needed <= before {
            return true;
        }
        if before == 0 && self.lend_spare(buffer, needed) {
            return true;
        }
        let doubled = needed.max(before * 2).max(ENVELOPE_BYTES_FIRST);
        // Doubling makes growth cheap; near the end of the budget, grow only as needed.
        for capacity in [doubled, needed] {
            if self.lent_bytes - before + capacity <= self.envelope_bytes_budget {
                buffer.reserve_exact(capacity - buffer.len());
                self.lent_bytes = self.lent_bytes - before + buffer.capacity();
                return true;
            }
        }
        false
    }

    /// Makes room for a few octets in a lent buffer, even beyond the budget.
    ///
    /// For fields that an accepted envelope must not lack: at most
    /// [`super::session::DEVIATION_BYTES_MAX`] per open transaction.
    #[cold]
    pub(super) fn make_room_beyond(&mut self, buffer: &mut Vec<u8>, additional: usize) {
        if !self.make_room(buffer, additional) {
            let before = buffer.capacity();
            buffer.reserve_exact(additional);
            self.lent_bytes = self.lent_bytes - before + buffer.capacity();
        }
    }

    fn lend_spare(&mut self, buffer: &mut Vec<u8>, needed: usize) -> bool {
        let Some(last) = self.spare.last() else { return false };
        let capacity = last.capacity();
        if capacity < needed || self.lent_bytes + capacity > self.envelope_bytes_budget {
            return false;
        }
        if let Some(spare) = self.spare.pop() {
            self.spare_bytes -= capacity;
            self.lent_bytes += capacity;
            *buffer = spare;
        }
        true
    }

    /// Takes back a lent buffer, and leaves an empty one.
    pub(super) fn reclaim(&mut self, buffer: &mut Vec<u8>) {
        let mut buffer = std::mem::take(buffer);
        let capacity = buffer.capacity();
        assert!(capacity <= self.lent_bytes, "a buffer comes back to the workspace that lent it");
        self.lent_bytes -= capacity;
        if capacity > 0 && self.spare_bytes + capacity <= SPARE_BYTES_MAX {
            buffer.clear();
            self.spare_bytes += capacity;
            self.spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_bounds_what_is_lent() {
        let mut workspace = Workspace::new(1000);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        assert!(workspace.make_room(&mut first, 10));
        assert_eq!(workspace.envelope_bytes_lent(), ENVELOPE_BYTES_FIRST);
        assert!(workspace.make_room(&mut second, 488)); // exactly what is left
        assert_eq!(workspace.envelope_bytes_lent(), 1000);
        assert!(!workspace.make_room(&mut first, 513));
        assert!(workspace.make_room(&mut first, 512));
        workspace.reclaim(&mut second);
        assert!(workspace.make_room(&mut first, 1000));
        assert!(!workspace.make_room(&mut second, 1));
        workspace.reclaim(&mut first);
        assert_eq!(workspace.envelope_bytes_lent(), 0);
    }

    #[test]
    fn mandatory_fields_can_exceed_the_budget_and_are_accounted() {
        let (mut workspace, mut buffer) = (Workspace::new(10), Vec::new());
        assert!(workspace.make_room(&mut buffer, 10));
        buffer.extend_from_slice(&[0; 10]);
        assert!(!workspace.make_room(&mut buffer, 6));
        workspace.make_room_beyond(&mut buffer, 6);
        assert!(buffer.capacity() >= 16);
        assert_eq!(workspace.envelope_bytes_lent(), buffer.capacity());
        assert!(!workspace.make_room(&mut Vec::new(), 1));
        workspace.reclaim(&mut buffer);
        assert_eq!(workspace.envelope_bytes_lent(), 0);
    }

    #[test]
    fn spare_buffers_are_lent_again_and_bounded() {
        let mut workspace = Workspace::new(usize::MAX / 4);
        let mut buffer = Vec::new();
        assert!(workspace.make_room(&mut buffer, 600));
        let place = buffer.as_ptr();
        workspace.reclaim(&mut buffer);
        assert!(workspace.make_room(&mut buffer, 100));
        assert_eq!(buffer.as_ptr(), place);
        workspace.reclaim(&mut buffer);
        let mut large = Vec::new();
        assert!(workspace.make_room(&mut large, SPARE_BYTES_MAX));
        workspace.reclaim(&mut large);
        assert_eq!((workspace.spare.len(), workspace.spare_bytes), (1, 600));
    }
}
