//! What the exit codes of each command mean, as its help says it.
use crate::base::outcome::Finding::{
    self, DoesNotHold, Incomplete, NothingFound, PartlyDone, TimedOut,
};

/// The exit codes of a command, beyond what 2 always means.
#[derive(Debug)]
pub struct ExitCodes {
    pub command: &'static str,
    /// What 0 means.
    pub zero: &'static str,
    /// When it exits with 1; `None`: never.
    pub one: Option<ExitOne>,
    /// What else 2 means.
    pub two: Option<&'static str>,
}

/// When a command exits with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitOne {
    /// The text of the help.
    pub means: &'static str,
    /// The findings that the text describes.
    pub findings: &'static [Finding],
}

impl ExitCodes {
    /// Returns whether the help describes this finding.
    pub fn describe(&self, finding: Finding) -> bool {
        finding == Finding::Done || self.one.is_some_and(|one| one.findings.contains(&finding))
    }
}

/// What 0 means for a command that has no question to answer.
const DONE: &str = "done";

/// What 2 means for every command.
const TWO: &str = "the command failed or could not start";

const fn one(
    command: &'static str,
    findings: &'static [Finding],
    means: &'static str,
) -> ExitCodes {
    ExitCodes { command, zero: DONE, one: Some(ExitOne { means, findings }), two: None }
}

const fn never_one(command: &'static str) -> ExitCodes {
    ExitCodes { command, zero: DONE, one: None, two: None }
}

const fn incomplete(command: &'static str) -> ExitCodes {
    let means = "the answer is incomplete: some data is damaged or was lost";
    one(command, &[Incomplete], means)
}

const fn sending(command: &'static str) -> ExitCodes {
    let means = "there was nothing to send, a message was not accepted for some recipient, or a \
                 result could not be written";
    one(command, &[PartlyDone, Incomplete, NothingFound], means)
}

impl ExitCodes {
    const fn zero(mut self, means: &'static str) -> ExitCodes {
        self.zero = means;
        self
    }

    const fn two(mut self, means: &'static str) -> ExitCodes {
        self.two = Some(means);
        self
    }
}

/// Every command.
pub const EXIT_CODES: &[ExitCodes] = &[
    incomplete("ls"),
    one(
        "cat",
        &[NothingFound, Incomplete],
        "there is no such message, or it is damaged or not stored in full",
    ),
    one(
        "show",
        &[NothingFound, Incomplete],
        "there is no such message, it is damaged or not stored in full, or it lacks that part",
    ),
    incomplete("tail"),
    incomplete("count"),
    incomplete("segments"),
    incomplete("stats"),
    one("limits", &[Incomplete], "some connections were not recorded, or some data is damaged"),
    incomplete("report"),
    one("compare", &[Incomplete], "a run is incomplete, or the two runs overlap in time")
        .zero("both runs were compared, whatever the differences")
        .two("the two runs cannot be compared"),
    one("assert", &[DoesNotHold, Incomplete], "a claim does not hold, or cannot be decided")
        .zero("every claim holds")
        .two("a claim is malformed"),
    one("audit", &[DoesNotHold], "at least one fault is certain")
        .zero("no fault was found, and nothing was left out")
        .two("the audit is inconclusive"),
    never_one("run"),
    incomplete("runs"),
    never_one("mark"),
    never_one("top"),
    one(
        "rm",
        &[PartlyDone, NothingFound, Incomplete],
        "some IDs belong to no message, or some data is damaged",
    ),
    one("prune", &[PartlyDone], "some segments cannot be read, so they are kept"),
    one("reload", &[PartlyDone], "some changed settings need a restart"),
    one("cert", &[DoesNotHold], "senders would refuse the certificate")
        .zero("senders with the printed settings accept the certificate"),
    one(
        "search",
        &[NothingFound, Incomplete],
        "no message matches, or the answer is incomplete: data is damaged, was lost or was not \
         searched",
    )
    .zero("at least one message matches, and all data was searched"),
    one("wait", &[TimedOut], "the timeout expired first").zero("enough messages matched"),
    one("reindex", &[PartlyDone], "some segments could not be indexed"),
    never_one("calibrate"),
    sending("blast"),
    sending("replay"),
    one(
        "verify",
        &[DoesNotHold, Incomplete],
        "something is damaged, or everything was pruned before it could be read",
    )
    .zero("all data was read, and nothing is damaged"),
    never_one("completions"),
    never_one("man"),
];

/// Returns the row of a command, which must be in the table.
pub fn exit_codes_of(command: &str) -> &'static ExitCodes {
    EXIT_CODES.iter().find(|codes| codes.command == command).expect("every command has a row")
}

/// The last paragraph of the help of sinkctl.
pub const EXIT_CODES_OF_ALL: &str = "Exit codes:
  0  done, or the answer is yes
  1  the answer is negative or incomplete, or part of the work was not done; the help of each
     command says when
  2  the command failed or could not start";

/// Returns the last paragraph of the help of a command, which must be in the table.
pub fn help_of(command: &str) -> String {
    let codes = exit_codes_of(command);
    let two = codes.two.map_or(String::new(), |two| format!("{two}, or "));
    let mut help = format!("Exit codes:\n  0  {}", indented(codes.zero));
    if let Some(one) = codes.one {
        help += &format!("\n  1  {}", indented(one.means));
    }
    help + &format!("\n  2  {}", indented(&format!("{two}{TWO}")))
}

/// The width of a text after its exit code.
const TEXT_CHARS_MAX: usize = 95;

/// Breaks the text after an exit code, so that its lines stand below each other.
fn indented(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.len() + 1 + word.len() > TEXT_CHARS_MAX {
            lines.push(word.to_owned());
        } else {
            let space = if line.is_empty() { "" } else { " " };
            line.push_str(&format!("{space}{word}"));
        }
    }
    lines.join("\n     ")
}
