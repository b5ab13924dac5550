//! Counts from the slots and envelopes of spans. Payloads are read only for the checksum, and for a
//! header field with the sending time.
use std::net::IpAddr;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

use memchr::memrchr;

use super::by::GroupBy;
use super::names::{GroupedMessage, Groups};
use crate::analysis::folder::{
    LogSource, MessagePlace, MessageVisitor, Understood, UnreadMessages, visit_all,
};
use crate::analysis::transit::{HEADER_BYTES_MAX, TransitSample, TransitTally};
use crate::log::reader::Damage;
use crate::smtp::envelope::{self, Client, Decoded};
use crate::time::UnixNs;

/// The counts of all messages of a span.
#[derive(Debug)]
pub struct GroupCounts {
    pub groups: Groups,
    /// Transit times; each message counts once. `None` if no header field is read.
    pub transits: Option<Box<TransitTally>>,
    /// Messages with an envelope; each counts once.
    pub messages: u64,
    pub recipients: u64,
    pub bytes: u64,
    /// Times of the first and the last message; `None` without messages.
    pub times_ns: Option<(UnixNs, UnixNs)>,
    pub unread: UnreadMessages,
}

/// The property by which messages are grouped, and the header field with the sending time.
#[derive(Debug, Clone, Copy)]
pub struct GroupCriteria<'a> {
    pub by: GroupBy,
    pub sent_field: Option<&'a str>,
}

/// Counts all messages of `sources` into copies of `groups`. `watch` gets the number of messages
/// done and in total. Takes about 1 µs of a core for each message, and reads all of the log.
pub fn count(
    sources: &[LogSource],
    criteria: GroupCriteria<'_>,
    groups: &Groups,
    watch: &mut dyn FnMut(u64, u64),
) -> GroupCounts {
    let stop = AtomicBool::new(false);
    let counter = || GroupCounter::new(criteria, groups.clone());
    let (counters, unread) = visit_all(sources, &stop, &counter, watch);
    let counts = counters.into_iter().map(|counter| counter.counted);
    let all = counts.reduce(|mut all, other| {
        all.merge(other);
        all
    });
    GroupCounts { unread, ..all.expect("one thread at least has counted") }
}

impl GroupCounts {
    fn merge(&mut self, other: GroupCounts) {
        self.groups.merge(other.groups);
        if let (Some(mine), Some(theirs)) = (&mut self.transits, &other.transits) {
            mine.merge(theirs);
        }
        self.messages += other.messages;
        self.recipients += other.recipients;
        self.bytes += other.bytes;
        self.times_ns = match (self.times_ns, other.times_ns) {
            (Some(mine), Some(theirs)) => Some((mine.0.min(theirs.0), mine.1.max(theirs.1))),
            (mine, theirs) => mine.or(theirs),
        };
    }
}

/// The counts of one thread, and its buffers.
struct GroupCounter<'a> {
    criteria: GroupCriteria<'a>,
    counted: GroupCounts,
    envelope: Vec<u8>,
    names: MessageGroups,
}

impl<'a> GroupCounter<'a> {
    fn new(criteria: GroupCriteria<'a>, groups: Groups) -> GroupCounter<'a> {
        let counted = GroupCounts {
            groups,
            transits: criteria.sent_field.map(|_| Box::default()),
            messages: 0,
            recipients: 0,
            bytes: 0,
            times_ns: None,
            unread: UnreadMessages::default(),
        };
        GroupCounter { criteria, counted, envelope: Vec::new(), names: MessageGroups::default() }
    }
}

impl MessageVisitor for GroupCounter<'_> {
    fn visit(&mut self, message: MessagePlace<'_>) -> Result<Understood, Damage> {
        let MessagePlace { segment, slot, .. } = message;
        let (bytes, payload) = match self.criteria.sent_field {
            None => (segment.envelope(slot, &mut self.envelope)?, &[][..]),
            Some(_) => segment.record_start(slot, HEADER_BYTES_MAX, &mut self.envelope)?,
        };
        // Sessions never write an envelope that can't be decoded or has no recipients.
        let Some(decoded) = envelope::decode(bytes).ok().filter(|e| e.recipients_count() > 0)
        else {
            return Ok(Understood::No);
        };
        let facts = &slot.facts();
        let counted = &mut self.counted;
        counted.messages += 1;
        counted.recipients += u64::from(decoded.recipients_count());
        counted.bytes += u64::from(facts.message_bytes);
        let at_ns = facts.received_at_ns;
        let (first, last) = counted.times_ns.unwrap_or((at_ns, at_ns));
        counted.times_ns = Some((first.min(at_ns), last.max(at_ns)));
        let transit =
            self.criteria.sent_field.map(|name| TransitSample::read(name, facts, payload));
        if let (Some(transits), Some(transit)) = (&mut counted.transits, transit) {
            transits.add(transit);
        }
        self.names.take(self.criteria.by, &decoded);
        for (name, recipients) in self.names.each() {
            let one = GroupedMessage {
                recipients,
                bytes: u64::from(facts.message_bytes),
                transaction_us: u64::from(facts.transaction_us),
                deviations: decoded.deviations,
                transit,
            };
            counted.groups.add(name, &one);
        }
        Ok(Understood::Yes)
    }
}

/// The names of the groups of one message. Buffers are reused.
#[derive(Debug, Default)]
struct MessageGroups {
    text: Vec<u8>,
    /// Places in `text`: one for each recipient, or one for all.
    places: Vec<(Range<usize>, u64)>,
}

impl MessageGroups {
    fn take(&mut self, by: GroupBy, envelope: &Decoded<'_>) {
        self.text.clear();
        self.places.clear();
        let recipients = u64::from(envelope.recipients_count());
        match by {
            GroupBy::Nothing => self.push(b"", recipients),
            GroupBy::Listener => self.push(envelope.listener_label(), recipients),
            GroupBy::User => self.push(envelope.user(), recipients),
            GroupBy::Client => self.push(client(envelope.client).as_bytes(), recipients),
            GroupBy::RcptDomain => {
                for recipient in envelope.recipients() {
                    let path = recipient.path;
                    let domain = memrchr(b'@', path).map_or(&b""[..], |at| &path[at + 1..]);
                    self.push(domain, 1);
                }
                self.text.make_ascii_lowercase();
                let text = &self.text;
                self.places.sort_unstable_by(|a, b| text[a.0.clone()].cmp(&text[b.0.clone()]));
            }
        }
    }

    fn push(&mut self, name: &[u8], recipients: u64) {
        let from = self.text.len();
        self.text.extend_from_slice(name);
        self.places.push((from..self.text.len(), recipients));
    }

    /// Returns each name once, with its number of recipients.
    fn each(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let name = |place: &(Range<usize>, u64)| &self.text[place.0.clone()];
        let equal = self.places.chunk_by(move |a, b| name(a) == name(b));
        equal.map(move |same| (name(&same[0]), same.iter().map(|place| place.1).sum()))
    }
}

/// Returns the name of a client; empty if the client is unknown.
fn client(client: Option<Client>) -> String {
    match client {
        Some(Client::Unix) => "unix".to_owned(),
        Some(tcp) => {
            tcp.ip().as_ref().map(IpAddr::to_canonical).map_or(String::new(), |ip| ip.to_string())
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::envelope::{Tag, VERSION, append_field};

    #[test]
    fn a_message_belongs_once_to_each_domain_of_its_recipients() {
        let mut bytes = Vec::new();
        append_field(&mut bytes, Tag::Version, &[VERSION]);
        for to in ["a@B.example", "postmaster", "b@a.example", "\"c@d\"@b.EXAMPLE", "e@[192.0.2.1]"]
        {
            append_field(&mut bytes, Tag::ForwardPath, to.as_bytes());
        }
        let mut names = MessageGroups::default();
        for _ in 0..2 {
            names.take(GroupBy::RcptDomain, &envelope::decode(&bytes).unwrap());
            let found: Vec<(&[u8], u64)> = names.each().collect();
            let all = [(&b""[..], 1), (b"[192.0.2.1]", 1), (b"a.example", 1), (b"b.example", 2)];
            assert_eq!(found, all);
        }
        names.take(GroupBy::Client, &envelope::decode(&bytes).unwrap());
        assert_eq!(names.each().collect::<Vec<_>>(), [(&b""[..], 5)]);
    }

    #[test]
    fn a_client_is_its_address() {
        let tcp = |text: &str| Some(Client::Tcp(text.parse().unwrap()));
        assert_eq!(client(tcp("192.0.2.7:25")), "192.0.2.7");
        assert_eq!(client(tcp("[::ffff:192.0.2.7]:25")), "192.0.2.7");
        assert_eq!(client(tcp("[2001:db8::1]:25")), "2001:db8::1");
        assert_eq!((client(Some(Client::Unix)), client(None)), ("unix".into(), String::new()));
    }
}
