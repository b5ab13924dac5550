//! Every flag of every command is parsed, and arrives where it is meant to.
use std::collections::BTreeSet;

use clap::{Arg, ArgAction, Command, CommandFactory, Parser};

use super::Cli;

/// A flag with its value, as it is typed after `command` and before `rest`, which the command needs
/// beside it; and what the parsed command line then contains (as `Debug` prints it).
struct Row(&'static str, &'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    Row("", "--data x", "top", r#"data: ["x"]"#),
    Row("ls", "--limit 3", "", "limit: Some(3)"),
    Row("ls", "--offset 7", "", "offset: 7"),
    Row("ls", "--reverse", "", "reverse: true"),
    Row("ls", "--since 2026-11-21", "", "since: Some(Moment(1795219200000000000))"),
    Row("ls", "--until 2026-11-21", "", "until: Some(Moment(1795219200000000000))"),
    Row("ls", "--run a", "", r#"run: Some("a")"#),
    Row("ls", "--json", "", "json: true"),
    Row("cat", "--stored", "1:2", "stored: true"),
    Row("show", "--json", "1:2", "json: true"),
    Row("show", "--text", "1:2", "text: true"),
    Row("show", "--html", "1:2", "html: true"),
    Row("show", "--headers", "1:2", "headers: true"),
    Row("show", "--header Date", "1:2", r#"header: Some("Date")"#),
    Row("show", "--links", "1:2", "links: true"),
    Row("show", "--attachments", "1:2", "attachments: true"),
    Row("show", "--part 2", "1:2", "part: Some(2)"),
    Row("show", "--save x", "1:2", r#"save: Some("x")"#),
    Row("tail", "--follow", "", "follow: true"),
    Row("tail", "-f", "", "follow: true"),
    Row("tail", "--lines 3", "", "lines: 3"),
    Row("tail", "-n 3", "", "lines: 3"),
    Row("tail", "--json", "", "json: true"),
    Row("count", "--since 2026-11-21", "", "since: Some(Moment(1795219200000000000))"),
    Row("count", "--until 2026-11-21", "", "until: Some(Moment(1795219200000000000))"),
    Row("count", "--run a", "", r#"run: Some("a")"#),
    Row("count", "--json", "", "json: true"),
    Row("segments", "--json", "", "json: true"),
    Row("stats", "--metric transaction", "", "metric: Some(Metric(Transaction))"),
    Row("stats", "--metrics", "", "metrics: true"),
    Row("stats", "--all", "", "all: true"),
    Row("stats", "--interval 1m", "", "interval: Some(60s)"),
    Row("stats", "--by rcpt-domain", "", "by: Some(RcptDomain)"),
    Row("stats", "--top 5", "--by client", "top: 5"),
    Row("stats", "--sent-field Date", "", r#"sent_field: Some("Date")"#),
    Row("stats", "--since 2026-11-21", "", "since: Some(Moment(1795219200000000000))"),
    Row("stats", "--until 2026-11-21", "", "until: Some(Moment(1795219200000000000))"),
    Row("stats", "--run a", "", r#"run: Some("a")"#),
    Row("stats", "--json", "", "json: true"),
    Row("stats", "--csv", "", "csv: true"),
    Row("stats", "--prometheus", "", "prometheus: true"),
    Row("stats", "--hgrm", "--metric round_us", "hgrm: true"),
    Row("limits", "--window 10s,1m", "", "windows_s: [10, 60]"),
    Row("limits", "--top 5", "", "top: 5"),
    Row("limits", "--since 2026-11-21", "", "since: Some(Moment(1795219200000000000))"),
    Row("limits", "--until 2026-11-21", "", "until: Some(Moment(1795219200000000000))"),
    Row("limits", "--run a", "", r#"run: Some("a")"#),
    Row("limits", "--json", "", "json: true"),
    Row("report", "--output x", "", r#"output: "x""#),
    Row("report", "-o x", "", r#"output: "x""#),
    Row("report", "--svg y", "-o x", r#"svg: Some("y")"#),
    Row("report", "--sent-field Date", "-o x", r#"sent_field: Some("Date")"#),
    Row("report", "--since 2026-11-21", "-o x", "since: Some(Moment(1795219200000000000))"),
    Row("report", "--until 2026-11-21", "-o x", "until: Some(Moment(1795219200000000000))"),
    Row("report", "--run a", "-o x", r#"run: Some("a")"#),
    Row("report", "--title a", "-o x", r#"title: Some("a")"#),
    Row("compare", "--json", "a b", "json: true"),
    Row("assert", "--subjects", "", "subjects: true"),
    Row("assert", "--file x", "", r#"files: ["x"]"#),
    Row("assert", "--junit x", "", r#"junit: Some("x")"#),
    Row("assert", "--sent-field Date", "", r#"sent_field: Some("Date")"#),
    Row("assert", "--since 2026-11-21", "", "since: Some(Moment(1795219200000000000))"),
    Row("assert", "--until 2026-11-21", "", "until: Some(Moment(1795219200000000000))"),
    Row("assert", "--run a", "", r#"run: Some("a")"#),
    Row("runs", "--json", "", "json: true"),
    Row("rm", "--all", "", "all: true"),
    Row("rm", "--until 2026-11-21", "", "until: Some(Moment(1795219200000000000))"),
    Row("rm", "--json", "1:2", "json: true"),
    Row("prune", "--keep-bytes 2K", "", "keep_bytes: Some(2048)"),
    Row("prune", "--keep-age 1m", "", "keep_age: Some(60s)"),
    Row("prune", "--keep-segments 3", "", "keep_segments: Some(3)"),
    Row("prune", "--removed", "", "removed: true"),
    Row("prune", "--dry-run", "--removed", "dry_run: true"),
    Row("prune", "--json", "--removed", "json: true"),
    Row("search", "--limit 3", "word", "limit: Some(3)"),
    Row("search", "--since 2026-11-21", "word", "since: Some(Moment(1795219200000000000))"),
    Row("search", "--until 2026-11-21", "word", "until: Some(Moment(1795219200000000000))"),
    Row("search", "--run a", "word", r#"run: Some("a")"#),
    Row("search", "--indexed-only", "word", "indexed_only: true"),
    Row("search", "--count", "word", "count: true"),
    Row("search", "--ids", "word", "ids: true"),
    Row("search", "--json", "word", "json: true"),
    Row("wait", "--count 3", "word", "count: 3"),
    Row("wait", "--timeout 1m", "word", "timeout: 60s"),
    Row("wait", "--new", "word", "new: true"),
    Row("wait", "--since 2026-11-21", "word", "since: Some(Moment(1795219200000000000))"),
    Row("wait", "--until 2026-11-21", "word", "until: Some(Moment(1795219200000000000))"),
    Row("wait", "--run a", "word", r#"run: Some("a")"#),
    Row("wait", "--json", "word", "json: true"),
    Row("reindex", "--sequence-field X-N", "", r#"sequence_field: Some("X-N")"#),
    Row("reindex", "--threads 2", "", "threads: Some(2)"),
    Row("reindex", "--json", "", "json: true"),
    Row("calibrate", "--to 127.0.0.1:1", "", "to: Some(127.0.0.1:1)"),
    Row("calibrate", "--duration 1m", "", "duration: 60s"),
    Row("calibrate", "--json", "", "json: true"),
    Row("blast", "--to h:1", "", r#"host: "h", port: 1"#),
    Row("blast", "--show 0", "", "show: Some(0)"),
    Row("blast", "--size 3K", "--to h:1", "size: Choices([(3072, 1)])"),
    Row("blast", "--template x", "--to h:1", r#"template: Some("x")"#),
    Row("blast", "--attach x", "--to h:1", r#"attach: ["x"]"#),
    Row("blast", "--attach-size 1K", "--to h:1", "attach_size: [1024]"),
    Row("blast", "--from a@b", "--to h:1", r#"from: "a@b""#),
    Row("blast", "--seed 3", "--to h:1", "seed: Some(3)"),
    Row("blast", "--run-id a", "--to h:1", r#"run_id: Some("a")"#),
    Row("blast", "--date 2026-11-21T08:00:00Z", "--to h:1", "date: Some(2026-11-21T08:00:00Z)"),
    Row("blast", "--recipients x", "--to h:1", r#"recipients: Some("x")"#),
    Row("blast", "--rcpt-domain a.example", "--to h:1", r#"rcpt_domain: "a.example""#),
    Row("blast", "--recipient-count 9", "--to h:1", "recipient_count: 9"),
    Row("blast", "--rcpts 1-3", "--to h:1", "rcpts: PerMessage { low: 1, high: 3 }"),
    Row("blast", "--order random", "--to h:1", "order: Random"),
    Row("blast", "--count 7", "--to h:1", "count: Some(7)"),
    Row("blast", "--duration 1m", "--to h:1", "duration: Some(60s)"),
    Row("blast", "--rate 0.5", "--to h:1", "rate: Some(0.5)"),
    Row("blast", "--arrivals poisson", "--to h:1 --rate 1", "arrivals: Poisson"),
    Row("blast", "--connections 3", "--to h:1", "connections: 3"),
    Row("blast", "--per-connection 3", "--to h:1", "per_connection: Some(3)"),
    Row("blast", "--threads 2", "--to h:1", "threads: Some(2)"),
    Row("blast", "--depth 4", "--to h:1", "depth: 4"),
    Row("blast", "--no-pipelining", "--to h:1", "no_pipelining: true"),
    Row("blast", "--no-chunking", "--to h:1", "no_chunking: true"),
    Row("blast", "--helo a", "--to h:1", r#"helo: "a""#),
    Row("blast", "--timeout 1m", "--to h:1", "timeout: 60s"),
    Row("blast", "--allow-public h", "--to h:1", r#"allow_public: Some("h")"#),
    Row("blast", "--json", "--to h:1", "json: true"),
    Row("blast", "--hlog x", "--to h:1", r#"hlog: Some("x")"#),
    Row("blast", "--page x", "--to h:1", r#"page: Some("x")"#),
    Row("blast", "--records x", "--to h:1", r#"records: Some("x")"#),
    Row("replay", "--ids 1:2", "--to h:1", r#"ids: Some("1:2")"#),
    Row("replay", "--to h:1", "", r#"host: "h", port: 1"#),
    Row("replay", "--speed 4", "--to h:1", "speed: Times(4.0)"),
    Row("replay", "--rate 0.5", "--to h:1", "rate: Some(0.5)"),
    Row("replay", "--connections 3", "--to h:1", "connections: Some(Count(3))"),
    Row("replay", "--since 10m", "--to h:1", r#"since: Some("10m")"#),
    Row("replay", "--until 10m", "--to h:1", r#"until: Some("10m")"#),
    Row("replay", "--run a", "--to h:1", r#"run: Some("a")"#),
    Row("replay", "--from <a@b>", "--to h:1", r#"from: Some("a@b")"#),
    Row("replay", "--to-domain a.example", "--to h:1", r#"to_domain: Some("a.example")"#),
    Row("replay", "--map-recipients x", "--to h:1", r#"map_recipients: Some("x")"#),
    Row("replay", "--mark X-Id={id}", "--to h:1", r#"mark: ["X-Id={id}"]"#),
    Row("replay", "--resume x", "--to h:1", r#"resume: Some("x")"#),
    Row("replay", "--retry 3", "--to h:1", "retry: 3"),
    Row("replay", "--retry-after 1m", "--to h:1", "retry_after: 60s"),
    Row("replay", "--timeout 1m", "--to h:1", "timeout: 60s"),
    Row("replay", "--helo a", "--to h:1", r#"helo: "a""#),
    Row("replay", "--chunking", "--to h:1", "chunking: true"),
    Row("replay", "--allow-public h", "--to h:1", r#"allow_public: Some("h")"#),
    Row("replay", "--allow-smuggling", "--to h:1", "allow_smuggling: true"),
    Row("replay", "--allow-empty", "--to h:1", "allow_empty: true"),
    Row("replay", "--yes", "--to h:1", "yes: true"),
    Row("replay", "-y", "--to h:1", "yes: true"),
    Row("replay", "--dry-run", "--to h:1", "dry_run: true"),
    Row("replay", "--json", "--to h:1", "json: true"),
    Row("replay", "--hlog x", "--to h:1", r#"hlog: Some("x")"#),
    Row("replay", "--page x", "--to h:1", r#"page: Some("x")"#),
    Row("replay", "--records x", "--to h:1", r#"records: Some("x")"#),
    Row("verify", "--json", "", "json: true"),
];

fn parse(parts: &[&str]) -> Result<String, String> {
    let words = parts.iter().flat_map(|part| part.split_whitespace());
    let parsed = Cli::try_parse_from(std::iter::once("sinkctl").chain(words));
    parsed.map(|cli| format!("{cli:?}")).map_err(|error| error.to_string())
}

#[test]
fn every_flag_is_parsed_and_sets_what_its_row_says() {
    for Row(command, flag, rest, sets) in ROWS {
        let with =
            parse(&[command, flag, rest]).unwrap_or_else(|e| panic!("{command} {flag}: {e}"));
        assert!(with.contains(sets), "{command} {flag}: expected {sets}, found {with}");
        if let Ok(without) = parse(&[command, rest]) {
            assert!(!without.contains(sets), "{command} {flag}: {sets} without the flag, too");
        }
    }
}

/// `path`: the words that lead to `command`.
fn flags_of(command: &Command, path: &[&str], found: &mut BTreeSet<(String, String)>) {
    let is_ours = |arg: &&Arg| {
        let is_shown_once = path.is_empty() || !arg.is_global_set();
        is_shown_once && !matches!(arg.get_action(), ArgAction::Help | ArgAction::Version)
    };
    for arg in command.get_arguments().filter(is_ours) {
        let long = arg.get_long().map(|long| format!("--{long}"));
        let short = arg.get_short().map(|short| format!("-{short}"));
        found.extend(long.into_iter().chain(short).map(|flag| (path.join(" "), flag)));
    }
    for sub in command.get_subcommands() {
        flags_of(sub, &[path, &[sub.get_name()]].concat(), found);
    }
}

#[test]
fn every_long_and_short_flag_of_every_command_has_a_row() {
    let mut defined = BTreeSet::new();
    flags_of(&Cli::command(), &[], &mut defined);
    let name = |flag: &str| flag.split(' ').next().unwrap_or_default().to_owned();
    let rows: BTreeSet<_> =
        ROWS.iter().map(|Row(command, flag, ..)| ((*command).to_owned(), name(flag))).collect();
    let missing: Vec<_> = defined.difference(&rows).collect();
    assert!(missing.is_empty(), "add a row to ROWS for each of {missing:?}");
    let unknown: Vec<_> = rows.difference(&defined).collect();
    assert!(unknown.is_empty(), "no such flags: {unknown:?}");
}

#[test]
fn flags_have_names_of_their_own() {
    Cli::command().debug_assert();
}

/// A required group holds what a command acts on, never the form of its output.
#[test]
fn no_form_of_output_counts_as_what_a_command_must_be_told() {
    let command = Cli::command();
    let mut required = 0;
    for command in command.get_subcommands() {
        for group in command.get_groups().filter(|group| group.is_required_set()) {
            required += 1;
            let is_form = |id: &&clap::Id| ["json", "dry_run"].contains(&id.as_str());
            let found = group.get_args().find(is_form);
            assert_eq!(found, None, "{} {}", command.get_name(), group.get_id());
        }
    }
    assert_eq!(required, 2, "the groups of rm and prune");
}
