//! The closed list of rules that clients may break under `--syntax lenient`.
//!
//! Each kind of deviation has a number in the log (envelope tag 14), a name for people and JSON,
//! and a counter in the statistics. Numbers and names are never reused.

/// A rule that a client broke without being ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Deviation {
    /// A domain with an underscore (RFC 5321 4.1.2).
    Underscore = 1,
    /// A domain with a dot at its end.
    TrailingDot = 2,
    /// The name in EHLO, HELO or LHLO has spaces or tabs, or octets that are not printable ASCII.
    HelloName = 3,
    /// Several spaces, or tabs, between the words of a command.
    Blanks = 4,
    /// `AUTH=` in MAIL where AUTH is not announced (RFC 4954 5).
    AuthParameter = 5,
    /// An address that is not ASCII, without SMTPUTF8 in MAIL (RFC 6531 3.3).
    NonAscii = 6,
    /// A path without angle brackets.
    NoBrackets = 7,
    /// A mailbox without a domain, other than `RCPT TO:<postmaster>`.
    NoDomain = 8,
    /// A local-part with a dot at its beginning or end, or with two in a row.
    Dots = 9,
}

impl Deviation {
    /// Every kind, in the order of the numbers.
    pub const ALL: [Deviation; 9] = [
        Deviation::Underscore,
        Deviation::TrailingDot,
        Deviation::HelloName,
        Deviation::Blanks,
        Deviation::AuthParameter,
        Deviation::NonAscii,
        Deviation::NoBrackets,
        Deviation::NoDomain,
        Deviation::Dots,
    ];

    /// Returns the kind with this number; `None` if a newer program wrote it.
    pub fn from_number(number: u8) -> Option<Deviation> {
        let place = usize::from(number.checked_sub(1)?);
        Deviation::ALL.get(place).copied()
    }

    /// Returns its name in listings, transcripts and statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Deviation::Underscore => "underscore",
            Deviation::TrailingDot => "trailing-dot",
            Deviation::HelloName => "hello-name",
            Deviation::Blanks => "blanks",
            Deviation::AuthParameter => "auth-parameter",
            Deviation::NonAscii => "non-ascii",
            Deviation::NoBrackets => "no-brackets",
            Deviation::NoDomain => "no-domain",
            Deviation::Dots => "dots",
        }
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deviations(u16);

const _: () = assert!(Deviation::ALL.len() <= 16, "a bit for each kind");

impl Deviations {
    /// The empty set.
    pub const NONE: Deviations = Deviations(0);

    /// Returns the set of this kind alone.
    pub fn only(kind: Deviation) -> Deviations {
        Deviations(1 << (kind as u8 - 1))
    }

    /// Returns whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds a kind.
    pub fn add(&mut self, kind: Deviation) {
        *self = self.union(Deviations::only(kind));
    }

    /// Returns the union of both sets.
    pub fn union(self, other: Deviations) -> Deviations {
        Deviations(self.0 | other.0)
    }

    /// Returns the kinds that are not in `other`.
    pub fn without(self, other: Deviations) -> Deviations {
        Deviations(self.0 & !other.0)
    }

    /// Returns the kinds in the order of their numbers.
    pub fn kinds(self) -> impl Iterator<Item = Deviation> {
        Deviation::ALL.into_iter().filter(move |kind| self.0 & Deviations::only(*kind).0 != 0)
    }

    /// Returns the names, separated by commas: `no-brackets, dots`.
    pub fn names(self) -> String {
        self.kinds().map(Deviation::name).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_number_and_a_name_of_its_own() {
        for (place, kind) in Deviation::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(kind as u8), place + 1);
            assert_eq!(Deviation::from_number(kind as u8), Some(kind));
            let same = Deviation::ALL.into_iter().filter(|other| other.name() == kind.name());
            assert_eq!(same.count(), 1, "{}", kind.name());
        }
        assert_eq!((Deviation::from_number(0), Deviation::from_number(10)), (None, None));
    }

    #[test]
    fn sets_unite_and_list_their_kinds() {
        let mut set = Deviations::NONE;
        assert!(set.is_empty());
        set.add(Deviation::Dots);
        set.add(Deviation::Underscore);
        set.add(Deviation::Dots);
        assert_eq!(set.names(), "underscore, dots");
        let rest = set.without(Deviations::only(Deviation::Dots));
        assert_eq!(rest.kinds().collect::<Vec<_>>(), [Deviation::Underscore]);
    }
}
