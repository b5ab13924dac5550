//! Reads what was delivered: a record for each recipient of each message.
use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::sorting::{Record, Sorter};
use super::super::source::{MessagePlace, MessageVisitor, Understood};
use super::super::transit::{HEADER_BYTES_MAX, TransitSample};
use super::super::words::{readable, seconds};
use super::address::push_path;
use super::checksum::ContentCheck;
use super::delivery::{CopyReply, Delivery, number};
use super::key::{Key, KeyKind, KeyRule};
use super::log_join::encode_received;
use super::names::FolderNames;
use super::offender::{Fault, Offender, OffenderSorter};
use crate::index::reading::PAYLOAD_BYTES_MAX;
use crate::log::reader::{Damage, Segment};
use crate::log::{MessageId, Slot, StorageMode};
use crate::smtp::data::unstuff;
use crate::smtp::envelope::{self, Decoded};

/// What is asked of each message.
#[derive(Debug, Clone)]
pub struct MessageRule {
    /// How a message gets its keys.
    pub key: KeyRule,
    /// Whether content is held to its checksum.
    pub content: ContentRule,
    /// The field with the time sent, and how late a message may be, us.
    pub late: Option<LateRule>,
    /// Whether a log of the sender is to be joined.
    pub log: LogRule,
}

/// Whether content is held to its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentRule {
    /// Only envelopes and headers are looked at.
    Ignored,
    /// Each message is read.
    Checked,
}

/// Whether deliveries are joined with logs of the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRule {
    /// No log was given.
    Without,
    /// They are.
    Joined,
}

/// When a message is late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateRule {
    /// The header field with the time sent.
    pub field: String,
    /// Longer transit is late, us.
    pub after_us: u64,
}

/// Numbers of messages, each once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageTally {
    /// Messages with an envelope.
    pub messages: u64,
    /// Their recipients.
    pub recipients: u64,
    /// Recipients, or messages where a message has one key, without a key.
    pub without_key: u64,
    /// Messages held to their checksum.
    pub checked: u64,
    /// Those that do not fit it.
    pub changed: u64,
    /// Messages without a checksum.
    pub without_checksum: u64,
    /// Messages of which too little is stored for a check.
    pub not_stored: u64,
    /// Messages with a transit time.
    pub timed: u64,
    /// Those that came too late.
    pub late: u64,
    /// Messages that do not say when they were sent.
    pub without_time: u64,
}

impl MessageTally {
    /// Adds what another thread counted.
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

/// Messages that are meant, where not all are: by folder, ids in order.
pub type MeantMessages = Vec<Vec<u64>>;

/// What all threads use.
pub struct Shared<'a> {
    /// What is asked.
    pub rule: &'a MessageRule,
    /// For each folder, the messages whose 250 could not be sent.
    pub noted: &'a [HashSet<MessageId>],
    /// `None`: all messages are meant.
    pub meant: Option<&'a MeantMessages>,
    /// Names of the folders.
    pub names: &'a FolderNames,
    /// Set where a thread can't go on.
    pub stop: &'a AtomicBool,
}

/// The part of one thread.
pub struct DeliveryReader<'a> {
    shared: &'a Shared<'a>,
    /// By key.
    pub by_key: Sorter,
    /// By time, with numbers as keys: to see which came out of order.
    pub by_time: Sorter,
    /// By id, for the join with logs of the sender.
    pub by_id: Sorter,
    /// What is wrong with single messages.
    pub offenders: OffenderSorter,
    /// What was counted.
    pub tally: MessageTally,
    /// Why it could not go on.
    pub failed: Option<io::Error>,
    record: Vec<u8>,
    key: Key,
    address: Vec<u8>,
}

impl<'a> DeliveryReader<'a> {
    /// `memory_bytes`: what its records may take.
    pub fn new(shared: &'a Shared<'a>, memory_bytes: usize) -> DeliveryReader<'a> {
        let rule = shared.rule;
        let is_by_time = rule.key.kind == KeyKind::Number;
        let is_by_id = rule.log == LogRule::Joined;
        // Where nothing is sorted, no memory is needed.
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
                by_key.push(Record { order: key.order, key: &key.text, value: &encoded })?;
                if rule.key.kind == KeyKind::Number {
                    let number = key.order.to_be_bytes();
                    let order = delivery.received_at_ns;
                    by_time.push(Record { order, key: &encoded, value: &number })?;
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
            self.accuse(Fault::WithoutKey, message, detail.to_owned())?;
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
            self.by_id.push(Record { order, key: &self.address, value: &value })?;
        }
        Ok(())
    }

    fn check_time(&mut self, rule: &LateRule, message: &ReadDelivery<'_>) -> io::Result<()> {
        let sample = TransitSample::of(&rule.field, message.slot.facts(), message.payload);
        let TransitSample::Time { us, .. } = sample else {
            self.tally.without_time += 1;
            return Ok(());
        };
        self.tally.timed += 1;
        if u64::try_from(us).is_ok_and(|us| us > rule.after_us) {
            self.tally.late += 1;
            let detail = format!("{} after {}", seconds(us as f64 / 1e6), rule.field);
            self.accuse(Fault::Late, message, detail)?;
        }
        Ok(())
    }

    fn check_content(&mut self, message: &ReadDelivery<'_>) -> io::Result<()> {
        let facts = message.slot.facts();
        let is_whole = facts.mode == StorageMode::Full && message.payload.len() < PAYLOAD_BYTES_MAX;
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
                self.accuse(Fault::Changed, message, detail)?;
            }
        }
        Ok(())
    }

    /// Names a message, by its first recipient.
    fn accuse(
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

    fn is_meant(&self, source: usize, slot: &Slot) -> bool {
        let meant = self.shared.meant.map(|meant| &meant[source]);
        meant.is_none_or(|ids| ids.binary_search(&number(slot.id())).is_ok())
    }
}

/// A message as it was read.
struct ReadDelivery<'a> {
    delivery: Delivery,
    slot: &'a Slot,
    envelope: Decoded<'a>,
    /// As much of it as the rule asks for, with its stuffed dots.
    payload: &'a [u8],
}

impl MessageVisitor for DeliveryReader<'_> {
    fn visit(&mut self, message: MessagePlace<'_>) -> Result<Understood, Damage> {
        let MessagePlace { source, segment, slot } = message;
        if self.failed.is_some() || !self.is_meant(source, slot) {
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
                // The flag hands nothing over: threads return their failures when they end.
                self.shared.stop.store(true, Ordering::Relaxed);
            }
            Understood::Yes
        });
        self.record = record;
        understood
    }
}

/// Reads as much as the rule asks for.
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
