//! Compares the claims of sender logs with what was received, by merging two streams sorted by id.
//! Ids repeat between folders, so recipient and time must match, too.
use std::io;
use std::time::Duration;

use serde::Serialize;

use super::address::{AddressFolding, push_path};
use super::delivery::{Delivery, id_of};
use super::logged::Claimed;
use super::names::FolderNames;
use super::offender::{Fault, Offender, OffenderSorter};
use crate::analysis::sorting::{Merge, SortRecord, Sorted};
use crate::analysis::words::seconds;
use crate::log::MessageId;
use crate::log::reader::Folder;
use crate::smtp::envelope;
use crate::time::UnixNs;
use crate::wording::readable;

/// Figures about deliveries. These are keys of `--json` and keep their meaning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LogTally {
    /// Deliveries that a log claims and that were received.
    pub confirmed: u64,
    /// Deliveries confirmed by lines without a comparable time.
    pub confirmed_without_time: u64,
    /// Claims about a delivery that an earlier claim has already confirmed.
    pub repeated: u64,
    /// Claims about messages that were received but not selected.
    pub not_selected: u64,
    /// Claims about messages that were not received.
    pub only_in_log: u64,
    /// Deliveries that no log claims.
    pub not_in_log: u64,
}

/// What claims are joined with, and when a claim matches.
pub struct LogQuestion<'a> {
    /// The audited folders, to find messages that were not selected.
    pub folders: &'a [&'a Folder],
    /// Names of the folders, to name the messages of offenders.
    pub names: &'a FolderNames,
    /// Differences between addresses that are ignored.
    pub folding: AddressFolding,
    /// Maximum difference between the clocks.
    pub clocks_within: Duration,
    /// Paths of the logs, for sentences about their lines.
    pub logs: &'a [String],
}

/// A delivery, and the number of lines that claim it.
struct ReceivedDelivery {
    address: Vec<u8>,
    delivery: Delivery,
    sink: Vec<u8>,
    claims: u64,
}

/// Encodes the value of a delivery that is sorted by id.
pub fn encode_received(delivery: &Delivery, sink: &[u8]) -> Vec<u8> {
    [&delivery.encoded()[..], sink].concat()
}

impl ReceivedDelivery {
    fn of(record: &SortRecord<'_>) -> ReceivedDelivery {
        let (delivery, sink) = Delivery::decode(record.value);
        ReceivedDelivery { address: record.key.to_vec(), delivery, sink: sink.to_vec(), claims: 0 }
    }

    /// Returns whether a line may be about this delivery, regardless of its time.
    fn is_of(&self, address: &[u8], claimed: &Claimed) -> bool {
        let is_one = |a: &[u8], b: &[u8]| a.is_empty() || b.is_empty() || a == b;
        is_one(&self.sink, &claimed.sink) && (address.is_empty() || self.address == address)
    }
}

/// Joins claims with deliveries; both are sorted by id and recipient.
///
/// Takes about 0.3 µs per record, and reads from the folders for each claim that matches no
/// delivery. Errors: temporary files can't be read or written.
pub fn join(
    question: &LogQuestion<'_>,
    claims: Vec<Sorted>,
    received: Vec<Sorted>,
    offenders: &mut OffenderSorter,
) -> io::Result<LogTally> {
    let (mut claims, mut received) = (Merge::new(claims)?, Merge::new(received)?);
    let mut join = LogJoin { question, offenders, tally: LogTally::default() };
    loop {
        let next = [claims.head(), received.head()].into_iter().flatten();
        let Some(order) = next.map(|record| record.order).min() else { return Ok(join.tally) };
        let mut of_id = Vec::new();
        while let Some(record) = received.head().filter(|record| record.order == order) {
            of_id.push(ReceivedDelivery::of(&record));
            received.advance()?;
        }
        while let Some(record) = claims.head().filter(|record| record.order == order) {
            join.take_claim(&record, &mut of_id)?;
            claims.advance()?;
        }
        join.take_rest(&of_id)?;
    }
}

/// The state of a join: its input, and what was found so far.
struct LogJoin<'a> {
    question: &'a LogQuestion<'a>,
    offenders: &'a mut OffenderSorter,
    tally: LogTally,
}

impl LogJoin<'_> {
    /// Matches one claim. `received` holds all deliveries with the id of the claim.
    fn take_claim(
        &mut self,
        claim: &SortRecord<'_>,
        received: &mut [ReceivedDelivery],
    ) -> io::Result<()> {
        let (id, address) = (id_of(claim.order), claim.key);
        let claimed = Claimed::decode(claim.value);
        let mut is_confirmed = false;
        for one in received.iter_mut().filter(|one| one.is_of(address, &claimed)) {
            if self.question.is_in_time(&claimed, one.delivery.received_at_ns) {
                is_confirmed = true;
                self.tally.confirmed += u64::from(one.claims == 0);
                let is_timeless = one.claims == 0 && claimed.at_ns.is_none();
                self.tally.confirmed_without_time += u64::from(is_timeless);
                self.tally.repeated += u64::from(one.claims > 0);
                one.claims += 1;
            }
        }
        if is_confirmed {
            return Ok(());
        }
        let Some(why) = self.question.why_not(id, address, &claimed) else {
            self.tally.not_selected += 1;
            return Ok(());
        };
        self.tally.only_in_log += 1;
        let name = if address.is_empty() { id.to_string() } else { readable(address) };
        let mut offender = Offender::new(Fault::OnlyInLog, name, Some(claimed.line));
        let log = self.question.logs.get(usize::from(claimed.log)).map_or("", String::as_str);
        offender.detail = Some(format!("{log}:{}: {why}", claimed.line));
        self.offenders.push(&offender)
    }

    /// Reports the deliveries that no line claims.
    fn take_rest(&mut self, received: &[ReceivedDelivery]) -> io::Result<()> {
        for one in received.iter().filter(|one| one.claims == 0) {
            self.tally.not_in_log += 1;
            let mut offender = Offender::new(Fault::NotInLog, readable(&one.address), None);
            offender.messages = vec![self.question.names.copy(&one.delivery)];
            self.offenders.push(&offender)?;
        }
        Ok(())
    }
}

impl LogQuestion<'_> {
    fn is_in_time(&self, claimed: &Claimed, received_at_ns: UnixNs) -> bool {
        claimed.at_ns.is_none_or(|at_ns| at_ns.distance(received_at_ns) <= self.clocks_within)
    }

    /// Returns why the claimed delivery was not received; `None` if it was received but not
    /// selected.
    fn why_not(&self, id: MessageId, address: &[u8], claimed: &Claimed) -> Option<String> {
        let mut why = format!("no message {id}");
        for folder in self.folders {
            let Ok((segment, slot)) = folder.find(id) else { continue };
            let mut buffer = Vec::new();
            let read = segment.envelope(&slot, &mut buffer).ok();
            let Some(envelope) = read.and_then(|octets| envelope::decode(octets).ok()) else {
                continue;
            };
            let sink = envelope.sink_name;
            if !sink.is_empty() && !claimed.sink.is_empty() && sink != claimed.sink {
                why = format!("message {id} was accepted by sink {}", readable(sink));
                continue;
            }
            let has_address = envelope.recipients().any(|recipient| {
                let mut path = Vec::new();
                push_path(recipient.path, self.folding, &mut path);
                path == address
            });
            if !address.is_empty() && !has_address {
                why = format!("message {id} is for another recipient");
                continue;
            }
            let at_ns = slot.facts().received_at_ns;
            if self.is_in_time(claimed, at_ns) {
                return None;
            }
            let claimed_ns = claimed.at_ns.unwrap_or(at_ns);
            let apart = seconds(claimed_ns.distance(at_ns).as_secs_f64());
            let relation = if at_ns > claimed_ns { "after" } else { "before" };
            why = format!(
                "message {id} was received {apart} {relation} the time in the log, which is more \
                 than the clocks may differ by"
            );
        }
        Some(why)
    }
}
