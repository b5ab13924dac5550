//! One delivery: a message and one of its recipients, encoded for sorting.
use super::named::named;
use crate::log::MessageId;
use crate::time::UnixNs;

/// Length of an encoded delivery, in octets.
pub const DELIVERY_BYTES: usize = 19;

named! {
    /// Whether the sender learned that sinkd accepted a message.
    pub enum CopyReply {
        /// The 250 was sent, so the sender has no reason to send the message again.
        Acknowledged = "acknowledged",
        /// The 250 could not be sent, so the sender must send the message again (RFC 5321 section
        /// 4.5.4.1).
        Ambiguous = "ambiguous",
    }
}

/// A message that a recipient got. Deliveries are ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivery {
    /// Time of acceptance.
    pub received_at_ns: UnixNs,
    /// The position of its folder among the folders of the audit.
    pub source: u16,
    /// The id of the message in that folder.
    pub id: MessageId,
    /// Whether the 250 for the message was sent.
    pub reply: CopyReply,
}

impl Delivery {
    /// Encodes the delivery; encoded deliveries sort in the same order.
    pub fn encoded(self) -> [u8; DELIVERY_BYTES] {
        let mut octets = [0; DELIVERY_BYTES];
        octets[..8].copy_from_slice(&self.received_at_ns.get().to_be_bytes());
        octets[8..10].copy_from_slice(&self.source.to_be_bytes());
        octets[10..18].copy_from_slice(&number(self.id).to_be_bytes());
        octets[18] = self.reply as u8;
        octets
    }

    /// Decodes the delivery at the start of `encoded`, and returns the rest.
    pub fn decode(encoded: &[u8]) -> (Delivery, &[u8]) {
        let (octets, rest) = encoded.split_at(DELIVERY_BYTES);
        let eight = |at: usize| octets[at..at + 8].try_into().expect("eight octets");
        let delivery = Delivery {
            received_at_ns: UnixNs::new(u64::from_be_bytes(eight(0))),
            source: u16::from_be_bytes([octets[8], octets[9]]),
            id: id_of(u64::from_be_bytes(eight(10))),
            reply: if octets[18] == 0 { CopyReply::Acknowledged } else { CopyReply::Ambiguous },
        };
        (delivery, rest)
    }
}

/// Converts an id to a number with the same order.
pub fn number(id: MessageId) -> u64 {
    u64::from(id.segment) << 32 | u64::from(id.slot)
}

/// Converts a number back to its id.
pub fn id_of(number: u64) -> MessageId {
    MessageId { segment: (number >> 32) as u32, slot: number as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_sort_as_deliveries_do() {
        let mut all = Vec::new();
        for received_at_ns in [0, 255, 256, u64::MAX].map(UnixNs::new) {
            for source in [0, 1, 256] {
                for (segment, slot) in [(0, 0), (0, 256), (1, 0), (u32::MAX, u32::MAX)] {
                    for reply in [CopyReply::Acknowledged, CopyReply::Ambiguous] {
                        let id = MessageId { segment, slot };
                        all.push(Delivery { received_at_ns, source, id, reply });
                    }
                }
            }
        }
        assert!(all.is_sorted());
        assert!(all.iter().map(|one| one.encoded()).collect::<Vec<_>>().is_sorted());
        for one in all {
            let rest = [&one.encoded()[..], b"rest"].concat();
            assert_eq!(Delivery::decode(&rest), (one, &b"rest"[..]));
        }
    }
}
