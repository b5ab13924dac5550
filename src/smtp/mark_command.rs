//! Marks and runs that a client sets by the argument of NOOP, for senders that have no other way.
//!
//! RFC 5321 4.1.1.9 has servers ignore this argument. So the feature is an extension of sinkd, off
//! by default, and its arguments begin with `sinkd`. NOOP with any other argument does nothing, and
//! is answered with 250.
//!
//! ```text
//! argument = "sinkd" SP ("mark" SP text / "run" SP "start" SP name / "run" SP "stop")
//! ```
//!
//! Words are case-insensitive. Text and name extend to the end of the line, without blanks around
//! them.
use super::reply::{self, Reply};

/// A request by NOOP. Text and name are as sent: this module does not validate them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkCommand {
    /// Sets a mark with this text.
    Mark(Box<[u8]>),
    /// Starts a run with this name.
    RunStart(Box<[u8]>),
    /// Stops the current run.
    RunStop,
}

/// The outcome of a [`MarkCommand`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkOutcome {
    /// Accepted: it is being written.
    Taken,
    /// The text of the mark, or the name of the run, is not valid.
    Malformed,
    /// A run with this name exists.
    NameTaken,
    /// There is no current run.
    NoRun,
    /// The limit of commands per second was reached.
    TooFast,
    /// The limit of commands since the start of sinkd was reached.
    TooMany,
}

impl MarkCommand {
    /// Parses the argument of NOOP. Returns `None` if it is not a request.
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

    /// Returns the reply for an outcome.
    pub(super) fn reply(&self, outcome: MarkOutcome) -> &'static Reply {
        match (outcome, self) {
            (MarkOutcome::Taken, MarkCommand::Mark(_)) => &reply::MARK_TAKEN,
            (MarkOutcome::Taken, MarkCommand::RunStart(_)) => &reply::RUN_BEGINS,
            (MarkOutcome::Taken, MarkCommand::RunStop) => &reply::RUN_ENDS,
            (MarkOutcome::Malformed, MarkCommand::RunStart(_)) => &reply::RUN_NAME_SYNTAX,
            (MarkOutcome::Malformed, _) => &reply::MARK_SYNTAX,
            (MarkOutcome::NameTaken, _) => &reply::RUN_NAME_TAKEN,
            (MarkOutcome::NoRun, _) => &reply::NO_RUN,
            (MarkOutcome::TooFast, _) => &reply::MARKS_TOO_FAST,
            (MarkOutcome::TooMany, _) => &reply::MARKS_TOO_MANY,
        }
    }
}

/// Returns the first word, and the rest after the blanks that follow it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii();
    let end = memchr::memchr(b' ', text).unwrap_or(text.len());
    (&text[..end], text[end..].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noop_with_another_argument_is_not_a_mark() {
        let mark = |text: &str| Some(MarkCommand::Mark(text.as_bytes().into()));
        let start = |name: &str| Some(MarkCommand::RunStart(name.as_bytes().into()));
        for (argument, mark_command) in [
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
            assert_eq!(MarkCommand::parse(argument.as_bytes()), mark_command, "{argument:?}");
        }
    }
}
