//! Chooses the recipients of each message.
use std::ops::Range;

use super::head::{DIGITS, digits};
use super::list::{List, is_mailbox};
use super::random::{Purpose, Random};

pub use super::list::{RecipientListError, RowError};

/// Maximum number of recipients per message; the target may allow fewer.
pub const PER_MESSAGE_MAX: u64 = 10_000;

/// Maximum number of generated addresses.
pub const GENERATED_MAX: u64 = 1_000_000_000_000;

/// The number of recipients per message. It grows by one with each message, from `low` to `high`,
/// and then starts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerMessage {
    low: u64,
    high: u64,
}

/// The text is not a number of recipients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a number such as 1 or a range such as 1-50, up to {PER_MESSAGE_MAX}, found '{0}'"
)]
pub struct NotPerMessage(pub String);

impl std::str::FromStr for PerMessage {
    type Err = NotPerMessage;

    fn from_str(text: &str) -> Result<PerMessage, NotPerMessage> {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        match (low.parse(), high.parse()) {
            (Ok(low), Ok(high)) if 1 <= low && low <= high && high <= PER_MESSAGE_MAX => {
                Ok(PerMessage { low, high })
            }
            _ => Err(NotPerMessage(text.to_owned())),
        }
    }
}

impl PerMessage {
    /// One recipient for each message.
    pub const ONE: PerMessage = PerMessage { low: 1, high: 1 };

    fn for_message(self, number: u64) -> u64 {
        match self {
            PerMessage { low, high } if low == high => low,
            PerMessage { low, high } => low + number % (high - low + 1),
        }
    }

    /// Returns the number of recipients of all earlier messages.
    fn before(self, number: u64) -> u64 {
        let width = self.high - self.low + 1;
        let (turns, rest) = (number / width, number % width);
        turns * (self.low + self.high) * width / 2
            + rest * self.low
            + rest * rest.saturating_sub(1) / 2
    }
}

/// The order in which recipients are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecipientOrder {
    /// In the order of the list, repeated from its beginning.
    #[default]
    Listed,
    /// The first recipient of a message is random; the others follow it in the list, so that none
    /// is repeated.
    Random,
}

#[derive(Debug, Clone)]
enum RecipientChoice {
    List(List),
    /// `template` is `user-000000@domain`; `digits` is the place of the number in it.
    Generated {
        template: Vec<u8>,
        digits: Range<usize>,
        count: u64,
    },
}

/// Why a choice of recipients is impossible.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipientsError {
    /// The domain is not one that generated addresses can have.
    #[error("expected a domain such as example.com, found '{0}'")]
    Domain(String),
    /// The number of generated recipients is out of bounds.
    #[error("expected a whole number from 1 to {GENERATED_MAX}, found {0}")]
    Count(u64),
    /// A message needs more recipients than are generated.
    #[error("expected at most {count}, the number of generated addresses, found {per_message}")]
    MoreThanGenerated {
        /// The number of recipients per message.
        per_message: u64,
        /// The number of generated recipients.
        count: u64,
    },
    /// A message needs more recipients than the list has.
    #[error("expected at most {count}, as many as {file} has, found {per_message}")]
    MoreThanListed {
        /// The number of recipients per message.
        per_message: u64,
        /// The number of recipients in the list.
        count: u64,
        /// The name of the list's file.
        file: String,
    },
}

/// The source of recipients.
#[derive(Debug, Clone)]
pub struct RecipientSource {
    who: RecipientChoice,
    per_message: PerMessage,
    order: RecipientOrder,
    address_bytes_max: usize,
}

impl RecipientSource {
    /// Takes recipients from a list.
    pub fn listed(list: List) -> RecipientSource {
        let longest = (0..list.rows()).map(|row| list.address(row).len()).max();
        RecipientSource {
            who: RecipientChoice::List(list),
            per_message: PerMessage::ONE,
            order: RecipientOrder::Listed,
            address_bytes_max: longest.unwrap_or(0),
        }
    }

    /// Generates `count` recipients: `user-000000@domain` and so on.
    pub fn generated(domain: &str, count: u64) -> Result<RecipientSource, RecipientsError> {
        if !is_mailbox(&format!("user@{domain}")) || !domain.is_ascii() {
            return Err(RecipientsError::Domain(domain.to_owned()));
        }
        if !(1..=GENERATED_MAX).contains(&count) {
            return Err(RecipientsError::Count(count));
        }
        let width = (count - 1).to_string().len().max(6);
        let template = format!("user-{}@{domain}", "0".repeat(width)).into_bytes();
        Ok(RecipientSource {
            address_bytes_max: template.len(),
            who: RecipientChoice::Generated { template, digits: 5..5 + width, count },
            per_message: PerMessage::ONE,
            order: RecipientOrder::Listed,
        })
    }

    /// Chooses this number of recipients per message, in this order.
    pub fn chosen(
        self,
        per_message: PerMessage,
        order: RecipientOrder,
    ) -> Result<RecipientSource, RecipientsError> {
        let (high, count) = (per_message.high, self.count());
        if high <= count {
            return Ok(RecipientSource { per_message, order, ..self });
        }
        Err(match &self.who {
            RecipientChoice::Generated { .. } => {
                RecipientsError::MoreThanGenerated { per_message: high, count }
            }
            RecipientChoice::List(list) => {
                let file = list.file().to_owned();
                RecipientsError::MoreThanListed { per_message: high, count, file }
            }
        })
    }

    /// Returns the number of recipients.
    pub fn count(&self) -> u64 {
        match &self.who {
            RecipientChoice::List(list) => list.rows(),
            RecipientChoice::Generated { count, .. } => *count,
        }
    }

    /// Returns the list, if there is one.
    pub fn list(&self) -> Option<&List> {
        match &self.who {
            RecipientChoice::List(list) => Some(list),
            RecipientChoice::Generated { .. } => None,
        }
    }

    /// Returns the length of the longest address.
    pub fn address_bytes_max(&self) -> usize {
        self.address_bytes_max
    }

    /// Returns the positions of a message's recipients: at least one, without repetition.
    pub fn of_message(&self, seed: u64, number: u64) -> impl Iterator<Item = u64> + use<> {
        let (count, taken) = (self.count(), self.per_message.for_message(number));
        let first = match self.order {
            RecipientOrder::Listed if self.per_message == PerMessage::ONE => number % count,
            RecipientOrder::Listed => self.per_message.before(number) % count,
            RecipientOrder::Random => Random::new(seed, number, Purpose::Recipient).below(count),
        };
        (first..first + taken).map(move |at| if at < count { at } else { at - count })
    }

    /// Returns the address at a position. A generated address is written into `room`.
    pub fn address<'a>(&'a self, at: u64, room: &'a mut Vec<u8>) -> &'a [u8] {
        match &self.who {
            RecipientChoice::List(list) => list.address(at).as_bytes(),
            RecipientChoice::Generated { template, digits: digits_at, .. } => {
                room.clear();
                room.extend_from_slice(template);
                room[digits_at.clone()].copy_from_slice(&digits(at)[DIGITS - digits_at.len()..]);
                room
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(recipients: &RecipientSource, number: u64) -> Vec<String> {
        let mut room = Vec::new();
        let address = |at| String::from_utf8(recipients.address(at, &mut room).to_vec()).unwrap();
        recipients.of_message(7, number).map(address).collect()
    }

    #[test]
    fn generated_recipients_are_numbered() {
        let recipients = RecipientSource::generated("example.com", 1_000_000).unwrap();
        assert_eq!(addresses(&recipients, 0), ["user-000000@example.com"]);
        assert_eq!(addresses(&recipients, 123), ["user-000123@example.com"]);
        assert_eq!(addresses(&recipients, 1_999_999), ["user-999999@example.com"]);
        let many = RecipientSource::generated("example.com", 10_000_001).unwrap();
        assert_eq!(addresses(&many, 10_000_000), ["user-10000000@example.com"]);
    }

    #[test]
    fn messages_take_turns() {
        let list = List::parse("list", b"a@x.example\nb@x.example\nc@x.example\n").unwrap();
        let listed = RecipientSource::listed(list);
        let rows: [(&str, [&str; 4]); 3] = [
            ("1", ["a", "b", "c", "a"]),
            ("2", ["ab", "ca", "bc", "ab"]),
            ("1-3", ["a", "bc", "abc", "a"]),
        ];
        for (per_message, expected) in rows {
            let taken = listed
                .clone()
                .chosen(per_message.parse().unwrap(), RecipientOrder::Listed)
                .unwrap();
            for (number, expected) in (0..).zip(expected) {
                let found: String =
                    addresses(&taken, number).iter().map(|address| &address[..1]).collect();
                assert_eq!(found, expected, "{per_message}, message {number}");
            }
        }
    }

    #[test]
    fn what_was_taken_before_is_known_without_counting() {
        for per_message in ["1", "3", "1-4", "2-7"] {
            let per_message: PerMessage = per_message.parse().unwrap();
            let mut sum = 0;
            for number in 0..50 {
                assert_eq!(per_message.before(number), sum, "{per_message:?} {number}");
                sum += per_message.for_message(number);
            }
        }
    }

    #[test]
    fn any_order_repeats_no_recipient_in_a_message() {
        let generated = RecipientSource::generated("example.com", 5).unwrap();
        let recipients = generated.chosen("5".parse().unwrap(), RecipientOrder::Random).unwrap();
        let mut firsts = [0; 5];
        for number in 0..500 {
            let mut all: Vec<u64> = recipients.of_message(3, number).collect();
            firsts[all[0] as usize] += 1;
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3, 4]);
        }
        assert!(firsts.iter().all(|n| (60..140).contains(n)), "{firsts:?}");
    }

    #[test]
    fn bad_settings_are_refused() {
        for text in ["", "0", "2-1", "1-", "-1", "x", "10001", "1-10001"] {
            assert!(text.parse::<PerMessage>().is_err(), "{text}");
        }
        assert!("10000".parse::<PerMessage>().is_ok());
        for domain in ["", "a b", "-a.example", "a>\r\nDATA", "\u{f6}.example"] {
            assert!(RecipientSource::generated(domain, 1).is_err(), "{domain}");
        }
        for (count, is_fine) in
            [(0, false), (1, true), (GENERATED_MAX, true), (GENERATED_MAX + 1, false)]
        {
            assert_eq!(RecipientSource::generated("a.example", count).is_ok(), is_fine, "{count}");
        }
        let one = RecipientSource::generated("a.example", 1).unwrap();
        let error = one.chosen("2".parse().unwrap(), RecipientOrder::Listed).unwrap_err();
        let expected = "expected at most 1, the number of generated addresses, found 2";
        assert_eq!(error.to_string(), expected);
        let list = List::parse("list.csv", b"a@b.example\nc@b.example").unwrap();
        let listed = RecipientSource::listed(list);
        let error = listed.chosen("1-3".parse().unwrap(), RecipientOrder::Listed).unwrap_err();
        assert_eq!(error.to_string(), "expected at most 2, as many as list.csv has, found 3");
    }
}
