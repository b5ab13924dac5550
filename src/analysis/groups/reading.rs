//! Reads slots and envelopes of whole spans on all cores. Payload is read through for the checksum
//! alone.
use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use memchr::memrchr;

use super::super::data_folder::open_folder;
use super::super::error::Error;
use super::super::span::log_span;
use super::super::transit::{HEADER_BYTES_MAX, TransitSample, TransitTally};
use super::super::watched::watched;
use super::by::GroupBy;
use super::names::{GroupedMessage, Groups};
use crate::log::reader::{Damage, Folder, ReadError, Segment, Stretch};
use crate::log::{Dropped, Slot};
use crate::smtp::envelope::{self, Client, Decoded};

/// More threads than this would wait for the disk.
const THREADS_MAX: usize = 8;

/// Damaged messages that are reported one by one.
const DAMAGE_TOLD_MAX: usize = 20;

/// A data folder, and what is read of it.
pub struct GroupSource {
    pub folder: Folder,
    /// What had been pruned when it was opened: what goes later is missed when its turn comes.
    pub pruned: Dropped,
    stretches: Vec<Stretch>,
}

/// What was read.
#[derive(Debug)]
pub struct GroupCounts {
    pub groups: Groups,
    /// Transit times of all messages, each once; `None` without a field to read.
    pub transits: Option<Box<TransitTally>>,
    /// Messages with an envelope, each once.
    pub messages: u64,
    pub recipients: u64,
    pub bytes: u64,
    /// Unix time of the first and the last, ns; `None`: there is none.
    pub times_ns: Option<(u64, u64)>,
    /// Messages whose slot or envelope can't be read.
    pub damaged: u64,
    /// Why, for the first of them.
    pub damage: Vec<String>,
    /// Messages whose segment was pruned since the folder was opened.
    pub pruned: u64,
}

impl GroupSource {
    /// `span`: Unix ns.
    pub fn open(path: &Path, span: &Range<u64>) -> Result<GroupSource, Error> {
        let folder = open_folder(path)?;
        let pruned = folder.pruned().map_err(Error::segments(path))?;
        let listing = folder.listing(log_span(span)).map_err(Error::log(path))?;
        let stretches = listing.stretches().collect();
        Ok(GroupSource { folder, pruned, stretches })
    }

    /// Messages of a part of the span, damaged ones included. Costs a few binary searches.
    pub fn messages(&self, span: &Range<u64>) -> Result<u64, Error> {
        let listing = self.folder.listing(log_span(span));
        Ok(listing.map_err(Error::log(self.folder.path()))?.len())
    }
}

/// What makes a group, and which header field says when a message was sent.
#[derive(Debug, Clone, Copy)]
pub struct GroupCriteria<'a> {
    pub by: GroupBy,
    pub sent_field: Option<&'a str>,
}

/// Counts all messages of `sources` into copies of `groups`. `watch` gets how many are done, and of
/// how many. Costs about 1 us a message and core, and reading all of it.
pub fn count(
    sources: &[GroupSource],
    asks: GroupCriteria<'_>,
    groups: &Groups,
    watch: &mut dyn FnMut(u64, u64),
) -> GroupCounts {
    let stretches = sources.iter().flat_map(|source| &source.stretches);
    let all = stretches.map(|stretch| stretch.messages).sum();
    let done = AtomicU64::new(0);
    // Partner: the additions in `count_on_all_cores`; a number, and nothing beside it.
    let look = || watch(done.load(Ordering::Relaxed), all);
    watched(look, || count_on_all_cores(sources, asks, groups, &done))
}

fn count_on_all_cores(
    sources: &[GroupSource],
    asks: GroupCriteria<'_>,
    groups: &Groups,
    done: &AtomicU64,
) -> GroupCounts {
    let work: Vec<(&Folder, &Stretch)> = sources
        .iter()
        .flat_map(|s| s.stretches.iter().map(|stretch| (&s.folder, stretch)))
        .collect();
    // Only tells threads apart; what they count is handed over when they end.
    let next = AtomicUsize::new(0);
    let count_some = || {
        let mut counter = GroupCounter::new(asks, groups.clone());
        while let Some((folder, stretch)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            counter.stretch(folder, stretch);
            // Partner: the load in `count`, which shows progress.
            done.fetch_add(stretch.messages, Ordering::Relaxed);
        }
        counter.counted
    };
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = cores.min(THREADS_MAX).min(work.len()).max(1);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(count_some)).collect();
        let mut counted = count_some();
        for thread in others {
            counted.merge(thread.join().expect("counting does not panic"));
        }
        counted
    })
}

impl GroupCounts {
    fn note_damage(&mut self, damage: String) {
        if self.damage.len() < DAMAGE_TOLD_MAX {
            self.damage.push(damage);
        }
    }

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
        self.damaged += other.damaged;
        other.damage.into_iter().for_each(|damage| self.note_damage(damage));
        self.pruned += other.pruned;
    }
}

/// The counts of one thread.
struct GroupCounter<'a> {
    asks: GroupCriteria<'a>,
    counted: GroupCounts,
    envelope: Vec<u8>,
    names: MessageGroups,
}

impl<'a> GroupCounter<'a> {
    fn new(asks: GroupCriteria<'a>, groups: Groups) -> GroupCounter<'a> {
        let counted = GroupCounts {
            groups,
            transits: asks.sent_field.map(|_| Box::default()),
            messages: 0,
            recipients: 0,
            bytes: 0,
            times_ns: None,
            damaged: 0,
            damage: Vec::new(),
            pruned: 0,
        };
        GroupCounter { asks, counted, envelope: Vec::new(), names: MessageGroups::default() }
    }

    /// Whatever of it can't be read is damaged, or pruned under our eyes.
    fn stretch(&mut self, folder: &Folder, stretch: &Stretch) {
        let before = self.counted.messages;
        match folder.segment(stretch.segment) {
            Ok(segment) => {
                for slot in segment.slots(stretch.slots.clone()) {
                    let read = match slot {
                        Ok(slot) if !slot.is_message() || folder.is_removed(slot.id()) => continue,
                        Ok(slot) => self.message(&segment, &slot),
                        Err(damage) => Err(damage),
                    };
                    // Counted below.
                    if let Err(damage) = read {
                        self.counted.note_damage(damage.to_string());
                    }
                }
            }
            Err(ReadError::Pruned { .. }) => {
                self.counted.pruned += stretch.messages;
                return;
            }
            Err(error) => self.counted.note_damage(error.to_string()),
        }
        let read = self.counted.messages - before;
        self.counted.damaged += stretch.messages.saturating_sub(read);
    }

    fn message(&mut self, segment: &Segment, slot: &Slot) -> Result<(), Damage> {
        let (bytes, payload) = match self.asks.sent_field {
            None => (segment.envelope(slot, &mut self.envelope)?, &[][..]),
            Some(_) => segment.record_start(slot, HEADER_BYTES_MAX, &mut self.envelope)?,
        };
        // A session encodes neither what can't be decoded nor a message without recipients.
        let Some(decoded) = envelope::decode(bytes).ok().filter(|e| e.recipients_count() > 0)
        else {
            return Ok(());
        };
        let facts = &slot.facts();
        let counted = &mut self.counted;
        counted.messages += 1;
        counted.recipients += u64::from(decoded.recipients_count());
        counted.bytes += u64::from(facts.message_bytes);
        let (first, last) = counted.times_ns.unwrap_or((u64::MAX, 0));
        let at_ns = facts.received_at_ns;
        counted.times_ns = Some((first.min(at_ns), last.max(at_ns)));
        let transit = self.asks.sent_field.map(|name| TransitSample::of(name, facts, payload));
        if let (Some(transits), Some(transit)) = (&mut counted.transits, transit) {
            transits.add(transit);
        }
        self.names.take(self.asks.by, &decoded);
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
        Ok(())
    }
}

/// The names of the groups that a message belongs to; its buffers are used again.
#[derive(Debug, Default)]
struct MessageGroups {
    text: Vec<u8>,
    /// In `text`, one for each recipient, or one for all.
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

    /// Each name once, and the recipients that have it.
    fn each(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let name = |place: &(Range<usize>, u64)| &self.text[place.0.clone()];
        let equal = self.places.chunk_by(move |a, b| name(a) == name(b));
        equal.map(move |same| (name(&same[0]), same.iter().map(|place| place.1).sum()))
    }
}

/// Empty: a client that is not known.
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
