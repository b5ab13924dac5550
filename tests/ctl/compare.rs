//! Two runs side by side: differences, runs without a verdict, and refusals.
use crate::common;
use crate::runs::send;

use std::path::Path;

use common::{Sink, sinkctl, sinkctl_on};
use serde_json::Value;
use sinkd::log::Runs;
use sinkd::stats::{Counter, Hub, Metric, Recorder, StatsPlace};
use sinkd::time::UnixNs;
use tempfile::tempdir;

/// In the middle of an hour, long ago.
const BEGIN_S: u64 = 498_678 * 3600 + 600;

/// A synthetic second: number of messages, and the time of each transaction in µs.
type Made = (u64, u64);

/// Records one second as a separate start of sinkd, as a hub merges seconds that arrive too fast.
fn record_second(data: &Path, at_s: u64, fill: impl FnOnce(&mut Recorder)) {
    let replies = vec!["250 2.0.0".into(), "451 4.3.0".into()];
    let place = StatsPlace { data, start_count: (at_s - BEGIN_S) as u32, retain: None };
    let (hub, mut recorders) = Hub::start(&place, 1, replies, Box::new(())).unwrap();
    recorders[0].begin_round(UnixNs::of_second(at_s));
    fill(&mut recorders[0]);
    recorders.into_iter().for_each(Recorder::close);
    hub.close();
}

/// Records what a sink would have recorded, second by second.
fn record(data: &Path, begin_s: u64, seconds: &[Made]) {
    std::fs::create_dir_all(data.join("stats")).unwrap();
    for (at_s, (messages, transaction_us)) in (begin_s..).zip(seconds) {
        record_second(data, at_s, |recorder| {
            (0..*messages).for_each(|_| recorder.message(2048, 1));
            recorder.record_n(Metric::Transaction, *transaction_us, *messages);
            recorder.commands(4 * messages);
            recorder.take_replies(&mut [*messages as u32, 1]);
        });
    }
}

/// Returns seconds that scatter by a few percent around these values, in random order.
fn noisy(count: usize, messages: u64, transaction_us: u64) -> Vec<Made> {
    let mut dice = common::Dice::new(messages + transaction_us);
    let mut part = |whole: u64| whole * (97 + dice.roll(7) as u64) / 100;
    (0..count).map(|_| (part(messages), part(transaction_us))).collect()
}

/// Two folders with a record each, to be compared.
struct Pair {
    a: tempfile::TempDir,
    b: tempfile::TempDir,
}

impl Pair {
    fn of(a: &[Made], b: &[Made]) -> Pair {
        let pair = Pair { a: tempdir().unwrap(), b: tempdir().unwrap() };
        record(pair.a.path(), BEGIN_S, a);
        record(pair.b.path(), BEGIN_S + 1000, b);
        pair
    }

    fn paths(&self) -> [&str; 2] {
        [&self.a, &self.b].map(|folder| folder.path().to_str().unwrap())
    }

    fn text(&self) -> String {
        let [a, b] = self.paths();
        let (out, errors, code) = sinkctl(self.a.path(), &["compare", a, b]);
        assert_eq!((code, errors.as_str()), (0, ""));
        String::from_utf8(out).unwrap()
    }

    fn json(&self) -> Value {
        let [a, b] = self.paths();
        let (out, errors, code) = sinkctl(self.a.path(), &["compare", a, b, "--json"]);
        assert_eq!((code, errors.as_str()), (0, ""));
        serde_json::from_slice(&out).unwrap()
    }

    /// Asserts exit code 2 with nothing but the reason.
    fn refused(&self) -> String {
        let [a, b] = self.paths();
        refused(&[self.a.path()], a, b)
    }
}

fn refused(folders: &[&Path], a: &str, b: &str) -> String {
    for form in [&["compare", a, b][..], &["compare", a, b, "--json"]] {
        let (out, _, code) = sinkctl_on(folders, form);
        assert_eq!((code, out.as_slice()), (2, &b""[..]), "{form:?}");
    }
    sinkctl_on(folders, &["compare", a, b]).1
}

fn measure<'a>(found: &'a Value, name: &str) -> &'a Value {
    let all = found["measures"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name}: {found}"))
}

#[test]
fn a_run_a_fifth_faster_differs_and_an_equal_run_does_not() {
    let first = noisy(20, 1000, 5000);
    let found = Pair::of(&first, &noisy(20, 1200, 5010)).json();
    let rate = measure(&found, "messages_per_s");
    assert_eq!((&rate["differs"], &rate["no_verdict"]), (&true.into(), &Value::Null), "{rate}");
    let number = |key: &str| rate[key].as_f64().unwrap();
    assert!(1.1 < number("low") && number("low") < 1.2, "{rate}");
    assert!(1.2 < number("high") && number("high") < 1.3, "{rate}");
    assert!((number("ratio") - number("b") / number("a")).abs() < 1e-9, "{rate}");
    assert_eq!((&rate["seconds_a"], &rate["seconds_b"]), (&18.into(), &18.into()));
    let median = measure(&found, "transaction.p50");
    assert_eq!(median["differs"], false, "{median}");
    let longer = &found["transaction_us"]["b_is_longer"];
    assert_eq!(longer["differs"], false, "{longer}");
    assert_eq!(found["warnings"], Value::Array(Vec::new()));

    let slower = Pair::of(&first, &noisy(20, 1000, 7000)).json();
    let longer = &slower["transaction_us"]["b_is_longer"];
    assert_eq!((&longer["share"], &longer["differs"]), (&1.0.into(), &true.into()), "{longer}");
    assert_eq!(measure(&slower, "messages_per_s")["differs"], false);
}

#[test]
fn both_runs_are_shown_with_totals_replies_and_what_limited_them() {
    let pair = Pair::of(&noisy(8, 1000, 100), &noisy(8, 1000, 37_431));
    let found = pair.json();
    for (side, path) in ["a", "b"].into_iter().zip(pair.paths()) {
        let run = &found[side];
        assert_eq!((&run["name"], &run["recorded_by"]), (&path.into(), &"sink".into()));
        let messages = run["totals"]["messages"].as_u64().unwrap();
        assert!(messages > 7000 && run["replies"]["250 2.0.0"] == messages, "{run}");
        assert_eq!((&run["replies"]["451 4.3.0"], &run["not_recorded"]), (&8.into(), &Value::Null));
        assert!(run["from"].is_string() && run["seconds"].as_f64().unwrap() > 7.0, "{run}");
        assert!(run["limited_by"].is_string() && run["because"].is_string(), "{run}");
    }
    let text = pair.text();
    assert_eq!(text.matches("limited by: ").count(), 2, "{text}");
    let position = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(position("duration") < position("messages") && text.contains("recipients"), "{text}");
    assert!(position("451 4.3.0") < position("250 2.0.0"), "refusals first: {text}");
}

#[test]
fn columns_stay_apart_and_large_changes_are_factors() {
    let text = Pair::of(&noisy(8, 1000, 100), &noisy(8, 123_456, 37_431)).text();
    let row = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect::<Vec<_>>()
    };
    for name in ["messages_per_s", "bytes_per_s", "transaction.p50", "transaction.p99"] {
        let cells = row(name);
        assert_eq!(cells.len(), 6, "{cells:?}");
        assert!(cells[3].starts_with('x') && cells[5] == "differs", "{cells:?}");
        let interval: Vec<&str> = cells[4].split(" to ").collect();
        assert!(interval.iter().all(|bound| bound.starts_with('x')), "{cells:?}");
    }
    assert!(row("p50")[3].starts_with("x36"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn too_little_data_gets_no_verdict_but_a_reason() {
    for (seconds, messages, reason) in
        [(6, 1000, "short"), (7, 1000, ""), (30, 33, "few"), (30, 40, "")]
    {
        let whole = noisy(30, 1000, 5000);
        let pair = Pair::of(&whole, &vec![(messages, 6000); seconds]);
        let found = pair.json();
        let rate = measure(&found, "messages_per_s");
        let given = rate["no_verdict"].as_str().unwrap_or_default();
        assert_eq!((given, rate["differs"].is_null()), (reason, !reason.is_empty()), "{rate}");
        assert_eq!(rate["low"].is_null(), !reason.is_empty(), "{rate}");
        let text = pair.text();
        let is_told = text.contains(&format!("\n{reason}: a run has fewer than"));
        assert_eq!(is_told, !reason.is_empty(), "{text}");
    }
}

#[test]
fn one_record_is_not_compared_with_itself() {
    let pair = Pair::of(&noisy(9, 1000, 5000), &[]);
    let a = pair.a.path();
    let copy = tempdir().unwrap();
    record(copy.path(), BEGIN_S, &[]);
    for file in std::fs::read_dir(a.join("stats")).unwrap().map(|file| file.unwrap()) {
        std::fs::copy(file.path(), copy.path().join("stats").join(file.file_name())).unwrap();
    }
    let [name, copied] = [a, copy.path()].map(|path| path.to_str().unwrap());
    for other in [name, copied] {
        let errors = refused(&[a], name, other);
        assert!(errors.contains("are the same record"), "{errors}");
    }
    // Ten more seconds make it another run that shares the earlier seconds.
    record(copy.path(), BEGIN_S + 100, &noisy(10, 1000, 5000));
    let (out, errors, code) = sinkctl(a, &["compare", name, copied, "--json"]);
    let found: Value = serde_json::from_slice(&out).unwrap();
    assert!(code == 1 && errors.contains("9 seconds are in both A and B"), "{errors}");
    let rate = measure(&found, "messages_per_s");
    assert_eq!((&rate["differs"], &rate["no_verdict"]), (&Value::Null, &"shared".into()));
    assert_eq!(found["warnings"].as_array().unwrap().len(), 1, "{found}");
}

#[test]
fn two_runs_of_one_folder_are_compared_by_their_names() {
    let data = tempdir().unwrap();
    let (path, at) = (data.path(), UnixNs::of_second);
    record(path, BEGIN_S, &noisy(15, 1000, 5000));
    record(path, BEGIN_S + 15, &noisy(15, 1500, 5000));
    // The start of this run ends the first one.
    Runs::start_at(path, "one", at(BEGIN_S)).unwrap();
    Runs::start_at(path, "two", at(BEGIN_S + 15)).unwrap();
    Runs::stop_at(path, at(BEGIN_S + 30)).unwrap();
    let named = format!("{}:two", path.display());
    for second in ["two", &named] {
        let (out, errors, code) = sinkctl(path, &["compare", "one", second, "--json"]);
        assert_eq!((code, errors.as_str()), (0, ""));
        let found: Value = serde_json::from_slice(&out).unwrap();
        let rate = measure(&found, "messages_per_s");
        assert_eq!((&rate["seconds_a"], &rate["seconds_b"]), (&13.into(), &13.into()));
        assert_eq!(rate["differs"], true, "{rate}");
    }
    let errors = refused(&[path], "two", &named);
    assert!(errors.contains("are the same record"), "{errors}");
}

#[test]
fn records_of_a_sender_are_not_compared_with_records_of_a_sink() {
    let pair = Pair::of(&noisy(9, 1000, 5000), &[]);
    for at_s in BEGIN_S..BEGIN_S + 9 {
        record_second(pair.b.path(), at_s, |recorder| {
            recorder.add(Counter::Messages, 1000);
            recorder.record_n(Metric::Transaction, 5000, 1000);
            // No connection was made in this part of the run.
            recorder.record_n(Metric::ReplyPayload, 4000, 1000);
        });
    }
    let errors = pair.refused();
    assert!(errors.contains("A was recorded by a sink, B by a sender"), "{errors}");
    // The two runs are not merged into one either.
    let data = pair.a.path();
    Runs::start_at(data, "one", UnixNs::of_second(BEGIN_S)).unwrap();
    Runs::stop_at(data, UnixNs::of_second(BEGIN_S + 9)).unwrap();
    let errors = refused(&[data, pair.b.path()], "one", pair.paths()[0]);
    assert!(errors.contains("A mixes the records of a sink and a sender"), "{errors}");
}

#[test]
fn a_run_with_lost_or_damaged_figures_is_compared_with_exit_code_1() {
    let pair = Pair::of(&noisy(9, 1000, 5000), &[]);
    let [a, b] = pair.paths();
    std::fs::remove_dir_all(pair.b.path().join("stats")).unwrap();
    for (args, messages) in [(&[][..], 20), (&["--stats", "off"], 5)] {
        let sink = Sink::start(pair.b.path(), args);
        send(&sink, messages);
        assert!(sink.stop().success());
    }
    let (out, errors, code) = sinkctl(pair.a.path(), &["compare", a, b, "--json"]);
    let found: Value = serde_json::from_slice(&out).unwrap();
    assert!(code == 1 && errors.contains("B: 5 messages are in the log"), "{errors}");
    assert_eq!(
        (&found["b"]["not_recorded"], &found["b"]["totals"]["messages"]),
        (&5.into(), &20.into())
    );
    assert_eq!(measure(&found, "messages_per_s")["no_verdict"], "few");

    let logs = std::fs::read_dir(pair.a.path().join("stats")).unwrap();
    let mut logs = logs.map(|entry| entry.unwrap().path());
    let is_by_second = |name: &str| name.ends_with(".hlog") && !name.ends_with(".hour.hlog");
    let log = logs.find(|path| is_by_second(path.to_str().unwrap())).unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, format!("{text}Tag=transaction_us,garbage\n")).unwrap();
    let (out, errors, code) = sinkctl(pair.a.path(), &["compare", a, b]);
    assert!(code == 1 && errors.contains("not a line of an interval log"), "{errors}");
    assert!(!out.is_empty(), "readable figures are compared");
}

#[test]
fn a_folder_without_figures_or_messages_is_refused_with_its_name() {
    let pair = Pair::of(&noisy(9, 1000, 5000), &[]);
    let [a, b] = pair.paths();
    let errors = pair.refused();
    assert!(errors.contains("nothing to compare: B (") && errors.contains(b), "{errors}");
    let errors = refused(&[pair.a.path()], a, "nothing");
    assert!(errors.contains("no run 'nothing'"), "{errors}");
    let empty = tempdir().unwrap();
    let errors = refused(&[pair.a.path()], empty.path().to_str().unwrap(), a);
    assert!(errors.contains("neither segments nor statistics"), "{errors}");
}
