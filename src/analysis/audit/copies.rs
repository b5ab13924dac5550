//! Compares the messages that one recipient got.
use std::collections::HashSet;
use std::io;

use xxhash_rust::xxh3::xxh3_128;

use super::delivery::{CopyReply, Delivery};
use super::names::{FolderNames, NAMED_MAX, key_text};
use super::offender::{Fault, Offender, OffenderSorter, SameAs};
use crate::analysis::sorting::{Merge, Sorted};

/// Maximum number of copies per recipient that are compared; further copies are only counted.
const COMPARED_MAX: usize = 10_000;

/// Recipients with several messages, by what these messages have in common.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyTally {
    /// Recipients with two copies that have the same Message-ID and the same content.
    pub both: u64,
    /// Recipients with two copies of the same Message-ID, but no two that also have the same
    /// content.
    pub message_id: u64,
    /// Recipients with two copies of the same content, but no two with the same Message-ID.
    pub content: u64,
    /// Recipients whose messages all differ in both.
    pub nothing: u64,
    /// Recipients without equal copies, but with at least one whose content is not stored in full
    /// or can't be read.
    pub unknown: u64,
    /// Recipients whose first copy was acknowledged, so the sender had no reason to send another.
    pub acknowledged: u64,
    /// Recipients whose first copy was not acknowledged, so the sender had to send it again.
    pub ambiguous: u64,
}

/// What is compared of one copy: `None` where it is missing, not stored or can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CopyFacts {
    delivery: Delivery,
    line: Option<u64>,
    message_id: Option<u128>,
    content: Option<u128>,
}

/// Encodes the value of a copy's record; the copies of a recipient are then sorted by time.
pub fn encode_copy(
    delivery: &Delivery,
    line: Option<u64>,
    message_id: Option<&str>,
    content: Option<u128>,
) -> Vec<u8> {
    let mut value = delivery.encoded().to_vec();
    value.extend_from_slice(&line.unwrap_or(0).to_le_bytes());
    let message_id = message_id.map(|id| xxh3_128(id.as_bytes()));
    for hash in [message_id, content] {
        value.push(u8::from(hash.is_some()));
        value.extend_from_slice(&hash.unwrap_or(0).to_le_bytes());
    }
    value
}

impl CopyFacts {
    fn decode(value: &[u8]) -> CopyFacts {
        let (delivery, rest) = Delivery::decode(value);
        let (line, rest) = rest.split_first_chunk().expect("a line follows");
        let hash = |at: usize| {
            let octets = rest[at + 1..at + 17].try_into().expect("16 octets");
            (rest[at] == 1).then(|| u128::from_le_bytes(octets))
        };
        let line = Some(u64::from_le_bytes(*line)).filter(|line| *line > 0);
        CopyFacts { delivery, line, message_id: hash(0), content: hash(17) }
    }
}

/// Compares the copies of each recipient.
///
/// Errors: temporary files can't be read or written.
pub fn compare(
    sorted: Vec<Sorted>,
    names: &FolderNames,
    offenders: &mut OffenderSorter,
) -> io::Result<CopyTally> {
    let (mut merge, mut tally) = (Merge::new(sorted)?, CopyTally::default());
    while let Some(head) = merge.head() {
        let (order, key) = (head.order, head.key.to_vec());
        let (mut copies, mut count) = (Vec::new(), 0);
        while let Some(record) = merge.head().filter(|it| (it.order, it.key) == (order, &key)) {
            if copies.len() < COMPARED_MAX {
                copies.push(CopyFacts::decode(record.value));
            }
            count += 1;
            merge.advance()?;
        }
        let (same, first) = (same_as(&copies), &copies[0]);
        tally.add(same, first.delivery.reply);
        let mut offender = Offender::new(Fault::Repeated, key_text(order, &key), first.line);
        offender.count = count;
        let named = copies.iter().take(NAMED_MAX);
        offender.messages = named.map(|copy| names.copy(&copy.delivery)).collect();
        offender.same = Some(same);
        offender.first_reply = Some(first.delivery.reply);
        offenders.push(&offender)?;
    }
    Ok(tally)
}

fn same_as(copies: &[CopyFacts]) -> SameAs {
    let both = |copy: &CopyFacts| copy.message_id.zip(copy.content);
    if has_equal(copies.iter().filter_map(both)) {
        SameAs::Both
    } else if has_equal(copies.iter().filter_map(|copy| copy.message_id)) {
        SameAs::MessageId
    } else if has_equal(copies.iter().filter_map(|copy| copy.content)) {
        SameAs::Content
    } else if copies.iter().any(|copy| copy.content.is_none()) {
        SameAs::Unknown
    } else {
        SameAs::Nothing
    }
}

/// Returns whether at least two items are equal. Needs a hash set of all items.
fn has_equal<T: Eq + std::hash::Hash>(all: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    let mut all = all;
    !all.all(|one| seen.insert(one))
}

impl CopyTally {
    fn add(&mut self, same: SameAs, first: CopyReply) {
        *match same {
            SameAs::Both => &mut self.both,
            SameAs::MessageId => &mut self.message_id,
            SameAs::Content => &mut self.content,
            SameAs::Nothing => &mut self.nothing,
            SameAs::Unknown => &mut self.unknown,
        } += 1;
        match first {
            CopyReply::Acknowledged => self.acknowledged += 1,
            CopyReply::Ambiguous => self.ambiguous += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::MessageId;
    use crate::time::UnixNs;

    fn copy(message_id: Option<u128>, content: Option<u128>) -> CopyFacts {
        let id = MessageId { segment: 1, slot: 2 };
        let reply = CopyReply::Acknowledged;
        let delivery = Delivery { received_at_ns: UnixNs::new(3), source: 0, id, reply };
        CopyFacts { delivery, line: Some(4), message_id, content }
    }

    #[test]
    fn copies_are_the_same_where_any_two_of_them_are() {
        let (a, b, no) = (Some(1), Some(2), None);
        for (copies, same) in [
            (&[copy(a, a), copy(b, b), copy(a, a)][..], SameAs::Both),
            (&[copy(a, a), copy(a, b)], SameAs::MessageId),
            (&[copy(a, no), copy(a, no)], SameAs::MessageId),
            (&[copy(a, a), copy(b, a)], SameAs::Content),
            (&[copy(no, a), copy(no, a)], SameAs::Content),
            (&[copy(a, a), copy(b, b)], SameAs::Nothing),
            (&[copy(no, a), copy(no, b)], SameAs::Nothing),
            (&[copy(no, no), copy(no, no)], SameAs::Unknown),
        ] {
            assert_eq!(same_as(copies), same, "{copies:?}");
        }
    }

    #[test]
    fn what_is_known_of_a_copy_comes_back() {
        let facts = copy(Some(xxh3_128(b"x@y")), Some(7));
        let value = encode_copy(&facts.delivery, facts.line, Some("x@y"), Some(7));
        assert_eq!(CopyFacts::decode(&value), facts);
        let nothing = CopyFacts { line: None, message_id: None, content: None, ..facts };
        assert_eq!(CopyFacts::decode(&encode_copy(&facts.delivery, None, None, None)), nothing);
    }
}
