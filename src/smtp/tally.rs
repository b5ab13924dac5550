//! Counts the commands and replies of sessions, for the statistics.
use super::reply::{ALL, Reply};

/// Number of kinds of replies: one for each row of the table, and four that are composed.
pub const KINDS: usize = ALL_LEN + 4;
const ALL_LEN: usize = super::reply::COUNT;
const GREETING: usize = ALL_LEN;
const HELLO: usize = ALL_LEN + 1;
const ACCEPTED: usize = ALL_LEN + 2;
const DELIVERED: usize = ALL_LEN + 3;

/// The categories of commands in the statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// EHLO, HELO, LHLO.
    Hello,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, BDAT.
    Data,
    /// QUIT.
    Quit,
    /// Anything else.
    Other,
}

/// Counts over all sessions of a worker, which reads and resets them.
#[derive(Debug)]
pub struct CommandTally {
    /// Number of replies by kind; see [`kinds`].
    pub replies: [u32; KINDS],
    /// Number of command lines.
    pub commands: u32,
    /// The first command since the counts were last taken.
    pub first: Option<Verb>,
}

impl Default for CommandTally {
    fn default() -> CommandTally {
        CommandTally { replies: [0; KINDS], commands: 0, first: None }
    }
}

impl CommandTally {
    #[inline]
    pub(super) fn command(&mut self, verb: Verb) {
        self.commands += 1;
        self.first.get_or_insert(verb);
    }

    #[inline]
    pub(super) fn reply(&mut self, reply: &Reply, times: u32) {
        self.replies[reply.place] += times;
    }

    /// Returns how often `reply` was sent since the counts were last taken.
    pub fn replies_of(&self, reply: &Reply) -> u32 {
        self.replies[reply.place]
    }

    pub(super) fn greeting(&mut self) {
        self.replies[GREETING] += 1;
    }

    pub(super) fn hello(&mut self) {
        self.replies[HELLO] += 1;
    }

    /// Counts a 250 at the end of data.
    #[inline]
    pub(super) fn accepted(&mut self) {
        self.replies[ACCEPTED] += 1;
    }

    /// Counts the 250s at the end of data in LMTP, which has one for each recipient (RFC 2033
    /// section 4.2).
    #[inline]
    pub(super) fn delivered(&mut self, recipients: u32) {
        self.replies[DELIVERED] += recipients;
    }
}

/// Returns the code and enhanced code of each kind, such as `250 2.1.0` or `354`.
pub fn kinds() -> Vec<String> {
    let name = |reply: &&Reply| {
        let text = String::from_utf8_lossy(reply.as_bytes());
        let mut words = text.split([' ', '-']);
        let code = words.next().unwrap_or_default();
        let enhanced = words.next().filter(|word| word.split('.').count() == 3);
        enhanced.map_or(code.to_owned(), |enhanced| format!("{code} {enhanced}"))
    };
    let composed = ["220", "250", "250 2.0.0", "250 2.1.5"];
    ALL.iter().map(name).chain(composed.map(String::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_codes() {
        let kinds = kinds();
        assert_eq!(kinds.len(), KINDS);
        assert_eq!(kinds[super::super::reply::MAIL_OK.place], "250 2.1.0");
        assert_eq!(kinds[super::super::reply::START_DATA.place], "354");
        assert_eq!(kinds[super::super::reply::HELP.place], "214 2.0.0");
        for kind in &kinds {
            assert!(kind[..3].bytes().all(|b| b.is_ascii_digit()), "{kind}");
        }
    }
}
