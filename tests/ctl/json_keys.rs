//! Compares docs/json.md with real output, in both directions: every key that a command prints is
//! in the document, with its type and its conditions, and every row of the document occurs in real
//! output.
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sinkd::stats::{Calibration, Ceiling, History, RunSummary, Shape};
use tempfile::TempDir;

use crate::common::{Sink, sinkctl_on};
use crate::golden_help::help_of_all;

const CALIBRATE: &str = "sinkctl calibrate";

/// The description of a JSON key: one row of a table.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    /// Line number in the document.
    line: usize,
    /// A type such as `string` or `array of object`, or the name of a table in asterisks.
    kind: String,
    when: String,
}

/// A line of a table: a key, or all keys of another table below a key.
enum Entry {
    Key(String, Row),
    All { of: String, below: String },
}

/// The tables of the document by name: `sinkctl ls`, or `*message*`.
struct Document(BTreeMap<String, Vec<Entry>>);

/// The rows of a command by their full keys, such as `groups[].transaction_us.p50`.
type Rows = BTreeMap<String, Row>;

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns the name of a table, with its asterisks.
fn named(text: &str) -> Option<&str> {
    let from = text.find('*')?;
    let until = from + 1 + text[from + 1..].find('*')?;
    Some(&text[from..=until])
}

fn entry(line: usize, text: &str) -> Option<Entry> {
    let row = text.strip_prefix("| ")?.strip_suffix('|')?;
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    let key = cells[0];
    if key.starts_with("all keys of") {
        let below = quoted(key).next().unwrap_or_default().to_owned();
        return Some(Entry::All { of: named(key)?.to_owned(), below });
    }
    let key = quoted(key).next()?.to_owned();
    let (kind, when) = (cells[1].to_owned(), cells[3].to_owned());
    let is_known = ["always", "null: ", "only "].iter().any(|start| when.starts_with(start));
    assert!(is_known && cells.len() == 5, "docs/json.md:{line}: {text}");
    Some(Entry::Key(key, Row { line, kind, when }))
}

fn document() -> Document {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (mut tables, mut names) = (BTreeMap::<String, Vec<Entry>>::new(), Vec::new());
    for (n, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix("## ") {
            names = quoted(title).chain(named(title)).map(str::to_owned).collect();
            assert!(!names.is_empty(), "{title}");
            names.iter().for_each(|name| assert!(!tables.contains_key(name), "{name} twice"));
        }
        for name in &names {
            tables.entry(name.clone()).or_default().extend(entry(n + 1, line));
        }
    }
    Document(tables)
}

fn joined(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

impl Document {
    fn commands(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| name.starts_with("sinkctl"))
    }

    /// Returns all keys of a table, including the keys of tables that it refers to.
    fn rows(&self, name: &str) -> Rows {
        let entries = self.0.get(name).unwrap_or_else(|| panic!("docs/json.md has no {name}"));
        let mut rows = Rows::new();
        for entry in entries {
            let (below, of) = match entry {
                Entry::All { of, below } => (below, of),
                Entry::Key(key, row) => {
                    assert_eq!(rows.insert(key.clone(), row.clone()), None, "{name}: {key} twice");
                    (key, &row.kind)
                }
            };
            if of.starts_with('*') {
                let more = self.rows(of).into_iter().map(|(key, row)| (joined(below, &key), row));
                rows.extend(more);
            }
        }
        rows
    }

    /// Returns the keys of the wanted tables, by their lines in the document.
    fn lines(&self, is_wanted: impl Fn(&str) -> bool) -> BTreeMap<usize, String> {
        let tables = self.0.iter().filter(|(name, _)| is_wanted(name));
        let entries = tables.flat_map(|(_, entries)| entries);
        let keys = entries.filter_map(|entry| match entry {
            Entry::Key(key, row) => Some((row.line, key.clone())),
            Entry::All { .. } => None,
        });
        keys.collect()
    }
}

/// Compares the output of one command with its table.
struct Check<'a> {
    rows: &'a Rows,
    /// Lines of the document whose keys were printed.
    seen: &'a mut BTreeSet<usize>,
    wrong: Vec<String>,
}

impl Check<'_> {
    /// Checks an object; `at` is its key.
    fn object(&mut self, at: &str, object: &serde_json::Map<String, Value>) {
        for (key, value) in object {
            let exact = joined(at, key);
            let found = self.rows.get_key_value(&exact);
            match found.or_else(|| self.rows.get_key_value(&joined(at, "*"))) {
                Some((path, row)) => self.value(path, row, value),
                None => self.wrong.push(format!("no row for the key {exact}")),
            }
        }
        for (path, row) in self.rows {
            let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
            let may_be_absent = key == "*" || row.when.starts_with("only ");
            if parent == at && !may_be_absent && !object.contains_key(key) {
                self.wrong.push(format!("docs/json.md:{}: no key {path}", row.line));
            }
        }
    }

    fn value(&mut self, path: &str, row: &Row, value: &Value) {
        self.seen.insert(row.line);
        let kind = if row.kind.starts_with('*') { "object" } else { &row.kind };
        let (is_array, items) = match kind.strip_prefix("array of ") {
            Some(items) => (true, items),
            None => (false, ""),
        };
        let is_allowed = match value {
            Value::Null => row.when.contains("null: "),
            _ => has_type(value, if is_array { "array" } else { kind }),
        };
        if !is_allowed {
            let Row { line, kind, when } = row;
            self.wrong.push(format!("docs/json.md:{line}: {path} is {value}, not {kind}, {when}"));
        }
        if let Value::Object(object) = value {
            self.object(path, object);
        }
        for item in value.as_array().into_iter().flatten() {
            if !has_type(item, items) {
                self.wrong.push(format!("docs/json.md:{}: {path} has {item}", row.line));
            }
            if let Value::Object(object) = item {
                self.object(&format!("{path}[]"), object);
            }
        }
    }
}

fn has_type(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => panic!("docs/json.md: no type '{kind}'"),
    }
}

/// Runs commands, and remembers which keys they printed.
struct Seen {
    document: Document,
    commands: BTreeSet<String>,
    lines: BTreeSet<usize>,
}

impl Seen {
    fn none() -> Seen {
        Seen { document: document(), commands: BTreeSet::new(), lines: BTreeSet::new() }
    }

    /// Runs a command; `section` is its section of the document. Exit code 1 prints the same keys
    /// as 0.
    #[track_caller]
    fn run(&mut self, section: &str, folders: &[&Path], args: &[&str]) {
        let args = [args, &["--json"]].concat();
        let (out, errors, code) = sinkctl_on(folders, &args);
        assert!(code < 2 && !out.is_empty(), "{args:?}: exit code {code}: {errors}");
        let rows = self.document.rows(section);
        for line in String::from_utf8(out).unwrap().lines() {
            let object: Value = serde_json::from_str(line).unwrap();
            let mut check = Check { rows: &rows, seen: &mut self.lines, wrong: Vec::new() };
            check.object("", object.as_object().expect("one object per line"));
            assert!(check.wrong.is_empty(), "{args:?}: {:#?}\n{line}", check.wrong);
        }
        self.commands.insert(section.to_owned());
    }

    #[track_caller]
    fn assert_all(&self, is_wanted: impl Fn(&str) -> bool) {
        let commands = self.document.commands().filter(|name| is_wanted(name));
        let missing: Vec<_> = commands.filter(|name| !self.commands.contains(*name)).collect();
        assert!(missing.is_empty(), "not run: {missing:?}");
        let lines = self.document.lines(is_wanted).into_iter();
        let unseen: Vec<_> = lines.filter(|(line, _)| !self.lines.contains(line)).collect();
        assert!(unseen.is_empty(), "docs/json.md has keys that no output contains: {unseen:?}");
    }
}

/// Two data folders with mail of several kinds and two runs of three seconds.
struct Stage {
    _place: TempDir,
    a: PathBuf,
    b: PathBuf,
    /// A message with parts.
    id: String,
    /// A message that arrived through a proxy.
    proxied: String,
}

const WITH_PARTS: &[u8] = b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
    --x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ntext\r\n\
    --x\r\nContent-Disposition: attachment; filename=a.bin\r\n\r\n0\r\n--x--\r\n";

fn start(folder: &Path) -> (Sink, String) {
    let limits = ["--workers", "1", "--message-bytes-max", "20000"];
    let proxied = ["--name", "sink-a", "--listen", "proxy:127.0.0.1:0"];
    let sink = Sink::start(
        folder,
        &[&limits[..], &proxied, &["--auth", "any", "--tls", "offered"]].concat(),
    );
    let to = sink.addresses[0].to_string();
    (sink, to)
}

impl Stage {
    /// Fills both folders while their sinks run, with `blast` and `replay`.
    fn fill(seen: &mut Seen) -> Stage {
        let place = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| place.path().join(name));
        let ((sink, to), (other, to_other)) = (start(&a), start(&b));
        let named = sinkctl_on(&[&a], &["run", "start", "one"]);
        assert_eq!(named.2, 0, "{}", named.1);
        for to in [&to, &to_other] {
            let load = ["--rate", "100", "--duration", "3s", "--connections", "2"];
            let blast = [&["blast", "--to", to, "--seed", "7", "--size", "2K"], &load[..]].concat();
            seen.run("sinkctl blast", &[&a], &blast);
        }
        // Too large: each message is a failure.
        let blast = ["blast", "--to", &to, "--count", "2", "--size", "30K"];
        seen.run("sinkctl blast", &[&a], &blast);
        let blast = ["blast", "--to", &to, "--count", "1", "--tls", "offered"];
        seen.run("sinkctl blast", &[&a], &blast);
        let mut client = sink.connect();
        client.ehlo();
        let id = client.deliver("a@a.test", "b@b.test", WITH_PARTS);
        // Without the angle brackets that the grammar requires.
        assert_eq!(client.command("MAIL FROM:a@a.test"), 250);
        assert_eq!(client.command("RCPT TO:<b@b.test>"), 250);
        assert_eq!(client.command("DATA"), 354);
        client.send(b"\r\n.\r\n");
        assert_eq!(client.reply().0, 250);
        drop(client);
        let proxied = by_proxy(sink.addresses[1]);
        let replay = ["replay", "--to", &to_other, "--speed", "max", "--to-domain", "c.test"];
        seen.run("sinkctl replay", &[&a], &replay);
        seen.run("sinkctl replay --dry-run", &[&a], &[&replay[..], &["--dry-run"]].concat());
        let none = ["--dry-run", "--until", "2000-01-01"];
        seen.run("sinkctl replay --dry-run", &[&a], &[&replay[..], &none].concat());
        assert!(sink.stop().success() && other.stop().success());
        calibrate_by_hand(&a);
        Stage { _place: place, a, b, id, proxied }
    }
}

/// Sends a message through a proxy that terminated TLS; returns its id.
fn by_proxy(listener: SocketAddr) -> String {
    let mut stream = crate::common::connect(listener).unwrap();
    let tls = b"\x20\x00\x0f\x01\x00\x00\x00\x00\x21\x00\x07TLSv1.3";
    let addresses = [192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x34, 0, 25];
    let length = u16::try_from(addresses.len() + tls.len()).unwrap().to_be_bytes();
    let header = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..], &length, &addresses, tls].concat();
    let dialogue =
        b"EHLO c\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n\r\n.\r\nQUIT\r\n";
    stream.write_all(&[&header[..], dialogue].concat()).unwrap();
    let mut received = String::new();
    stream.read_to_string(&mut received).unwrap();
    let reply =
        received.lines().find_map(|line| line.strip_prefix("250 2.0.0 Ok ")).expect(&received);
    reply.strip_suffix(" sink-a").unwrap().to_owned()
}

/// Writes a calibration as if a load like the one in the folder had been measured.
fn calibrate_by_hand(folder: &Path) {
    let mut history = History::default();
    history.read(folder, sinkd::time::Seconds::ALL).unwrap();
    let summary = RunSummary::of(&history);
    let ceiling = Ceiling {
        name: "the same".into(),
        shape: Shape::of(&history, &summary).unwrap(),
        messages_per_s: 1e6,
        bytes_per_s: 1e9,
        sink_busy_share: 1.0,
        sender_busy_share: 1.0,
    };
    let measured_at = "2026-11-21T00:00:00Z".to_owned();
    Calibration::new(measured_at, 2, vec![ceiling]).write(folder).unwrap();
}

/// Runs the commands that read messages.
fn read(seen: &mut Seen, stage: &Stage) {
    let Stage { a, b, id, proxied, .. } = stage;
    seen.run("sinkctl reindex", &[a], &["reindex"]);
    seen.run("sinkctl ls", &[a, b], &["ls", "--limit", "20"]);
    seen.run("sinkctl ls", &[a], &["ls", "--reverse", "--limit", "20"]);
    seen.run("sinkctl search", &[a, b], &["search", "--limit", "20"]);
    seen.run("sinkctl wait", &[a, b], &["wait", "--count", "5"]);
    seen.run("sinkctl tail", &[a], &["tail"]);
    seen.run("sinkctl show", &[a], &["show", id]);
    seen.run("sinkctl show", &[a], &["show", proxied]);
    seen.run("sinkctl count", &[a], &["count"]);
    seen.run("sinkctl count", &[a, b], &["count", "--since", "1d"]);
    seen.run("sinkctl segments", &[a], &["segments"]);
    seen.run("sinkctl verify", &[a], &["verify"]);
}

/// Runs the commands that read statistics.
fn sum_up(seen: &mut Seen, stage: &Stage) {
    let Stage { a, b, .. } = stage;
    let sent = ["--sent-field", "X-Sent"];
    seen.run("sinkctl stats", &[a], &[&["stats"], &sent[..]].concat());
    seen.run("sinkctl stats", &[a, b], &["stats"]);
    seen.run("sinkctl stats --metric", &[a], &["stats", "--metric", "transaction_us"]);
    seen.run("sinkctl stats --interval", &[a], &["stats", "--interval", "1s"]);
    for by in ["rcpt-domain", "client", "listener"] {
        seen.run("sinkctl stats --by", &[a], &["stats", "--by", by]);
        let cut = ["stats", "--by", by, "--top", "1"];
        seen.run("sinkctl stats --by", &[a, b], &[&cut, &sent[..]].concat());
    }
    seen.run("sinkctl limits", &[a, b], &["limits"]);
    let claims = ["totals.messages >= 1", "totals.messages < 0", "transit.p99 < 1s"];
    let claims = [&["assert"], &claims[..], &["--sent-field", "X-Sent"]].concat();
    seen.run("sinkctl assert", &[a, b], &claims);
    let [one, other] = [a, b].map(|path| path.to_str().unwrap());
    seen.run("sinkctl compare", &[a], &["compare", one, other]);
    seen.run("sinkctl compare", &[a], &["compare", other, one]);
}

/// Audits a list with some expected recipients, and many unexpected ones.
fn audits(seen: &mut Seen, stage: &Stage) {
    let (a, b): (&Path, &Path) = (&stage.a, &stage.b);
    let file = |name: &str, text: &str| {
        let path = stage._place.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let list = file("list.csv", "email,name\nnobody@example.com,x\nb@b.test,not in it\n");
    let log = file("mail.log", "2026-11-28T10:00:00Z to=<x@y.example> 250 2.0.0 Ok 4000000000:1\n");
    let expect = ["audit", "--expect", &list];
    let checks = ["--check-content", "--sent-field", "X-Sent", "--late-after", "0s"];
    let more = [&checks[..], &["--must-contain", "name", "--sender-log", &log]].concat();
    seen.run("sinkctl audit", &[a, b], &[&expect[..], &more].concat());
    seen.run("sinkctl audit", &[a], &[&expect[..], &["--since", "1d"]].concat());
    seen.run("sinkctl audit", &[a], &["audit", "--sender-log", &log]);
    seen.run("sinkctl audit", &[a, b], &["audit", "--sequence", "--in-order"]);
}

#[test]
fn every_key_in_real_output_is_documented_and_every_documented_key_is_in_real_output() {
    let mut seen = Seen::none();
    let stage = Stage::fill(&mut seen);
    read(&mut seen, &stage);
    sum_up(&mut seen, &stage);
    audits(&mut seen, &stage);
    let folder: &[&Path] = &[&stage.a];
    seen.run("sinkctl mark", folder, &["mark", "half way"]);
    seen.run("sinkctl run start", folder, &["run", "start", "three"]);
    seen.run("sinkctl run stop", folder, &["run", "stop"]);
    seen.run("sinkctl runs", folder, &["runs"]);
    let sink = Sink::start(&stage.a, &[]);
    seen.run("sinkctl reload", folder, &["reload"]);
    assert!(sink.stop().success());
    let sink = Sink::start(&stage.a, &["--tls"]);
    seen.run("sinkctl cert", folder, &["cert"]);
    assert!(sink.stop().success());
    seen.run("sinkctl rm", folder, &["rm", "--all", "--dry-run"]);
    seen.run("sinkctl rm", folder, &["rm", &stage.id, "4000000000:1"]);
    seen.run("sinkctl prune", folder, &["prune", "--retain-segments", "0", "--dry-run"]);
    seen.run("sinkctl prune", folder, &["prune", "--retain-segments", "0"]);
    seen.assert_all(|name| name != CALIBRATE);
}

#[test]
fn the_keys_of_calibrate_are_documented_and_printed() {
    let mut seen = Seen::none();
    let data = tempfile::tempdir().unwrap();
    seen.run(CALIBRATE, &[data.path()], &["calibrate", "--duration", "2s"]);
    seen.assert_all(|name| name == CALIBRATE);
}

#[test]
fn every_command_with_json_has_a_section_in_the_document_and_no_other_has() {
    let all = help_of_all();
    let is_of_flag = |line: &str| line.trim_start().starts_with("--json");
    let with_json = all.iter().filter(|(_, help)| help.lines().any(is_of_flag));
    let commands: BTreeSet<&str> = with_json.map(|(words, _)| words.as_str()).collect();
    assert!(commands.len() > 15, "{commands:?}");
    let document = document();
    let command = |name: &str| name.split(" --").next().unwrap_or_default().to_owned();
    let documented: BTreeSet<String> = document.commands().map(command).collect();
    let documented: BTreeSet<&str> = documented.iter().map(String::as_str).collect();
    assert_eq!(documented, commands);
}
