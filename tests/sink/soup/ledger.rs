//! What all clients together sent and received, and whether the log agrees.
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;

use sinkd::log::reader::Folder;
use sinkd::log::{MessageId, SlotKind, StoredPart};
use sinkd::smtp::envelope;
use sinkd::time::Span;

/// A message whose last octets were sent, or were about to be sent.
#[derive(Debug, Clone, Copy)]
struct Message {
    hash: u64,
    /// The hash of its header section.
    headers_hash: u64,
    /// Its result in the 250; `None` if it was not acknowledged, or the client did not see the
    /// reply.
    name: Option<Name>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Name {
    Stored(MessageId),
    Counted,
}

pub struct Ledger {
    /// The thread that made the ledger; it is unparked when a client has failed.
    owner: Thread,
    messages: Mutex<HashMap<String, Message>>,
    stopping: AtomicBool,
    failed: AtomicBool,
    /// Whether the scenario is short of buffers, so that stalled transfers are closed.
    is_tight: bool,
    pub acknowledgements: AtomicU64,
}

impl Ledger {
    pub fn new(is_tight: bool) -> Ledger {
        Ledger {
            owner: std::thread::current(),
            messages: Mutex::default(),
            stopping: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            is_tight,
            acknowledgements: AtomicU64::new(0),
        }
    }

    /// Notes that the server may store this message from now on.
    pub fn sending(&self, tag: &str, payload: &[u8]) {
        let message =
            Message { hash: hash(payload), headers_hash: hash(headers(payload)), name: None };
        let before = self.messages.lock().unwrap().insert(tag.to_owned(), message);
        assert!(before.is_none(), "{tag} is sent once");
    }

    pub fn acknowledged(&self, tag: &str, name: &str) {
        self.acknowledgements.fetch_add(1, Ordering::Relaxed);
        let name = match name {
            "(counted, not stored)" => Name::Counted,
            id => Name::Stored(id.parse().expect("an id")),
        };
        let mut messages = self.messages.lock().unwrap();
        let message = messages.get_mut(tag).expect("an acknowledged message was sent");
        assert!(message.name.is_none_or(|before| before == name), "{tag}: one name");
        message.name = Some(name);
    }

    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }

    pub fn failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
        self.owner.unpark();
    }

    /// Returns whether a connection can end without a reply that the client has read.
    pub fn may_close(&self) -> bool {
        self.is_tight || self.is_stopping()
    }

    /// Asserts that acknowledged ⊆ stored ⊆ sent to the end, that no message is stored twice, and
    /// that every octet is as sent. A ring can have pruned acknowledged messages. Returns the
    /// number of stored messages.
    pub fn judge(&self, data: &Path, is_ring: bool) -> u64 {
        let messages = self.messages.lock().unwrap();
        let folder = Folder::open(data).unwrap();
        let unreadable: Vec<String> = folder.unreadable().map(ToString::to_string).collect();
        assert!(unreadable.is_empty(), "{unreadable:?}");
        let (mut found, mut record) = (BTreeSet::new(), Vec::new());
        for slot in folder.listing(Span::default()).unwrap().forward(0).unwrap() {
            let slot = slot.unwrap();
            assert_eq!(slot.facts().kind, SlotKind::Message);
            let (segment, _) = folder.find(slot.id()).unwrap();
            let (envelope, payload) = segment.record(&slot, &mut record).unwrap();
            let envelope = envelope::decode(envelope).unwrap();
            let path = String::from_utf8_lossy(envelope.mail_from).into_owned();
            let tag = path.strip_suffix("@soup.example").unwrap();
            let message = messages.get(tag).unwrap_or_else(|| panic!("{tag} was never sent whole"));
            assert!(found.insert(tag.to_owned()), "{tag} is stored twice");
            let expected = match slot.facts().mode {
                StoredPart::Full => message.hash,
                StoredPart::Headers => message.headers_hash,
                StoredPart::Envelope => hash(b""),
            };
            assert!(hash(payload) == expected, "{tag} is stored with other octets");
            if let Some(name) = message.name {
                assert_eq!(name, Name::Stored(slot.id()), "{tag} has the id in its reply");
            }
        }
        let is_lost = |(tag, message): &(&String, &Message)| {
            matches!(message.name, Some(Name::Stored(_))) && !found.contains(*tag)
        };
        let lost: Vec<_> = messages.iter().filter(is_lost).collect();
        assert!(is_ring || lost.is_empty(), "acknowledged and not stored: {lost:?}");
        found.len() as u64
    }
}

fn hash(octets: &[u8]) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(octets)
}

/// Returns the header section, including its empty line.
fn headers(payload: &[u8]) -> &[u8] {
    if payload.starts_with(b"\r\n") {
        return &payload[..2];
    }
    let end = payload.windows(4).position(|four| four == b"\r\n\r\n");
    end.map_or(payload, |end| &payload[..end + 4])
}
