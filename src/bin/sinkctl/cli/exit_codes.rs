//! What the exit codes of each command mean, as its help says it.

/// The exit codes 1 and 2 of a command, beyond what 2 always means.
pub struct ExitCodes {
    pub command: &'static str,
    /// What 1 means; `None`: the command never exits with 1.
    pub one: Option<&'static str>,
    /// What 2 means, too.
    pub two: Option<&'static str>,
}

/// What 2 means for every command.
const TWO: &str = "the command failed or could not start, for example because of an invalid flag";

const fn one(command: &'static str, one: &'static str) -> ExitCodes {
    ExitCodes { command, one: Some(one), two: None }
}

const fn never_one(command: &'static str) -> ExitCodes {
    ExitCodes { command, one: None, two: None }
}

const fn both(command: &'static str, one: &'static str, two: &'static str) -> ExitCodes {
    ExitCodes { command, one: Some(one), two: Some(two) }
}

const LOST: &str = "the answer is incomplete: some data is damaged or was lost";
const INCOMPLETE: &str = "the run was incomplete (such as a message that was not accepted for \
                          every recipient), or a result could not be written";

/// Every command.
pub const EXIT_CODES: &[ExitCodes] = &[
    one("ls", LOST),
    one("cat", "there is no such message, or it is not stored whole"),
    one("show", "there is no such message, or it lacks that part"),
    one("tail", LOST),
    one("count", LOST),
    one("segments", LOST),
    one("stats", LOST),
    one("limits", "some connections were not recorded"),
    one("report", LOST),
    both(
        "compare",
        "a run is incomplete, or the two runs overlap in time",
        "the two runs cannot be compared",
    ),
    both("assert", "a claim does not hold, or cannot be decided", "a claim is malformed"),
    both(
        "audit",
        "at least one recipient did not get exactly one correct message",
        "the audit is inconclusive",
    ),
    never_one("run"),
    one("runs", LOST),
    never_one("mark"),
    never_one("top"),
    one("rm", "some IDs belong to no message"),
    one("prune", "some segments cannot be read, so they are kept"),
    one("reload", "some changed settings need a restart"),
    one("cert", "senders would refuse the certificate"),
    one("search", "no message matches, or some data is damaged or was lost"),
    one("wait", "the timeout expired first"),
    one("reindex", "some segments could not be indexed"),
    never_one("calibrate"),
    one("blast", INCOMPLETE),
    one("replay", INCOMPLETE),
    one("verify", "something is damaged"),
    never_one("completions"),
    never_one("man"),
];

/// The last paragraph of the help of sinkctl.
pub const EXIT_CODES_OF_ALL: &str = "Exit codes:
  0  done
  1  the answer is no, or it is incomplete; the help of each command says when
  2  the command failed or could not start";

/// Returns the last paragraph of the help of a command, which must be in the table.
pub fn help_of(command: &str) -> String {
    let codes = EXIT_CODES.iter().find(|codes| codes.command == command);
    let codes = codes.expect("every command has a row");
    let one = codes.one.map_or(String::new(), |one| format!("\n  1  {one}"));
    let two = codes.two.map_or(String::new(), |two| format!("{two}, or "));
    format!("Exit codes:\n  0  done{one}\n  2  {two}{TWO}")
}
