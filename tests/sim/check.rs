//! What must hold after every run.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sinkd::log::reader::Folder;
use sinkd::log::{MessageId, SlotKind};
use sinkd::smtp::client::{ReplyCode, SessionEnd};
use sinkd::smtp::data::unstuff;
use sinkd::smtp::envelope;
use sinkd::time::Span;

use crate::client::Message;

/// The clients' view of the run.
pub struct ClientView<'a> {
    pub messages: &'a BTreeMap<u64, Message>,
    pub ended: &'a [(u64, SessionEnd, Vec<Option<ReplyCode>>)],
    /// Whether some fault of this run is a reason to refuse messages.
    pub may_refuse: bool,
}

/// Asserts that acknowledged ⊆ stored ⊆ sent to the end, that no message is stored twice, that each
/// octet and each recipient is as sent, that the number of stored messages is the counted one, and
/// that no 250 that a client received is noted as lost.
///
/// `counted` is the number of messages that the sink counted; `None` if it was killed.
pub fn check(folder: &Path, view: &ClientView<'_>, counted: Option<u64>) {
    let numbers: Vec<u64> = view.ended.iter().map(|(number, ..)| *number).collect();
    let once: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(once.len(), numbers.len(), "each message ends once");
    assert!(once.iter().eq(view.messages.keys()), "every message has an end");
    let stored = stored(folder);
    for (number, end, codes) in view.ended {
        let message = &view.messages[number];
        let accepted: Vec<String> = (0..message.recipients)
            .filter(|at| codes[*at].is_some_and(ReplyCode::is_positive))
            .map(Message::path)
            .collect();
        let found = stored.messages.get(number);
        assert!(!codes.iter().flatten().any(|code| code.is_permanent()), "{number}: {codes:?}");
        match (found, end) {
            (None, SessionEnd::Answered | SessionEnd::Unknown) => {
                assert!(accepted.is_empty(), "{number} was acknowledged, and is not stored");
                let is_refused = codes.iter().flatten().any(|code| code.is_transient());
                assert!(view.may_refuse || !is_refused, "{number} was refused: {codes:?}");
            }
            (None, _) => {}
            (Some(_), SessionEnd::NotSent | SessionEnd::Withheld(_)) => {
                panic!("{number} is stored, and was not sent whole");
            }
            (Some((_, content, paths)), SessionEnd::Answered) => {
                assert_eq!(*paths, accepted, "{number}: its recipients");
                assert!(*content == message.content(), "{number}: its octets");
            }
            (Some((_, content, _)), SessionEnd::Unknown) => {
                assert!(*content == message.content(), "{number}: its octets");
            }
        }
        if let Some((id, ..)) = found {
            let is_heard = *end == SessionEnd::Answered;
            assert!(!is_heard || !stored.noted.contains(id), "{number}: its 250 was received");
        }
    }
    if let Some(counted) = counted {
        assert_eq!(counted, stored.messages.len() as u64, "counted, and stored");
    }
}

struct Stored {
    /// By number: the id, the content and the recipients of a stored message.
    messages: BTreeMap<u64, (MessageId, Vec<u8>, Vec<String>)>,
    /// Messages whose 250 could not be sent.
    noted: BTreeSet<MessageId>,
}

fn stored(folder: &Path) -> Stored {
    let folder = Folder::open(folder).unwrap();
    let unreadable: Vec<String> = folder.unreadable().map(ToString::to_string).collect();
    assert!(unreadable.is_empty(), "{unreadable:?}");
    let mut stored = Stored { messages: BTreeMap::new(), noted: BTreeSet::new() };
    let listing = folder.listing(Span::default()).unwrap();
    for slot in listing.forward(0).unwrap().map(Result::unwrap) {
        let (segment, _) = folder.find(slot.id()).unwrap();
        let mut record = Vec::new();
        let (envelope, payload) = segment.record(&slot, &mut record).unwrap();
        if slot.facts().kind == SlotKind::Note {
            let id = MessageId::from_bytes(payload.try_into().unwrap());
            stored.noted.insert(id);
            continue;
        }
        let content =
            if slot.facts().dots > 0 { unstuff(payload).into_owned() } else { payload.to_vec() };
        let line = content.split(|octet| *octet == b'\r').next().unwrap();
        let number = std::str::from_utf8(line).unwrap().strip_prefix("X-Number: ");
        let number = number.expect("the first line names the message").parse().unwrap();
        let decoded = envelope::decode(envelope).unwrap();
        let paths = decoded.recipients().map(|r| String::from_utf8_lossy(r.path).into_owned());
        let before = stored.messages.insert(number, (slot.id(), content, paths.collect()));
        assert!(before.is_none(), "{number} is there twice");
    }
    stored
}
