//! Reads the deliveries: one record for each recipient of each message.
use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::address::push_path;
use super::checksum::ContentCheck;
use super::delivery::{CopyReply, Delivery, number};
use super::key::{Key, KeyKind, KeyRule};
use super::log_join::encode_received;
use super::names::FolderNames;
use super::offender::{Fault, Offender, OffenderSorter};
use crate::analysis::folder::{MessagePlace, MessageVisitor, Understood};
use crate::analysis::sorting::{SortRecord, Sorter};
use crate::analysis::transit::{HEADER_BYTES_MAX, TransitSample};
use crate::analysis::words::seconds;
use crate::index::PAYLOAD_BYTES_MAX;
use crate::log::reader::{Damage, Segment};
use crate::log::{MessageId, Slot, StoredPart};
use crate::smtp::data::unstuff;
use crate::smtp::envelope::{self, Decoded};
use crate::wording::readable;

/// What to read and check of each message.
#[derive(Debug, Clone)]
pub struct MessageRule {
    /// Where the keys of a message come from.
    pub key: KeyRule,
    /// Whether the content is compared with its checksum.
    pub content: ContentRule,
    /// The field with the sending time, and the limit on the transit time.
    pub late: Option<LateRule>,
    /// Whether logs of the sender are joined.
    pub log: LogRule,
}

/// Whether the content of messages is compared with their checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentRule {
    /// Not compared; only envelopes and header fields are read.
    Ignored,
    /// Compared; every message is read.
    Checked,
}

/// Whether deliveries are joined with logs of the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRule {
    /// No log was given, so there is nothing to join.
    Without,
    /// Deliveries are also sorted by id, to be joined with the logs.
    Joined,
}

/// Which messages are late: those whose transit time exceeds a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateRule {
    /// The header field with the sending time.
    pub field: String,
    /// The longest transit time that is not late, µs.
    pub after_us: u64,
}

/// Figures about messages; each message counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageTally {
    /// Messages whose envelope could be read.
    pub messages: u64,
    /// Forward-paths of these messages.
    pub recipients: u64,
    /// Recipients without a key; messages without a key if a message has only one.
    pub without_key: u64,
    /// Messages that were compared with their checksum.
    pub checked: u64,
    /// Messages that do not match their checksum.
    pub changed: u64,
    /// Messages that were read for the comparison, but have no checksum.
    pub without_checksum: u64,
    /// Messages of which too little is stored for the comparison.
    pub not_stored: u64,
    /// Messages with a transit time.
    pub timed: u64,
    /// Messages whose transit time exceeds the limit.
    pub late: u64,
    /// Messages without a usable sending time: no field, no time in it, or not stored.
    pub without_time: u64,
}

impl MessageTally {
    /// Adds the figures of another thread.
    pub fn add(&mut self, other: &MessageTally) {
        self.messages += other.messages;
        self.recipients += other.recipients;
        self.without_key += other.without_key;
        self.checked += other.checked;
        self.changed += other.changed;
        self.without_checksum += other.without_checksum;
        self.not_stored += other.not_stored;
        self.timed += other.timed;
        self.late += other.late;
        self.without_time += other.without_time;
    }
}

/// Selected messages, if not all: for each folder, ids in order.
pub type SelectedMessages = Vec<Vec<u64>>;

/// What all reading threads share.
pub struct DeliveryInput<'a> {
    /// What to read and check of each message.
    pub rule: &'a MessageRule,
    /// For each folder, the messages whose 250 could not be sent.
    pub noted: &'a [HashSet<MessageId>],
    /// `None` selects all messages.
    pub selected: Option<&'a SelectedMessages>,
    /// Names of the folders, to name the messages of offenders.
    pub names: &'a FolderNames,
    /// Ends reading early. Set by the caller, or by a thread that fails.
    pub stop: &'a AtomicBool,
}

/// Reads the messages that one thread visits, and keeps its findings.
pub struct DeliveryReader<'a> {
    shared: &'a DeliveryInput<'a>,
    /// Deliveries sorted by key, to compare them with the list.
    pub by_key: Sorter,
    /// Deliveries with a number, sorted by time, to find those out of order.
    pub by_time: Sorter,
    /// Deliveries sorted by id, to join them with logs of the sender.
    pub by_id: Sorter,
    /// Faults of single messages.
    pub offenders: OffenderSorter,
    /// The counts of this thread.
    pub tally: MessageTally,
    /// Why the thread stopped early.
    pub failed: Option<io::Error>,
    record: Vec<u8>,
    key: Key,
    address: Vec<u8>,
}

impl<'a> DeliveryReader<'a> {
    /// `memory_bytes` is for the records of this thread. Further records go to temporary files.
    pub fn new(shared: &'a DeliveryInput<'a>, memory_bytes: usize) -> DeliveryReader<'a> {
        let rule = shared.rule;
        let is_by_time = rule.key.kind == KeyKind::Number;
        let is_by_id = rule.log == LogRule::Joined;
        // A sorter that is not used needs no memory.
        let parts = 1 + usize::from(is_by_time) + usize::from(is_by_id);
        let part = memory_bytes / 8 * 7 / parts;
        DeliveryReader {
            shared,
            by_key: Sorter::new(part),
            by_time: Sorter::new(part),
            by_id: Sorter::new(part),
            offenders: OffenderSorter::new(memory_bytes / 8),
            tally: MessageTally::default(),
            failed: None,
            record: Vec::new(),
            key: Key::default(),
            address: Vec::new(),
        }
    }

    fn take(&mut self, message: &ReadDelivery<'_>) -> io::Result<()> {
        let ReadDelivery { delivery, envelope, .. } = message;
        let rule = self.shared.rule;
        self.tally.messages += 1;
        self.tally.recipients += u64::from(envelope.recipients_count());
        let encoded = delivery.encoded();
        let (by_key, by_time) = (&mut self.by_key, &mut self.by_time);
        let mut pushed: io::Result<()> = Ok(());
        let without = rule.key.keys_of(envelope, message.payload, &mut self.key, &mut |key| {
            let mut push = || {
                by_key.push(SortRecord { order: key.order, key: &key.text, value: &encoded })?;
                if rule.key.kind == KeyKind::Number {
                    let number = key.order.to_be_bytes();
                    let order = delivery.received_at_ns.get();
                    by_time.push(SortRecord { order, key: &encoded, value: &number })?;
                }
                Ok(())
            };
            if pushed.is_ok() {
                pushed = push();
            }
        });
        pushed?;
        if without > 0 {
            self.tally.without_key += without;
            let detail = match rule.key.kind {
                KeyKind::Text => "the message has no key",
                KeyKind::Number => "the message has no key that is a whole number",
            };
            self.report_offender(Fault::WithoutKey, message, detail.to_owned())?;
        }
        if rule.log == LogRule::Joined {
            self.push_by_id(message)?;
        }
        if let Some(late) = &rule.late {
            self.check_time(late, message)?;
        }
        if rule.content == ContentRule::Checked {
            self.check_content(message)?;
        }
        Ok(())
    }

    fn push_by_id(&mut self, message: &ReadDelivery<'_>) -> io::Result<()> {
        let order = number(message.delivery.id);
        let value = encode_received(&message.delivery, message.envelope.sink_name);
        for recipient in message.envelope.recipients() {
            self.address.clear();
            push_path(recipient.path, self.shared.rule.key.folding, &mut self.address);
            self.by_id.push(SortRecord { order, key: &self.address, value: &value })?;
        }
        Ok(())
    }

    fn check_time(&mut self, rule: &LateRule, message: &ReadDelivery<'_>) -> io::Result<()> {
        let sample = TransitSample::read(&rule.field, message.slot.facts(), message.payload);
        let TransitSample::Time { us, .. } = sample else {
            self.tally.without_time += 1;
            return Ok(());
        };
        self.tally.timed += 1;
        if u64::try_from(us).is_ok_and(|us| us > rule.after_us) {
            self.tally.late += 1;
            let detail = format!("{} after {}", seconds(us as f64 / 1e6), rule.field);
            self.report_offender(Fault::Late, message, detail)?;
        }
        Ok(())
    }

    fn check_content(&mut self, message: &ReadDelivery<'_>) -> io::Result<()> {
        let facts = message.slot.facts();
        let is_whole = facts.mode == StoredPart::Full && message.payload.len() < PAYLOAD_BYTES_MAX;
        if !is_whole {
            self.tally.not_stored += 1;
            return Ok(());
        }
        let checked = match facts.dots {
            0 => ContentCheck::of(message.payload),
            _ => ContentCheck::of(&unstuff(message.payload)),
        };
        match checked {
            ContentCheck::WithoutChecksum => self.tally.without_checksum += 1,
            ContentCheck::Same => self.tally.checked += 1,
            ContentCheck::Changed { found, field } => {
                self.tally.checked += 1;
                self.tally.changed += 1;
                let detail = format!("checksum {found}, sent with {}", readable(field.as_bytes()));
                self.report_offender(Fault::Changed, message, detail)?;
            }
        }
        Ok(())
    }

    /// Reports a fault of a message, under the name of its first recipient.
    fn report_offender(
        &mut self,
        fault: Fault,
        message: &ReadDelivery<'_>,
        detail: String,
    ) -> io::Result<()> {
        let first = message.envelope.recipients().next().map_or(&b""[..], |it| it.path);
        let mut offender = Offender::new(fault, readable(first), None);
        offender.messages = vec![self.shared.names.copy(&message.delivery)];
        offender.detail = Some(detail);
        self.offenders.push(&offender)
    }

    fn is_selected(&self, source: usize, slot: &Slot) -> bool {
        let selected = self.shared.selected.map(|selected| &selected[source]);
        selected.is_none_or(|ids| ids.binary_search(&number(slot.id())).is_ok())
    }
}

/// A message, as far as the rule needs it.
struct ReadDelivery<'a> {
    delivery: Delivery,
    slot: &'a Slot,
    envelope: Decoded<'a>,
    /// The part of the payload that the rule needs, still dot-stuffed.
    payload: &'a [u8],
}

impl MessageVisitor for DeliveryReader<'_> {
    fn visit(&mut self, message: MessagePlace<'_>) -> Result<Understood, Damage> {
        let MessagePlace { source, segment, slot } = message;
        if self.failed.is_some() || !self.is_selected(source, slot) {
            return Ok(Understood::Yes);
        }
        let mut record = std::mem::take(&mut self.record);
        let read = read(self.shared.rule, segment, slot, &mut record);
        let understood = read.map(|(envelope, payload)| {
            let decoded = envelope::decode(envelope).ok().filter(|e| e.recipients_count() > 0);
            let Some(envelope) = decoded else { return Understood::No };
            let is_noted = self.shared.noted[source].contains(&slot.id());
            let delivery = Delivery {
                received_at_ns: slot.facts().received_at_ns,
                source: u16::try_from(source).expect("command lines hold fewer folders"),
                id: slot.id(),
                reply: if is_noted { CopyReply::Ambiguous } else { CopyReply::Acknowledged },
            };
            let taken = self.take(&ReadDelivery { delivery, slot, envelope, payload });
            if let Err(error) = taken {
                self.failed = Some(error);
                // The flag publishes no data: threads return their errors when they are joined.
                self.shared.stop.store(true, Ordering::Relaxed);
            }
            Understood::Yes
        });
        self.record = record;
        understood
    }
}

/// Returns envelope and payload, of which only as much is read as the rule needs.
fn read<'a>(
    rule: &MessageRule,
    segment: &Segment,
    slot: &Slot,
    record: &'a mut Vec<u8>,
) -> Result<(&'a [u8], &'a [u8]), Damage> {
    if rule.content == ContentRule::Checked {
        segment.record_start(slot, PAYLOAD_BYTES_MAX, record)
    } else if rule.late.is_some() || rule.key.needs_header() {
        segment.record_start(slot, HEADER_BYTES_MAX, record)
    } else {
        Ok((segment.envelope(slot, record)?, &[]))
    }
}
