//! What a client and a reader of the log can observe of a session.
use std::collections::BTreeMap;

use crate::smtp::data::unstuff;
use crate::smtp::deviation::Deviation;

/// A message as the log's reader returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// The encoded envelope; see [`envelope::decode`](crate::smtp::envelope::decode).
    pub envelope: Vec<u8>,
    /// The payload in wire form.
    pub payload: Vec<u8>,
    /// Stuffed dots in the payload.
    pub dots: u32,
}

impl StoredMessage {
    /// Returns the message: the payload without stuffed dots.
    pub fn message(&self) -> Vec<u8> {
        if self.dots == 0 {
            return self.payload.clone();
        }
        unstuff(&self.payload).into_owned()
    }
}

/// For each kind of deviation, the number of accepted commands that had it.
pub type Tolerated = BTreeMap<Deviation, u64>;

/// Everything a client and a reader of the log can observe. It must be the same wherever the octets
/// are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The replies as read from the socket, except that the session's messages are renamed to
    /// `1:0`, `1:1`, ….
    pub replies: Vec<u8>,
    pub stored: Vec<StoredMessage>,
    /// Tolerated deviations, as the statistics count them.
    pub tolerated: Tolerated,
    pub closed: bool,
}
