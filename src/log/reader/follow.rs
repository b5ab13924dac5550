//! Following new mail.
use std::collections::BTreeMap;

use super::ReadError;
use crate::log::format::Slot;

/// The positions of a follower: number of slots read in each segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(pub BTreeMap<u32, u32>);

/// The messages that arrived since a follower's last call.
#[derive(Debug, Default)]
pub struct NewMessages {
    /// Messages ordered by arrival, without removed ones.
    pub slots: Vec<Slot>,
    /// Errors of messages that can't be read.
    pub damage: Vec<ReadError>,
}
