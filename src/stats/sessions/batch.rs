//! A batch: the sessions of one second, encoded (docs/stats-format.md, "The connections").
use super::second::SessionSecond;

/// The first octets of a batch. The last octet differs from the first, so two of them can't
/// overlap.
pub(super) const MAGIC: [u8; 4] = *b"SNKB";
/// Length of an encoded header, in octets.
pub(super) const HEADER_BYTES: usize = 24;
/// Length of an encoded session, in octets.
pub(super) const RECORD_BYTES: usize = 48;
/// Maximum number of records in a batch; more sessions take several batches.
const RECORDS_MAX: usize = 1 << 16;
/// Maximum length of a batch, in octets: bounds what a reader allocates.
#[cfg(feature = "testkit")]
pub(super) const BATCH_BYTES_MAX: usize = HEADER_BYTES + RECORDS_MAX * RECORD_BYTES;

/// The position of the header's own checksum.
const CHECK_AT: usize = HEADER_BYTES - 4;

/// The header of a batch, which precedes its records. Has a checksum of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchHeader {
    /// The second that the batch describes, in Unix time.
    pub second: u64,
    pub records: u32,
    /// CRC-32C of the records.
    check: u32,
}

impl BatchHeader {
    /// Decodes a header; `None` if it is invalid.
    pub fn decode(octets: &[u8; HEADER_BYTES]) -> Option<BatchHeader> {
        let (covered, own) = octets.split_at(CHECK_AT);
        if !octets.starts_with(&MAGIC) || crc32c(covered).to_le_bytes() != own {
            return None;
        }
        let records = u32_at(octets, 4);
        let is_bounded = records as usize <= RECORDS_MAX;
        is_bounded.then(|| BatchHeader {
            second: u64_at(octets, 8),
            records,
            check: u32_at(octets, 16),
        })
    }

    /// Returns the length of the records after the header, in octets.
    pub fn records_bytes(&self) -> usize {
        self.records as usize * RECORD_BYTES
    }

    /// Returns the length of the whole batch, in octets.
    pub fn bytes(&self) -> u64 {
        (HEADER_BYTES + self.records_bytes()) as u64
    }

    /// Decodes the records; `None` if their checksum is wrong.
    pub fn records<'a>(
        &self,
        octets: &'a [u8],
    ) -> Option<impl Iterator<Item = SessionSecond> + use<'a>> {
        let is_whole = octets.len() == self.records_bytes() && crc32c(octets) == self.check;
        is_whole.then(|| octets.as_chunks::<RECORD_BYTES>().0.iter().map(decode))
    }
}

/// Appends these sessions, which were active in `second` (Unix s), to `out`, in as many batches as
/// needed. Appends nothing if there are none.
pub(crate) fn encode(second: u64, sessions: &[SessionSecond], out: &mut Vec<u8>) {
    for sessions in sessions.chunks(RECORDS_MAX) {
        let begin = out.len();
        out.resize(begin + HEADER_BYTES, 0);
        for session in sessions {
            encode_record(session, out);
        }
        let check = crc32c(&out[begin + HEADER_BYTES..]);
        let header = &mut out[begin..begin + HEADER_BYTES];
        header[..4].copy_from_slice(&MAGIC);
        header[4..8].copy_from_slice(&(sessions.len() as u32).to_le_bytes());
        header[8..16].copy_from_slice(&second.to_le_bytes());
        header[16..20].copy_from_slice(&check.to_le_bytes());
        let own = crc32c(&header[..CHECK_AT]);
        header[CHECK_AT..].copy_from_slice(&own.to_le_bytes());
    }
}

fn encode_record(session: &SessionSecond, out: &mut Vec<u8>) {
    out.extend_from_slice(&session.id.to_le_bytes());
    out.extend_from_slice(&session.client);
    for number in [
        session.began_us,
        session.ended_us,
        session.messages,
        session.recipients,
        session.recipients_max,
        session.refused,
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn decode(octets: &[u8; RECORD_BYTES]) -> SessionSecond {
    SessionSecond {
        id: u64_at(octets, 0),
        client: octets[8..24].try_into().expect("16 octets"),
        began_us: u32_at(octets, 24),
        ended_us: u32_at(octets, 28),
        messages: u32_at(octets, 32),
        recipients: u32_at(octets, 36),
        recipients_max: u32_at(octets, 40),
        refused: u32_at(octets, 44),
    }
}

fn u32_at(octets: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(octets[at..at + 4].try_into().expect("4 octets"))
}

fn u64_at(octets: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(octets[at..at + 8].try_into().expect("8 octets"))
}

fn crc32c(octets: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(octets)
}
