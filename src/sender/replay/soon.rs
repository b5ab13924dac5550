//! What leaves next, in order: asked of the disk, and not given yet.
use std::collections::VecDeque;

use super::plan::Departure;

/// How far ahead the disk is asked: at 1,000 messages a second one second. A disk under load takes
/// up to a tenth of that, and what is asked for earlier is dropped again where memory is short.
const MESSAGES_MAX: usize = 1024;
/// The same in octets of records: more than that on its way at once fills the queue of a disk, and
/// the next call would wait. At 200 MB/s a sixth of a second.
const OCTETS_MAX: u64 = 32 << 20;

/// Departures that were planned, the next one first.
#[derive(Debug, Default)]
pub struct Soon {
    departures: VecDeque<Departure>,
    /// Of their records.
    octets: u64,
}

impl Soon {
    /// Is it far enough ahead? One message is, however large.
    pub fn is_full(&self) -> bool {
        self.departures.len() >= MESSAGES_MAX || self.octets >= OCTETS_MAX
    }

    /// Another one leaves behind them.
    pub fn push(&mut self, departure: Departure) {
        self.octets += octets(&departure);
        self.departures.push_back(departure);
    }

    /// The next one.
    pub fn pop(&mut self) -> Option<Departure> {
        let departure = self.departures.pop_front()?;
        self.octets -= octets(&departure);
        Some(departure)
    }
}

fn octets(departure: &Departure) -> u64 {
    departure.slot.record_end() - departure.slot.record_offset
}

#[cfg(test)]
mod tests {
    use super::super::testkit::slot;
    use super::*;
    use crate::log::MessageId;

    #[track_caller]
    fn check(payload_bytes: u32, expected: usize) {
        let mut soon = Soon::default();
        let mut slot = slot(MessageId { segment: 1, slot: 0 });
        slot.payload_bytes = payload_bytes;
        let mut pushed = 0;
        for left_ns in 0.. {
            if soon.is_full() {
                break;
            }
            soon.push(Departure { slot, start_count: 1, left_ns });
            pushed += 1;
        }
        assert_eq!(pushed, expected, "{payload_bytes}");
        for left_ns in 0..pushed as u64 {
            assert_eq!(soon.pop().unwrap().left_ns, left_ns);
        }
        assert!(soon.pop().is_none() && !soon.is_full());
    }

    #[test]
    fn it_is_full_by_messages_or_by_octets() {
        check(0, MESSAGES_MAX);
        check(1000, MESSAGES_MAX);
        check(1 << 20, 32);
        check(u32::MAX, 1);
    }
}
