//! Every flag of every command is parsed and reaches its field.
use std::collections::BTreeSet;

use clap::{Arg, ArgAction, Command, CommandFactory, Parser};

use super::exit_codes::{EXIT_CODES, ExitCodes};
use super::groups::{ABOUT_HELP, ABOUT_HELP_OF_CLAP, GROUPS};
use super::{Cli, OsString, usage_error};

/// A command, a flag with its value, the other arguments that the command needs, and what the flag
/// adds to the parsed command line (as `Debug` prints it).
struct FlagRow(&'static str, &'static str, &'static str, &'static str);

const ROWS: &[FlagRow] = &[
    FlagRow("", "--data x", "top", r#"data: ["x"]"#),
    FlagRow("ls", "--limit 3", "", "limit: Some(3)"),
    FlagRow("ls", "--offset 7", "", "offset: 7"),
    FlagRow("ls", "--reverse", "", "reverse: true"),
    FlagRow("ls", "--since 2026-11-21", "", "since: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("ls", "--until 2026-11-21", "", "until: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("ls", "--run a", "", r#"run: Some("a")"#),
    FlagRow("ls", "--json", "", "json: true"),
    FlagRow("ls", "--csv", "", "csv: true"),
    FlagRow("ls", "--columns size,id", "--csv", "columns: Some(RowColumns([size, id]))"),
    FlagRow("ls", "--per-recipient", "--csv", "per_recipient: true"),
    FlagRow("cat", "--stored", "1:2", "stored: true"),
    FlagRow("show", "--json", "1:2", "json: true"),
    FlagRow("show", "--text", "1:2", "text: true"),
    FlagRow("show", "--html", "1:2", "html: true"),
    FlagRow("show", "--headers", "1:2", "headers: true"),
    FlagRow("show", "--header Date", "1:2", r#"header: Some("Date")"#),
    FlagRow("show", "--links", "1:2", "links: true"),
    FlagRow("show", "--attachments", "1:2", "attachments: true"),
    FlagRow("show", "--part 2", "1:2", "part: Some(2)"),
    FlagRow("show", "--save x", "1:2", r#"save: Some("x")"#),
    FlagRow("tail", "--follow", "", "follow: true"),
    FlagRow("tail", "-f", "", "follow: true"),
    FlagRow("tail", "--limit 3", "", "limit: 3"),
    FlagRow("tail", "-n 3", "", "limit: 3"),
    FlagRow("tail", "--json", "", "json: true"),
    FlagRow("count", "--since 2026-11-21", "", "since: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("count", "--until 2026-11-21", "", "until: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("count", "--run a", "", r#"run: Some("a")"#),
    FlagRow("count", "--json", "", "json: true"),
    FlagRow("segments", "--json", "", "json: true"),
    FlagRow("stats", "--metric transaction", "", "metric: Some(Metric(Transaction))"),
    FlagRow("stats", "--metrics", "", "metrics: true"),
    FlagRow("stats", "--all", "", "all: true"),
    FlagRow("stats", "--interval 1m", "", "interval: Some(60s)"),
    FlagRow("stats", "--by user", "", "by: Some(User)"),
    FlagRow("stats", "--by rcpt-domain", "", "by: Some(RcptDomain)"),
    FlagRow("stats", "--top 5", "--by client", "top: 5"),
    FlagRow("stats", "--sent-field Date", "", r#"sent_field: Some("Date")"#),
    FlagRow("stats", "--since 2026-11-21", "", "since: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("stats", "--until 2026-11-21", "", "until: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("stats", "--run a", "", r#"run: Some("a")"#),
    FlagRow("stats", "--json", "", "json: true"),
    FlagRow("stats", "--csv", "", "csv: true"),
    FlagRow("stats", "--prometheus", "", "prometheus: true"),
    FlagRow("stats", "--hgrm", "--metric round_us", "hgrm: true"),
    FlagRow("limits", "--window 10s,1m", "", "windows_s: [10, 60]"),
    FlagRow("limits", "--top 5", "", "top: 5"),
    FlagRow("limits", "--since 2026-11-21", "", "since: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("limits", "--until 2026-11-21", "", "until: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("limits", "--run a", "", r#"run: Some("a")"#),
    FlagRow("limits", "--json", "", "json: true"),
    FlagRow("report", "--output x", "", r#"output: "x""#),
    FlagRow("report", "-o x", "", r#"output: "x""#),
    FlagRow("report", "--svg y", "-o x", r#"svg: Some("y")"#),
    FlagRow("report", "--sent-field Date", "-o x", r#"sent_field: Some("Date")"#),
    FlagRow(
        "report",
        "--since 2026-11-21",
        "-o x",
        "since: Some(Moment(UnixNs(1795219200000000000)))",
    ),
    FlagRow(
        "report",
        "--until 2026-11-21",
        "-o x",
        "until: Some(Moment(UnixNs(1795219200000000000)))",
    ),
    FlagRow("report", "--run a", "-o x", r#"run: Some("a")"#),
    FlagRow("report", "--title a", "-o x", r#"title: Some("a")"#),
    FlagRow("compare", "--json", "a b", "json: true"),
    FlagRow("assert", "--subjects", "", "subjects: true"),
    FlagRow("assert", "--file x", "", r#"files: ["x"]"#),
    FlagRow("assert", "--junit x", "", r#"junit: Some("x")"#),
    FlagRow("assert", "--json", "", "json: true"),
    FlagRow("assert", "--sent-field Date", "", r#"sent_field: Some("Date")"#),
    FlagRow("assert", "--since 2026-11-21", "", "since: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("assert", "--until 2026-11-21", "", "until: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("assert", "--run a", "", r#"run: Some("a")"#),
    FlagRow("audit", "--expect x", "", r#"expect: Some("x")"#),
    FlagRow("audit", "--column x", "--expect y", r#"column: Some("x")"#),
    FlagRow("audit", "--separator ;", "", "separator: 59"),
    FlagRow("audit", "--unique-rows", "--expect y", "unique_rows: true"),
    FlagRow("audit", "--key header:X", "", r#"key: Some(Header("X"))"#),
    FlagRow("audit", "--key-match x", "", r#"key_match: Some("x")"#),
    FlagRow("audit", "--ignore-case", "", "ignore_case: true"),
    FlagRow("audit", "--fold-plus", "", "fold_plus: true"),
    FlagRow("audit", "--must-contain a,b", "--expect y", r#"must_contain: ["a", "b"]"#),
    FlagRow("audit", "--sequence", "", "sequence: true"),
    FlagRow(
        "audit",
        "--numbers 3-7",
        "--sequence",
        "numbers: Some(NumberRange { first: Some(3), last: Some(7) })",
    ),
    FlagRow("audit", "--in-order", "--sequence", "in_order: true"),
    FlagRow("audit", "--check-content", "", "check_content: true"),
    FlagRow("audit", "--sent-field Date", "", r#"sent_field: Some("Date")"#),
    FlagRow("audit", "--late-after 1m", "--sent-field Date", "late_after: Some(60s)"),
    FlagRow("audit", "--since 2026-11-21", "", "since: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("audit", "--until 2026-11-21", "", "until: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("audit", "--run a", "", r#"run: Some("a")"#),
    FlagRow("audit", "--sender-log x", "", r#"sender_logs: ["x"]"#),
    FlagRow("audit", "--clocks-within 1m", "", "clocks_within: 60s"),
    FlagRow("audit", "--memory 64M", "", "memory: 67108864"),
    FlagRow("audit", "--limit 3", "", "limit: Some(3)"),
    FlagRow("audit", "--json", "", "json: true"),
    FlagRow("audit", "--csv", "", "csv: true"),
    FlagRow("audit", "--junit x", "", r#"junit: Some("x")"#),
    FlagRow("cert", "--for go", "", "for: Some(Go)"),
    FlagRow("cert", "--smtps", "", "smtps: true"),
    FlagRow("cert", "--pem", "", "pem: true"),
    FlagRow("cert", "--json", "", "json: true"),
    FlagRow("run start", "--json", "a", "json: true"),
    FlagRow("run stop", "--json", "", "json: true"),
    FlagRow("mark", "--json", "a", "json: true"),
    FlagRow("runs", "--json", "", "json: true"),
    FlagRow("rm", "--all", "", "all: true"),
    FlagRow("rm", "--until 2026-11-21", "", "until: Some(Moment(UnixNs(1795219200000000000)))"),
    FlagRow("rm", "--dry-run", "--all", "dry_run: true"),
    FlagRow("rm", "--json", "1:2", "json: true"),
    FlagRow("prune", "--retain-bytes 2K", "", "retain_bytes: Some(2048)"),
    FlagRow("prune", "--retain-age 1m", "", "retain_age: Some(60s)"),
    FlagRow("prune", "--retain-segments 3", "", "retain_segments: Some(3)"),
    FlagRow("prune", "--removed", "", "removed: true"),
    FlagRow("prune", "--dry-run", "--removed", "dry_run: true"),
    FlagRow("prune", "--json", "--removed", "json: true"),
    FlagRow("reload", "--json", "", "json: true"),
    FlagRow("search", "--limit 3", "word", "limit: Some(3)"),
    FlagRow(
        "search",
        "--since 2026-11-21",
        "word",
        "since: Some(Moment(UnixNs(1795219200000000000)))",
    ),
    FlagRow(
        "search",
        "--until 2026-11-21",
        "word",
        "until: Some(Moment(UnixNs(1795219200000000000)))",
    ),
    FlagRow("search", "--run a", "word", r#"run: Some("a")"#),
    FlagRow("search", "--indexed-only", "word", "indexed_only: true"),
    FlagRow("search", "--count", "word", "count: true"),
    FlagRow("search", "--ids", "word", "ids: true"),
    FlagRow("search", "--json", "word", "json: true"),
    FlagRow("search", "--csv", "word", "csv: true"),
    FlagRow("search", "--columns size,id", "--csv word", "columns: Some(RowColumns([size, id]))"),
    FlagRow("search", "--per-recipient", "--json word", "per_recipient: true"),
    FlagRow("wait", "--count 3", "word", "count: 3"),
    FlagRow("wait", "--timeout 1m", "word", "timeout: 60s"),
    FlagRow("wait", "--new", "word", "new: true"),
    FlagRow(
        "wait",
        "--since 2026-11-21",
        "word",
        "since: Some(Moment(UnixNs(1795219200000000000)))",
    ),
    FlagRow(
        "wait",
        "--until 2026-11-21",
        "word",
        "until: Some(Moment(UnixNs(1795219200000000000)))",
    ),
    FlagRow("wait", "--run a", "word", r#"run: Some("a")"#),
    FlagRow("wait", "--json", "word", "json: true"),
    FlagRow("reindex", "--sequence-field X-N", "", r#"sequence_field: Some("X-N")"#),
    FlagRow("reindex", "--threads 2", "", "threads: Some(2)"),
    FlagRow("reindex", "--json", "", "json: true"),
    FlagRow("calibrate", "--to 127.0.0.1:1", "", "to: Some(127.0.0.1:1)"),
    FlagRow("calibrate", "--duration 1m", "", "duration: 60s"),
    FlagRow("calibrate", "--json", "", "json: true"),
    FlagRow("calibrate", "--auth-user ann", "", r#"auth_user: Some("ann")"#),
    FlagRow(
        "calibrate",
        "--auth-password-file x",
        "--auth-user ann",
        r#"auth_password_file: Some("x")"#,
    ),
    FlagRow(
        "calibrate",
        "--auth-mechanism cram-md5",
        "--auth-user ann",
        "auth_mechanism: Some(CramMd5)",
    ),
    FlagRow("calibrate", "--tls required", "", "tls: Required"),
    FlagRow("calibrate", "--ca x", "", r#"ca: Some("x")"#),
    FlagRow("calibrate", "--insecure", "", "insecure: true"),
    FlagRow("calibrate", "--tls-name mx", "", r#"tls_name: Some("mx")"#),
    FlagRow("calibrate", "--tls-cert x", "--tls-key y", r#"tls_cert: Some("x")"#),
    FlagRow("calibrate", "--tls-key y", "--tls-cert x", r#"tls_key: Some("y")"#),
    FlagRow("calibrate", "--no-tls-resumption", "", "no_tls_resumption: true"),
    FlagRow("blast", "--auth-user ann", "--to h:1", r#"auth_user: Some("ann")"#),
    FlagRow(
        "blast",
        "--auth-password-file x",
        "--to h:1 --auth-user ann",
        r#"auth_password_file: Some("x")"#,
    ),
    FlagRow(
        "blast",
        "--auth-mechanism cram-md5",
        "--to h:1 --auth-user ann",
        "auth_mechanism: Some(CramMd5)",
    ),
    FlagRow("blast", "--tls required", "--to h:1", "tls: Required"),
    FlagRow("blast", "--ca x", "--to h:1", r#"ca: Some("x")"#),
    FlagRow("blast", "--insecure", "--to h:1", "insecure: true"),
    FlagRow("blast", "--tls-name mx", "--to h:1", r#"tls_name: Some("mx")"#),
    FlagRow("blast", "--tls-cert x", "--to h:1 --tls-key y", r#"tls_cert: Some("x")"#),
    FlagRow("blast", "--tls-key y", "--to h:1 --tls-cert x", r#"tls_key: Some("y")"#),
    FlagRow("blast", "--no-tls-resumption", "--to h:1", "no_tls_resumption: true"),
    FlagRow("replay", "--auth-user ann", "--to h:1", r#"auth_user: Some("ann")"#),
    FlagRow(
        "replay",
        "--auth-password-file x",
        "--to h:1 --auth-user ann",
        r#"auth_password_file: Some("x")"#,
    ),
    FlagRow(
        "replay",
        "--auth-mechanism cram-md5",
        "--to h:1 --auth-user ann",
        "auth_mechanism: Some(CramMd5)",
    ),
    FlagRow("replay", "--tls required", "--to h:1", "tls: Required"),
    FlagRow("replay", "--ca x", "--to h:1", r#"ca: Some("x")"#),
    FlagRow("replay", "--insecure", "--to h:1", "insecure: true"),
    FlagRow("replay", "--tls-name mx", "--to h:1", r#"tls_name: Some("mx")"#),
    FlagRow("replay", "--tls-cert x", "--to h:1 --tls-key y", r#"tls_cert: Some("x")"#),
    FlagRow("replay", "--tls-key y", "--to h:1 --tls-cert x", r#"tls_key: Some("y")"#),
    FlagRow("replay", "--no-tls-resumption", "--to h:1", "no_tls_resumption: true"),
    FlagRow("blast", "--to h:1", "", r#"host: "h", port: 1"#),
    FlagRow("blast", "--show 0", "", "show: Some(0)"),
    FlagRow("blast", "--size 3K", "--to h:1", "size: Choices([(3072, 1)])"),
    FlagRow("blast", "--template x", "--to h:1", r#"template: Some("x")"#),
    FlagRow("blast", "--attach x", "--to h:1", r#"attach: ["x"]"#),
    FlagRow("blast", "--attach-size 1K", "--to h:1", "attach_size: [1024]"),
    FlagRow("blast", "--from a@b", "--to h:1", r#"from: "a@b""#),
    FlagRow("blast", "--seed 3", "--to h:1", "seed: Some(3)"),
    FlagRow("blast", "--run-id a", "--to h:1", r#"run_id: Some("a")"#),
    FlagRow("blast", "--date 2026-11-21T08:00:00Z", "--to h:1", "date: Some(2026-11-21T08:00:00Z)"),
    FlagRow("blast", "--recipients x", "--to h:1", r#"recipients: Some("x")"#),
    FlagRow(
        "blast",
        "--recipient-domain a.example",
        "--to h:1",
        r#"recipient_domain: "a.example""#,
    ),
    FlagRow("blast", "--recipient-count 9", "--to h:1", "recipient_count: 9"),
    FlagRow(
        "blast",
        "--recipients-per-message 1-3",
        "--to h:1",
        "recipients_per_message: PerMessage { low: 1, high: 3 }",
    ),
    FlagRow("blast", "--order random", "--to h:1", "order: Random"),
    FlagRow("blast", "--count 7", "--to h:1", "count: Some(7)"),
    FlagRow("blast", "--duration 1m", "--to h:1", "duration: Some(60s)"),
    FlagRow("blast", "--rate 0.5", "--to h:1", "rate: Some(Positive(0.5))"),
    FlagRow("blast", "--arrivals poisson", "--to h:1 --rate 1", "arrivals: Poisson"),
    FlagRow("blast", "--connections 3", "--to h:1", "connections: 3"),
    FlagRow("blast", "--per-connection 3", "--to h:1", "per_connection: Some(3)"),
    FlagRow("blast", "--threads 2", "--to h:1", "threads: Some(2)"),
    FlagRow("blast", "--depth 4", "--to h:1", "depth: 4"),
    FlagRow("blast", "--no-pipelining", "--to h:1", "no_pipelining: true"),
    FlagRow("blast", "--no-chunking", "--to h:1", "no_chunking: true"),
    FlagRow("blast", "--helo a", "--to h:1", r#"helo: "a""#),
    FlagRow("blast", "--timeout 1m", "--to h:1", "timeout: 60s"),
    FlagRow("blast", "--allow-public h", "--to h:1", r#"allow_public: Some("h")"#),
    FlagRow("blast", "--json", "--to h:1", "json: true"),
    FlagRow("blast", "--hlog x", "--to h:1", r#"hlog: Some("x")"#),
    FlagRow("blast", "--page x", "--to h:1", r#"page: Some("x")"#),
    FlagRow("blast", "--records x", "--to h:1", r#"records: Some("x")"#),
    FlagRow("replay", "--ids 1:2", "--to h:1", r#"ids: Some("1:2")"#),
    FlagRow("replay", "--to h:1", "", r#"host: "h", port: 1"#),
    FlagRow("replay", "--speed 4", "--to h:1", "speed: Times(Positive(4.0))"),
    FlagRow("replay", "--rate 0.5", "--to h:1", "rate: Some(Positive(0.5))"),
    FlagRow("replay", "--connections 3", "--to h:1", "connections: Some(Count(3))"),
    FlagRow("replay", "--since 10m", "--to h:1", r#"since: Some("10m")"#),
    FlagRow("replay", "--until 10m", "--to h:1", r#"until: Some("10m")"#),
    FlagRow("replay", "--run a", "--to h:1", r#"run: Some("a")"#),
    FlagRow("replay", "--from <a@b>", "--to h:1", r#"from: Some("a@b")"#),
    FlagRow("replay", "--to-domain a.example", "--to h:1", r#"to_domain: Some("a.example")"#),
    FlagRow("replay", "--map-recipients x", "--to h:1", r#"map_recipients: Some("x")"#),
    FlagRow("replay", "--mark X-Id={id}", "--to h:1", r#"mark: ["X-Id={id}"]"#),
    FlagRow("replay", "--resume x", "--to h:1", r#"resume: Some("x")"#),
    FlagRow("replay", "--retry 3", "--to h:1", "retry: 3"),
    FlagRow("replay", "--retry-after 1m", "--to h:1", "retry_after: 60s"),
    FlagRow("replay", "--timeout 1m", "--to h:1", "timeout: 60s"),
    FlagRow("replay", "--helo a", "--to h:1", r#"helo: "a""#),
    FlagRow("replay", "--chunking", "--to h:1", "chunking: true"),
    FlagRow("replay", "--allow-public h", "--to h:1", r#"allow_public: Some("h")"#),
    FlagRow("replay", "--allow-smuggling", "--to h:1", "allow_smuggling: true"),
    FlagRow("replay", "--allow-empty", "--to h:1", "allow_empty: true"),
    FlagRow("replay", "--yes", "--to h:1", "yes: true"),
    FlagRow("replay", "-y", "--to h:1", "yes: true"),
    FlagRow("replay", "--dry-run", "--to h:1", "dry_run: true"),
    FlagRow("replay", "--json", "--to h:1", "json: true"),
    FlagRow("replay", "--hlog x", "--to h:1", r#"hlog: Some("x")"#),
    FlagRow("replay", "--page x", "--to h:1", r#"page: Some("x")"#),
    FlagRow("replay", "--records x", "--to h:1", r#"records: Some("x")"#),
    FlagRow("verify", "--json", "", "json: true"),
];

fn parse(parts: &[&str]) -> Result<String, String> {
    let words = parts.iter().flat_map(|part| part.split_whitespace());
    let parsed = Cli::try_parse_from(std::iter::once("sinkctl").chain(words));
    parsed.map(|cli| format!("{cli:?}")).map_err(|error| error.to_string())
}

#[test]
fn every_flag_is_parsed_and_sets_what_its_row_says() {
    for FlagRow(command, flag, rest, sets) in ROWS {
        let with =
            parse(&[command, flag, rest]).unwrap_or_else(|e| panic!("{command} {flag}: {e}"));
        assert!(with.contains(sets), "{command} {flag}: expected {sets}, found {with}");
        if let Ok(without) = parse(&[command, rest]) {
            assert!(!without.contains(sets), "{command} {flag}: {sets} without the flag, too");
        }
    }
}

/// Collects the flags of `command` and its subcommands; `path` contains the words that lead to it.
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
        ROWS.iter().map(|FlagRow(command, flag, ..)| ((*command).to_owned(), name(flag))).collect();
    let missing: Vec<_> = defined.difference(&rows).collect();
    assert!(missing.is_empty(), "add a row to ROWS for each of {missing:?}");
    let unknown: Vec<_> = rows.difference(&defined).collect();
    assert!(unknown.is_empty(), "no such flags: {unknown:?}");
}

#[test]
fn flags_have_names_of_their_own() {
    Cli::command().debug_assert();
}

/// A required group contains what a command acts on, not its output format.
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

#[test]
fn an_error_says_a_wrong_value_once() {
    for (line, expected) in [
        ("ls --limit many", "--limit: expected a whole number, found 'many'"),
        ("cat 17", "ID: expected a message ID such as 17:3, as printed by ls, or 'latest', "),
        ("blast --to h:1 --size 2K:0", "--size: expected weights from 0 to 1000000000, "),
        ("replay --to h:1 --speed fast", "--speed: expected a factor such as 4 or 0.5, or 'max', "),
    ] {
        let words = std::iter::once("sinkctl").chain(line.split(' ')).map(OsString::from);
        let words: Vec<OsString> = words.collect();
        let error = Cli::of(words.clone()).unwrap_err();
        let sentence = usage_error(&Cli::definition(), &words, &error).unwrap();
        assert!(sentence.starts_with(&format!("sinkctl: {expected}")), "{line}: {sentence}");
        let value = line.rsplit(' ').next().unwrap();
        assert_eq!(sentence.matches(&format!("'{value}'")).count(), 1, "{line}: {sentence}");
    }
}

#[test]
fn no_help_text_ends_in_a_period() {
    fn check(command: &Command) {
        for arg in command.get_arguments() {
            let help = arg.get_help().map(|help| help.to_string()).unwrap_or_default();
            assert!(!help.ends_with('.'), "{} {}: {help}", command.get_name(), arg.get_id());
        }
        command.get_subcommands().for_each(check);
    }
    check(&Cli::definition());
}

/// clap prints a help text in a second layout, more than twice as long, once any flag describes its
/// possible values or has a longer text.
#[test]
fn every_help_text_has_the_same_layout() {
    fn check(command: &Command) {
        for arg in command.get_arguments() {
            let is_described = arg.get_possible_values().iter().any(|it| it.get_help().is_some());
            let is_long = arg.get_long_help().is_some();
            assert!(!is_described && !is_long, "{} {}", command.get_name(), arg.get_id());
        }
        command.get_subcommands().for_each(check);
    }
    check(&Cli::definition());
}

#[test]
fn every_command_is_listed_in_one_group_with_all_lines_of_its_text() {
    let mut command = Cli::definition();
    command.build();
    let mut grouped: Vec<&str> =
        GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let mut all: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    grouped.sort_unstable();
    all.sort_unstable();
    assert_eq!(grouped, all);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let help = words(&command.clone().render_help().to_string()).join(" ");
    for subcommand in command.get_subcommands() {
        let about = subcommand.get_about().expect("every command has a text").to_string();
        let about = about.replace(ABOUT_HELP_OF_CLAP, ABOUT_HELP);
        let entry = format!("{} {}", subcommand.get_name(), words(&about).join(" "));
        assert!(help.contains(&entry), "{entry}");
    }
}

#[test]
fn the_exit_codes_of_every_command_are_in_its_help_and_in_the_document() {
    let document = include_str!("../../../../docs/operations.md");
    let commands: Vec<String> =
        Cli::definition().get_subcommands().map(|it| it.get_name().to_owned()).collect();
    let rows: Vec<&str> = EXIT_CODES.iter().map(|codes| codes.command).collect();
    assert_eq!(rows, commands, "one row for each command, in the order of the help");
    // Commands whose codes mean the same share a row.
    for codes in EXIT_CODES {
        let Some(one) = codes.one else { continue };
        let is_same = |other: &&ExitCodes| (other.one, other.two) == (codes.one, codes.two);
        let names = EXIT_CODES.iter().filter(is_same).map(|it| format!("`{}`", it.command));
        let names: Vec<String> = names.collect();
        let two = codes.two.map_or(String::new(), |two| format!("{two} "));
        let row = format!("| {} | {} | {two}|\n", names.join(", "), one.means);
        assert!(document.contains(&row), "docs/operations.md lacks the row {row}");
    }
}
