//! What the tests of replay share: slots, envelopes, a folder with messages.
use std::path::Path;

use crossbeam_channel::bounded;

use crate::log::{Commit, Log, LogSettings, MessageId, NoRoom, Slot, SlotFacts};
use crate::smtp::envelope::{Tag, append_field};
use crate::time::UnixNs;

/// Returns a message's slot without a record.
pub fn slot(id: MessageId) -> Slot {
    slot_of(id, UnixNs::EPOCH)
}

/// Returns a slot without a record, of a message that was received at this time.
pub fn slot_of(id: MessageId, received_at_ns: UnixNs) -> Slot {
    Slot::empty(id, &SlotFacts { received_at_ns, ..SlotFacts::default() })
}

/// Returns an encoded envelope. A recipient is a path, or a path, a space and parameters.
pub fn envelope(from: &str, parameters: &str, recipients: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    append_field(&mut out, Tag::Version, &[1]);
    append_field(&mut out, Tag::ReversePath, from.as_bytes());
    if !parameters.is_empty() {
        append_field(&mut out, Tag::MailParameters, parameters.as_bytes());
    }
    for recipient in recipients {
        let (path, parameters) = recipient.split_once(' ').unwrap_or((recipient, ""));
        append_field(&mut out, Tag::ForwardPath, path.as_bytes());
        if !parameters.is_empty() {
            append_field(&mut out, Tag::RcptParameters, parameters.as_bytes());
        }
    }
    out
}

/// A message to be stored.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub envelope: Vec<u8>,
    pub payload: Vec<u8>,
    pub facts: SlotFacts,
}

/// Returns a message with one to three recipients, of this session, received `ns` after the
/// beginning of 1970.
pub fn stored(number: u32, session: u64, ns: u64) -> StoredMessage {
    let payload = format!("Subject: {number}\r\n\r\nhello\r\n").into_bytes();
    let recipients: Vec<String> =
        (0..1 + number % 3).map(|i| format!("r{i}.{number}@b.test")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let facts = SlotFacts {
        received_at_ns: UnixNs::new(ns),
        session,
        message_bytes: payload.len() as u32,
        reply_code: 250,
        ..SlotFacts::default()
    };
    let envelope = envelope(&format!("s{number}@a.test"), "", &recipients);
    StoredMessage { envelope, payload, facts }
}

/// Creates a data folder with these messages. Returns their ids.
pub fn folder(path: &Path, messages: &[StoredMessage]) -> Vec<MessageId> {
    let settings = LogSettings {
        segment_bytes_first: 64 << 10,
        segment_bytes_max: 256 << 10,
        dedicated_segment_bytes_over: 64 << 10,
        region_bytes_max: 256 << 10,
        ..LogSettings::default()
    };
    let (log, _) = Log::open(path, settings).unwrap();
    let (wake, woken) = bounded(1);
    let wake = move || {
        // If the channel is full, a wake-up is already on its way.
        let _ = wake.try_send(());
    };
    let mut writer = log.writer(Box::new(wake)).unwrap();
    let mut ids = Vec::new();
    for StoredMessage { envelope, payload, facts } in messages {
        ids.push(loop {
            match writer.append(envelope, &[payload], facts) {
                Ok(Commit::Done(committed)) => break committed.id(),
                Ok(Commit::Later(_)) => unreachable!("durability is `process`"),
                Err(NoRoom::Wait) => {
                    writer.round_done();
                    woken.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
                }
                Err(other) => panic!("{other:?}"),
            }
        });
    }
    writer.close();
    log.close();
    ids
}
