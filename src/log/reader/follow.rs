//! Reading on as mail arrives.
use std::collections::BTreeMap;

use super::ReadError;
use crate::log::format::Slot;

/// How far a follower has read: slots of each segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(pub BTreeMap<u32, u32>);

/// What has come since a follower last looked.
#[derive(Debug, Default)]
pub struct NewMessages {
    /// Messages in the order of their arrival, removed ones left out.
    pub slots: Vec<Slot>,
    /// What can't be read of the rest.
    pub damage: Vec<ReadError>,
}
