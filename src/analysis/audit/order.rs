//! Checks whether numbers arrived in order.
use std::io;

use super::delivery::Delivery;
use super::names::FolderNames;
use super::offender::{Fault, Offender, OffenderSorter};
use crate::analysis::sorting::{Merge, Sorted};

/// Whether a message that arrives after one with a higher number is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderRule {
    /// Not a fault, only counted: senders use several connections.
    Counted,
    /// Each such message is a fault.
    Fault,
}

/// Figures about the order of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderTally {
    /// Messages that arrived after one with a higher number.
    pub late: u64,
    /// The largest distance to the highest earlier number.
    pub distance_max: u64,
}

/// Checks all numbers in the order of arrival.
///
/// Errors: temporary files can't be read or written.
pub fn check(
    sorted: Vec<Sorted>,
    rule: OrderRule,
    names: &FolderNames,
    offenders: &mut OffenderSorter,
) -> io::Result<OrderTally> {
    let (mut merge, mut tally) = (Merge::new(sorted)?, OrderTally::default());
    let mut highest: Option<u64> = None;
    while let Some(record) = merge.head() {
        let number = u64::from_be_bytes(record.value.try_into().expect("a number is the value"));
        match highest.filter(|highest| number < *highest) {
            None => highest = Some(number),
            Some(highest) => {
                tally.late += 1;
                tally.distance_max = tally.distance_max.max(highest - number);
                if rule == OrderRule::Fault {
                    let (delivery, _) = Delivery::decode(record.key);
                    let mut offender = Offender::new(Fault::OutOfOrder, number.to_string(), None);
                    offender.messages = vec![names.copy(&delivery)];
                    offender.detail = Some(format!("it arrived after number {highest}"));
                    offenders.push(&offender)?;
                }
            }
        }
        merge.advance()?;
    }
    Ok(tally)
}
