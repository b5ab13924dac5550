//! The errors of wrong command lines, as one golden file: each command is run, and its exit code
//! and its stderr are recorded.
use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;

use tempfile::{TempDir, tempdir};

use crate::common::{Sink, program};
use crate::golden;

/// Folders for the commands, each with a placeholder word.
struct Folders {
    root: TempDir,
}

impl Folders {
    /// `mail` has one message and the run `first`; `empty` is an empty folder.
    fn new() -> Folders {
        let root = tempdir().unwrap();
        let mail = root.path().join("mail");
        let sink = Sink::start(&mail, &["--workers", "1"]);
        let mut client = sink.connect();
        client.ehlo();
        client.deliver("a@example.org", "b@example.org", b"Subject: news\r\n\r\nx\r\n");
        assert!(sink.stop().success());
        std::fs::create_dir(root.path().join("empty")).unwrap();
        std::fs::write(root.path().join("a.file"), "x").unwrap();
        Folders { root }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.root.path().join(name), text).unwrap();
    }
}

/// Runs a command line in the parent folder of the folders; returns its section.
fn run(folder: &Path, line: &str) -> String {
    let mut words = words(line).into_iter();
    let mut variables = Vec::new();
    let name = loop {
        let word = words.next().expect("a program");
        match word.split_once('=') {
            Some((name, value)) => variables.push((name.to_owned(), value.to_owned())),
            None => break word,
        }
    };
    let path = match name.as_str() {
        "sinkd" => env!("CARGO_BIN_EXE_sinkd"),
        _ => env!("CARGO_BIN_EXE_sinkctl"),
    };
    let mut command = program(path);
    command.current_dir(folder).args(words).envs(variables);
    command.env_remove("COLUMNS").stdin(Stdio::null());
    let output = command.output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let code = output.status.code().unwrap();
    let lines = errors.lines().map(str::trim_end);
    let shown: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    format!("$ {line}\n{}\n(exit {code})\n\n", shown.join("\n"))
}

/// Splits a command line like a shell; single quotes only.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
            continue;
        }
        let mut pieces = part.split(' ');
        words.last_mut().unwrap().push_str(pieces.next().unwrap());
        words.extend(pieces.map(str::to_owned));
    }
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

/// Headings, and the command lines below them.
const LINES: &[(&str, &[&str])] = &[
    (
        "Commands and flags",
        &[
            "sinkctl lst",
            "sinkctl ls --limitt 3",
            "sinkctl ls --limit",
            "sinkctl cat",
            "sinkctl rm",
            "sinkctl rm --all 1:0",
            "sinkctl prune --json",
            "sinkctl reload",
            "sinkctl --data mail reload",
            "sinkctl report",
            "sinkctl cert --pem --json",
            "sinkctl replay",
            "sinkctl stats --hgrm",
            "sinkctl ls --csv --json",
            "sinkctl ls --columns id",
            "sinkctl ls --per-recipient",
            "sinkctl search --csv --ids news",
            "sinkctl stats --run first --since 1h",
            "sinkctl search --jsn news",
            "sinkctl show 1:0 --text --html",
        ],
    ),
    (
        "Values",
        &[
            "sinkctl ls --limit many",
            "sinkctl ls --since yesterday",
            "sinkctl ls --csv --columns id,recieved_at",
            "sinkctl ls --csv --columns id,size,id",
            "sinkctl cat 17",
            "sinkctl prune --retain-bytes 2P",
            "sinkctl prune --retain-age soon",
            "sinkctl stats --metric transactions",
            "sinkctl stats --metric xyzzy",
            "sinkctl stats --by sender",
            "sinkctl cert --for sendmail",
            "sinkctl stats --by client --top 501",
            "sinkctl stats --sent-field 'X Sent'",
            "sinkctl reindex --threads 257",
            "sinkctl reindex --sequence-field X:N",
            "sinkctl calibrate --to localhost",
            "sinkctl calibrate --duration 1s",
            "sinkctl blast --to localhost",
            "sinkctl blast --to h:1 --size 2X",
            "sinkctl blast --to h:1 --size 2K,65M",
            "sinkctl blast --to h:1 --size 2K:0",
            "sinkctl blast --to h:1 --size uniform:3K-2K",
            "sinkctl blast --to h:1 --size lognormal:2K,9",
            "sinkctl blast --to h:1 --recipients-per-message 0",
            "sinkctl blast --to h:1 --attach-size 49M",
            "sinkctl blast --to h:1 --count 0",
            "sinkctl blast --to h:1 --rate 0",
            "sinkctl blast --to h:1 --duration 0s",
            "sinkctl blast --to h:1 --date today",
            "sinkctl blast --to h:1 --helo 'a b'",
            "sinkctl blast --show 0 --from me",
            "sinkctl blast --show 0 --run-id 'a b'",
            "sinkctl blast --show 0 --recipients-per-message 9 --recipient-count 3",
            "sinkctl blast --show 0 --size 10 --seed 1 --date 2026-11-21T08:00:00Z",
            "sinkctl replay --to h:1 --speed fast",
            "sinkctl replay --to h:1 --connections 0",
            "sinkctl replay --to h:1 --from me",
            "sinkctl replay --to h:1 --since 10",
        ],
    ),
    (
        "Folders",
        &[
            "sinkctl ls",
            "sinkctl --data nowhere ls",
            "sinkctl --data nowhere stats",
            "sinkctl --data nowhere runs",
            "sinkctl --data nowhere report -o page.html",
            "sinkctl --data nowhere calibrate --to 127.0.0.1:1",
            "sinkctl --data nowhere run start a",
            "sinkctl --data a.file ls",
            "sinkctl --data nowhere assert 'totals.messages > 0'",
            "sinkctl --data empty assert 'totals.messages > 0'",
            "sinkctl --data empty ls",
            "sinkctl --data empty stats",
            "sinkctl --data empty runs",
            "sinkctl --data mail cert",
            "sinkctl --data nowhere cert",
            "sinkctl --data mail --data mail ls",
            "sinkctl --data mail --data empty cat latest",
        ],
    ),
    (
        "Messages",
        &[
            "sinkctl --data mail cat 7:0",
            "sinkctl --data mail cat 1:9",
            "sinkctl --data mail show latest --part 5",
            "sinkctl --data mail rm 7:0",
            "sinkctl --data mail top",
            "sinkctl --data mail wait nothing --timeout 0s",
            "sinkctl --data mail wait news --count 2 --timeout 0s",
        ],
    ),
    (
        "Queries",
        &[
            "sinkctl --data mail search form:a",
            "sinkctl --data mail search from:",
            "sinkctl --data mail search '\"news'",
            "sinkctl --data mail search '(news'",
            "sinkctl --data mail search 'news)'",
            "sinkctl --data mail search OR",
            "sinkctl --data mail search '!'",
            "sinkctl --data mail search in*voice",
            "sinkctl --data mail search has:parts",
            "sinkctl --data mail search listener:mx-*",
            "sinkctl --data mail search deviation:bare-lf",
            "sinkctl --data mail search deviation:no-bracket",
            "sinkctl --data mail search size:big",
            "sinkctl --data mail search 'size:2M..1M'",
            "sinkctl --data mail search before:yesterday",
            "sinkctl --data mail search run:second",
            "sinkctl --data mail search header:",
        ],
    ),
    (
        "Runs and claims",
        &[
            "sinkctl --data mail run stop",
            "sinkctl --data mail run start a/b",
            "sinkctl --data mail ls --run second",
            "sinkctl --data mail compare first second",
            "sinkctl --data mail compare mail mail",
            "sinkctl --data mail assert",
            "sinkctl --data mail assert rate",
            "sinkctl --data mail assert 'rate.midian > 1'",
            "sinkctl --data mail assert 'transactions.p99 > 1ms'",
            "sinkctl --data mail assert 'transaction.p99 > 1'",
            "sinkctl --data mail assert 'totals.messages > many'",
            "sinkctl --data mail assert 'limited_by > sink'",
            "sinkctl --data mail assert 'limited_by != sinks'",
            "sinkctl --data mail assert 'transit.p99 < 1s'",
            "sinkctl --data mail assert --file nowhere",
        ],
    ),
    (
        "Audits",
        &[
            "sinkctl --data mail audit",
            "sinkctl --data mail audit --expect nowhere.csv",
            "sinkctl --data mail audit --expect bare.csv",
            "sinkctl --data mail audit --expect list.csv --must-contain nam",
            "sinkctl --data mail audit --expect list.csv --column Name",
            "sinkctl --data mail audit --expect list.csv",
            "sinkctl --data empty audit --expect list.csv",
            "sinkctl --data mail audit --expect list.csv --separator ab",
            "sinkctl --data mail audit --expect list.csv --key name",
            "sinkctl --data mail audit --expect list.csv --key-match (",
            "sinkctl --data mail audit --sequence --numbers 9-1",
            "sinkctl --data mail audit --in-order",
            "sinkctl --data mail audit --expect list.csv --late-after 1h",
            "sinkctl --data mail audit --expect list.csv --memory 1K",
            "sinkctl --data mail audit --expect list.csv --csv --json",
            "sinkctl --data mail audit --sender-log nowhere.log",
            "sinkctl --data mail audit --sender-log list.csv",
        ],
    ),
    (
        "Sending",
        &[
            "sinkctl blast",
            "sinkctl blast --to 192.0.2.1:25 --count 1",
            "sinkctl blast --to 8.8.8.8:25 --count 1",
            "sinkctl blast --to 8.8.8.8:25 --count 1 --allow-public h",
            "sinkctl blast --to 224.0.0.1:25 --count 1",
            "sinkctl blast --show 0 --template nowhere",
            "sinkctl blast --show 0 --template unknown.eml",
            "sinkctl blast --show 0 --recipients nowhere",
            "sinkctl blast --show 0 --attach nowhere",
            "sinkctl blast --to 127.0.0.1:1 --count 1 --records mail",
            "sinkctl blast --to 127.0.0.1:1 --count 1 --seed 1 --date 2026-11-21T08:00:00Z",
            "sinkctl --data mail replay --to 127.0.0.1:1 nothing",
            "sinkctl --data mail replay --to 127.0.0.1:1 --ids 1",
            "sinkctl --data mail replay --to 127.0.0.1:1 --mark X",
            "sinkctl --data mail replay --to 127.0.0.1:1 --map-recipients nowhere",
            "sinkctl --data mail replay --to 127.0.0.1:1 --map-recipients rows.txt",
            "sinkctl --data mail replay --to 127.0.0.1:1 --ids rows.txt",
            "sinkctl --data mail replay --to 127.0.0.1:1 --resume rows.txt",
        ],
    ),
    (
        "Settings of sinkd",
        &[
            "sinkd --port 25",
            "sinkd --tls on --check",
            "sinkd --cert a.pem --check",
            "sinkd --tls --tls-cert a.file --check",
            "sinkd --tls --tls-cert a.file --tls-key a.file --check",
            "sinkd --tls-client-certs required --listen smtps:127.0.0.1:1 --check",
            "sinkd --auth any --auth-tls-only on --check",
            "sinkd --worker 2",
            "sinkd --listen 25 --check",
            "sinkd --workers many --check",
            "sinkd --hostname 'two words' --check",
            "sinkd --syntax loose --check",
            "sinkd --message-bytes-max 5G --check",
            "sinkd --command-timeout 0s --check",
            "sinkd --store headers/10 --check",
            "sinkd --store-rule none --check",
            "sinkd --store-rule '*=none/1' --check",
            "sinkd --durability always --check",
            "sinkd --retain-bytes 1M --check",
            "sinkd --transcript-sessions some --check",
            "sinkd --http 8025 --check",
            "sinkd --listen 127.0.0.1:25 --listen 127.0.0.1:25 --check",
            "sinkd --listen lmtp:127.0.0.1:25 --check",
            "sinkd --listen 127.0.0.1:8025 --http 127.0.0.1:8025 --check",
            "SINKD_WORKERS=many sinkd --check",
            "SINKD_WORKER=2 sinkd --check",
            "sinkd --config nowhere.toml",
            "sinkd --config syntax.toml",
            "sinkd --config unknown.toml",
            "sinkd --config table.toml",
            "sinkd --config value.toml",
            "sinkd --data syntax.toml",
        ],
    ),
];

#[test]
fn command_line_errors_match_their_golden_file() {
    let folders = Folders::new();
    folders.write("syntax.toml", "[server]\nworkers = = 2\n");
    folders.write("unknown.toml", "[server]\nworker = 2\n");
    folders.write("table.toml", "[limits]\nworkers = 2\n");
    folders.write("value.toml", "[server]\nworkers = \"many\"\n");
    folders.write("unknown.eml", "Subject: {{nothing}}\n\nx\n");
    folders.write("rows.txt", "not a row\n");
    folders.write("bare.csv", "b@example.org\n");
    folders.write("list.csv", "email,name\nb@example.org,B\nBob <bob@example.org>,C\nonly\n");
    let mut page = String::from(
        "# Errors\n\nWhat a user sees when a command line is wrong, with the exit code.\n\
         `UPDATE_GOLDEN=1 cargo test --test ctl golden` regenerates this file.\n",
    );
    for (heading, lines) in LINES {
        write!(page, "\n## {heading}\n\n```text\n").unwrap();
        let sections: String = lines.iter().map(|line| run(folders.root.path(), line)).collect();
        page.push_str(sections.trim_end());
        page.push_str("\n```\n");
    }
    let wrong = golden::check(&golden::path("errors.md"), &page).unwrap_or_default();
    assert!(wrong.is_empty(), "\n{wrong}(UPDATE_GOLDEN=1 writes the file anew)");
}
