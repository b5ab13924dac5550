//! A moment of a run, named by the argument of NOOP, for senders that can say nothing else.
//!
//! RFC 5321 4.1.1.9 has a server ignore that argument. So this is ours, off by default, and begins
//! with our name; whatever else the argument is, NOOP does nothing and says 250.
//!
//! ```text
//! argument = "sinkd" SP ("mark" SP text / "run" SP "start" SP name / "run" SP "stop")
//! ```
//!
//! Words in any case; text and name go to the end of the line, blanks around them left out.
use super::reply::{self, Reply};

/// What a client wants to be noted. Text and name are as sent: whether they are good is not known
/// here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkCommand {
    /// A text at this moment.
    Mark(Box<[u8]>),
    /// A run of this name begins.
    RunStart(Box<[u8]>),
    /// The run under way ends.
    RunStop,
}

/// The outcome of a mark or of a run's begin or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkOutcome {
    /// Taken: it is being written down.
    Taken,
    /// The text of a mark, or the name of a run, is not one.
    Malformed,
    /// There is such a run.
    NameTaken,
    /// No run is under way.
    NoRun,
    /// More commands came in this second than sinkd accepts.
    TooFast,
    /// More commands than sinkd accepts have come since sinkd started.
    TooMany,
}

impl MarkCommand {
    /// `None`: the argument is not for us.
    pub fn parse(argument: &[u8]) -> Option<MarkCommand> {
        let (name, rest) = word(argument);
        let (what, rest) = word(rest);
        let is = |word: &[u8], wanted: &str| word.eq_ignore_ascii_case(wanted.as_bytes());
        if !is(name, "sinkd") {
            return None;
        }
        if is(what, "mark") {
            return Some(MarkCommand::Mark(rest.into()));
        }
        let (verb, rest) = word(rest);
        match is(what, "run") {
            true if is(verb, "start") => Some(MarkCommand::RunStart(rest.into())),
            true if is(verb, "stop") && rest.is_empty() => Some(MarkCommand::RunStop),
            _ => None,
        }
    }

    /// The reply to it.
    pub(super) fn reply(&self, outcome: MarkOutcome) -> &'static Reply {
        match (outcome, self) {
            (MarkOutcome::Taken, MarkCommand::Mark(_)) => &reply::MARK_TAKEN,
            (MarkOutcome::Taken, MarkCommand::RunStart(_)) => &reply::RUN_BEGINS,
            (MarkOutcome::Taken, MarkCommand::RunStop) => &reply::RUN_ENDS,
            (MarkOutcome::Malformed, MarkCommand::RunStart(_)) => &reply::RUN_NAME_SYNTAX,
            (MarkOutcome::Malformed, _) => &reply::MARK_SYNTAX,
            (MarkOutcome::NameTaken, _) => &reply::RUN_NAME_TAKEN,
            (MarkOutcome::NoRun, _) => &reply::NO_RUN,
            (MarkOutcome::TooFast, _) => &reply::MOMENTS_TOO_FAST,
            (MarkOutcome::TooMany, _) => &reply::MOMENTS_TOO_MANY,
        }
    }
}

/// The first word, and what follows the blanks after it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii();
    let end = memchr::memchr(b' ', text).unwrap_or(text.len());
    (&text[..end], text[end..].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noop_for_others_is_not_a_moment() {
        let mark = |text: &str| Some(MarkCommand::Mark(text.as_bytes().into()));
        let start = |name: &str| Some(MarkCommand::RunStart(name.as_bytes().into()));
        for (argument, moment) in [
            ("sinkd mark half way", mark("half way")),
            ("SINKD  Mark  \u{fc}ber 50 %", mark("\u{fc}ber 50 %")),
            ("sinkd mark", mark("")),
            ("sinkd run start one", start("one")),
            ("sinkd run start", start("")),
            ("sinkd RUN stop", Some(MarkCommand::RunStop)),
            ("sinkd run stop one", None),
            ("sinkd run", None),
            ("sinkd run restart x", None),
            ("sinkd", None),
            ("sinkdmark x", None),
            ("mark x", None),
            ("", None),
            ("\"sinkd mark x\"", None),
        ] {
            assert_eq!(MarkCommand::parse(argument.as_bytes()), moment, "{argument:?}");
        }
    }
}
