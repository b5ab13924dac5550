//! `sinkctl report` over a real sinkd, and over statistics of many seconds, hours and days: the
//! numbers match the run, and the page is always valid.
use crate::common;

use std::path::Path;
use std::process::{Command, Output};

use common::{LOAD_ARGS as ARGS, Sink};
use sinkd::stats::{Counter, Hub, Metric, Recorder, StatsPlace};
use sinkd::time::UnixNs;
use tempfile::tempdir;

/// 2026-11-21T05:59:30Z, shortly before the end of an hour.
const BEGIN_S: u64 = 498_678 * 3600 - 30;
const PAGE_BYTES_MAX: usize = 1_000_000;

fn sinkctl_report(folders: &[&Path], more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinkctl"));
    for folder in folders {
        command.arg("--data").arg(folder);
    }
    command.args(["report", "-o", "-"]).args(more).output().unwrap()
}

/// Returns the page, after checking that it is well-formed.
fn report(folders: &[&Path], more: &[&str]) -> String {
    let output = sinkctl_report(folders, more);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let page = String::from_utf8(output.stdout).unwrap();
    check(&page);
    page
}

/// Checks that a page is balanced, contains no invalid numbers, and loads nothing.
fn check(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>").unwrap_or(page);
    check_tags(body);
    assert!(page.len() < PAGE_BYTES_MAX, "{} octets", page.len());
    let own = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for word in
        ["NaN", ">inf", "\"inf", " inf", "http:", "https:", "<script", "src=\"", "url(", "@import"]
    {
        assert!(!own.contains(word), "{word}");
    }
}

/// Checks that every element is closed, in order, that attributes are quoted, and that text
/// contains no markup.
fn check_tags(text: &str) {
    const VOID: [&str; 1] = ["meta"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let content = &rest[..start];
        assert!(open.last() == Some(&"style") || !content.contains('>'), "{content}");
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
}

/// Returns the value of one of the tiles at the top.
fn tile(page: &str, name: &str) -> String {
    let from = page.find(&format!("<dt>{name}</dt><dd>")).unwrap_or_else(|| panic!("no {name}"));
    let value = page[from..].split_once("<dd>").unwrap().1;
    value.split('<').next().unwrap().to_owned()
}

fn load(sink: &Sink, sessions: usize) {
    common::load(sink, sessions, |i| [&b"x".repeat(100 * i)[..], b"\r\n"].concat());
}

fn check_totals(page: &str, sessions: u64) {
    assert_eq!(tile(page, "messages"), (5 * sessions).to_string());
    assert_eq!(tile(page, "recipients"), (10 * sessions).to_string());
    assert_eq!(tile(page, "connections"), sessions.to_string());
    assert_eq!(tile(page, "refused messages"), sessions.to_string());
    let row = format!(
        "<th title=\"From MAIL to the final reply, for accepted messages. In a sender: from when it was \
        due.\">\
        transaction</th><td class=\"n soft\">{}</td>",
        5 * sessions
    );
    assert!(page.contains(&row));
    let reply =
        format!("<th>552 5.3.4</th><td>✕ permanent failure</td><td class=\"n\">{sessions}<");
    assert!(page.contains(&reply));
    assert!(page.contains("Every message: 2 recipients."));
    for title in ["Message sizes", "Transactions and the sink&#39;s part in them"] {
        assert!(page.contains(&format!("<h3>{title}</h3>")), "{title}");
    }
}

#[test]
fn the_page_has_the_numbers_of_one_sink_and_of_two() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    for (data, sessions) in [(&one, 4), (&two, 6)] {
        let sink = Sink::start(data.path(), &ARGS);
        load(&sink, sessions);
        assert!(sink.stop().success());
        let page = report(&[data.path()], &[]);
        check_totals(&page, sessions as u64);
        assert!(!page.contains("class=\"notice\""), "nothing to warn of");
        assert_eq!(page, report(&[data.path()], &[]), "the same folder gives the same page");
    }
    let page = report(&[one.path(), two.path()], &[]);
    check_totals(&page, 10);
    assert!(page.contains(&format!("{}: 20 messages", one.path().display())));
    assert!(page.contains(&format!("{}: 30 messages", two.path().display())));
}

#[test]
fn runs_marks_and_recipient_domains_are_on_the_page() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &ARGS);
    let say = |args: &[&str]| assert_eq!(common::sinkctl(data.path(), args).2, 0, "{args:?}");
    say(&["run", "start", "warm <up>"]);
    load(&sink, 1);
    say(&["mark", "half way"]);
    say(&["run", "start", "full"]);
    let mut client = sink.connect();
    client.ehlo();
    for to in ["b@one.example", "c@ONE.example", "d@two.example"] {
        client.deliver("a@example.org", to, b"x\r\n");
    }
    // Shown as open, as the report is made during the run.
    let page = common::until_some("an open connection", || {
        assert_eq!(client.command("NOOP"), 250);
        let page = report(&[data.path()], &[]);
        page.contains("1 session was still open at the end").then_some(page)
    });
    assert!(page.contains("in no figure of sessions: so far 3 messages."), "{page}");
    assert!(has(&page, "Open connections over time"));
    for text in ["warm &lt;up&gt;", "full"] {
        assert!(page.contains(&format!("<td>run</td><td>{text}</td>")), "{text}: {page}");
    }
    assert!(page.contains("<td>mark</td><td>half way</td>") && page.contains("class=\"moment\""));
    for (domain, messages) in [("example.org", 5), ("one.example", 2), ("two.example", 1)] {
        let row = format!("<tr><th>{domain}</th><td class=\"n\">{messages}</td>");
        assert!(page.contains(&row), "{domain}: {page}");
    }
    // For a part of the time, the page has only the runs in that part.
    say(&["run", "stop"]);
    let page = report(&[data.path()], &["--run", "last"]);
    assert!(page.contains("<td>full</td>") && !page.contains("<td>warm"), "{page}");
    assert!(page.contains("<th>one.example</th>") && !page.contains("<th>example.org</th>"));
    assert!(sink.stop().success());
    // A sender's records come without a log.
    std::fs::remove_dir_all(data.path().join("segments")).unwrap();
    assert!(report(&[data.path()], &[]).contains("has no log, only statistics"));
}

#[test]
fn a_folder_without_mail_is_reported_as_empty() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &ARGS);
    assert!(report(&[data.path()], &[]).contains("No message was recorded"));
    // A client that only sent EHLO.
    let mut client = sink.connect();
    client.ehlo();
    assert_eq!(client.command("QUIT"), 221);
    assert!(sink.stop().success());
    let page = report(&[data.path()], &[]);
    assert!(page.contains("No message was recorded") && page.contains("<th>221 2.0.0</th>"));
    assert_eq!(tile(&page, "connections"), "1");
    assert!(!page.contains("messages/s"));
}

/// The load in one second.
struct Second {
    at: u64,
    messages: u64,
    transaction_us: u64,
}

/// Workers of a hub, which accepts three seconds of each.
const WORKERS: usize = 8;

/// Records seconds as sinkd does, spread over the workers; each hub is another start.
fn recorded(folder: &Path, seconds: &[Second]) {
    for (start, some) in seconds.chunks(WORKERS * 3).enumerate() {
        let names = ["250 2.0.0", "451 4.3.0"].map(String::from).to_vec();
        let place = StatsPlace { data: folder, start_count: start as u32 + 1, retain: None };
        let (hub, recorders) = Hub::start(&place, WORKERS, names, Box::new(())).unwrap();
        for (worker, mut recorder) in recorders.into_iter().enumerate() {
            for second in some.iter().skip(worker).step_by(WORKERS) {
                record(&mut recorder, second);
            }
            recorder.close();
        }
        hub.close();
    }
}

fn record(recorder: &mut Recorder, second: &Second) {
    let (half, third) = (second.messages / 2, second.messages / 3);
    for (ms, messages) in [(50, half), (750, second.messages - half)] {
        recorder.begin_round(UnixNs::of_second(second.at).saturating_add_ns(ms * 1_000_000));
        (0..messages).for_each(|i| recorder.message(100 << (i % 8), 1 + i % 60));
    }
    recorder.record_n(Metric::Transaction, second.transaction_us, second.messages - third);
    recorder.record_n(Metric::Transaction, 20 * second.transaction_us, third);
    recorder.record_n(Metric::ThinkData, second.transaction_us / 7, second.messages);
    recorder.record(Metric::Round, second.transaction_us / 9);
    recorder.add(Counter::Commands, 4 * second.messages + 1);
    recorder.add(Counter::Rounds, 1);
    recorder.add(Counter::BusyUs, second.at % 1_000_000);
    recorder.take_replies(&mut [second.messages as u32, 1]);
}

fn second(at: u64, messages: u64, transaction_us: u64) -> Second {
    Second { at, messages, transaction_us }
}

fn page_of(seconds: &[Second]) -> String {
    let folder = tempdir().unwrap();
    recorded(folder.path(), seconds);
    let page = report(&[folder.path()], &[]);
    let messages: u64 = seconds.iter().map(|second| second.messages).sum();
    assert_eq!(tile(&page, "messages").replace(',', ""), messages.to_string());
    page
}

fn has(page: &str, title: &str) -> bool {
    page.contains(&format!("<h3>{title}</h3>"))
}

const OVER_TIME: [&str; 3] = [
    "Messages per second over time",
    "Transaction time over time",
    "Longest round of an event loop",
];

#[test]
fn a_single_message_has_no_plots_over_time() {
    let page = page_of(&[second(BEGIN_S, 1, 300)]);
    assert!(OVER_TIME.iter().all(|title| !has(&page, title)), "nothing to draw a line through");
    assert!(!page.contains("role=\"img\""), "a number is not a plot");
    assert!(page.contains(">transaction</th><td class=\"n soft\">1</td>"));
    assert!(page.contains("Every message: 1 recipient.") && page.contains("Every message: 100"));
    // Values of zero are drawn on a logarithmic scale, too.
    let page = page_of(&[second(BEGIN_S, 1, 0), second(BEGIN_S + 1, 1, 0)]);
    assert!(OVER_TIME[..2].iter().all(|title| has(&page, title)));
}

#[test]
fn a_run_over_the_end_of_an_hour_with_gaps_is_drawn_second_by_second() {
    let seconds = (0..60).filter(|i| i % 7 != 3 && !(20..30).contains(i));
    let seconds: Vec<Second> =
        seconds.map(|i| second(BEGIN_S + i, 10 + i % 5, 100 << (i % 9))).collect();
    let page = page_of(&seconds);
    assert!(OVER_TIME.iter().all(|title| has(&page, title)));
    assert!(page.contains("Each point is 1 s."));
    assert!(page.contains("seconds had no message at all"));
    assert!(page.contains("<title>05:59:50: 0 messages/s</title>"));
    assert!(page.contains("<title>05:59:30: 10 messages/s</title>"));
    assert!(page.contains("<td>▲ transient failure</td>"));
}

#[test]
fn idle_hours_and_quiet_days_fit_on_a_page() {
    let page = page_of(&[second(BEGIN_S, 5, 900), second(BEGIN_S + 3600, 7, 1_000_000_000)]);
    assert!(OVER_TIME.iter().all(|title| has(&page, title)));
    assert!(page.contains("Each point is the mean of 10 s"));
    let days: Vec<Second> =
        (0..400).map(|i| second(BEGIN_S + 777 * i, 1 + i % 9, 50 * i)).collect();
    let page = page_of(&days);
    assert!(page.contains("Each point is the mean of 15 min"));
    // Years apart, as after a clock that was set wrong.
    let page = page_of(&[second(7, 1, 1), second(BEGIN_S, 1, 1), second(4_000_000_000, 1, 1)]);
    assert!(page.contains("2096") && page.len() < 300_000, "{}", page.len());
}

/// Lines that contain only counters, as many as in an afternoon.
#[test]
fn a_long_run_is_drawn_in_buckets() {
    let folder = tempdir().unwrap();
    std::fs::create_dir(folder.path().join("stats")).unwrap();
    for hour in 0..6 {
        let lines = (0..3600).map(|i| {
            let (second, n) = (498_678 * 3600 + hour * 3600 + i, 1000 + i % 77);
            format!(
                "{{\"second\":{second},\"counters\":{{\"messages\":{n}}},\"replies\":{{}},\
                 \"tenths\":[{n},0,0,0,0,0,0,0,0,0],\"busiest_us\":{}}}\n",
                250 * (second % 4001)
            )
        });
        let name = format!("stats/00000001-20261121T{:02}.jsonl", 6 + hour);
        std::fs::write(folder.path().join(name), lines.collect::<String>()).unwrap();
    }
    let page = report(&[folder.path()], &[]);
    assert!(page.contains("Each point is the mean of 60 s"), "{}", tile(&page, "messages"));
    assert!(page.contains("lowest to highest") && !has(&page, OVER_TIME[1]));
    let part = report(
        &[folder.path()],
        &["--since", "2026-11-21T06:10:00Z", "--until", "2026-11-21T06:10:20Z"],
    );
    assert!(part.contains("2026-11-21 06:10:00.0 to 06:10:19.1 UTC"));
}

#[test]
fn text_from_outside_is_escaped() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("<img src=x>&\"'");
    recorded(&data, &[second(BEGIN_S, 3, 1000), second(BEGIN_S + 1, 3, 1000)]);
    // A reply that no server sends, and a line that is not a record.
    let lines = data.join("stats/00000001-20261121T05.jsonl");
    let text = std::fs::read_to_string(&lines).unwrap();
    let text = text.replacen("451 4.3.0", "<script>alert(1)</script>", 1);
    std::fs::write(&lines, text).unwrap();
    let page = report(&[&data], &["--title", "</title><script>\u{1b}&amp;"]);
    assert!(page.contains("<h1>&lt;/title&gt;&lt;script&gt;\u{fffd}&amp;amp;</h1>"));
    assert!(page.contains("&lt;img src=x&gt;&amp;&quot;&#39;: 6 messages"));
    assert!(page.contains("<th>&lt;script&gt;alert(1)&lt;/script&gt;</th>"));
    std::fs::write(&lines, "<b>\n").unwrap();
    let output = sinkctl_report(&[&data], &[]);
    assert_eq!(output.status.code(), Some(1));
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("1 line of the statistics could not be read"));
    check(&page);
}

#[test]
fn plots_are_written_as_separate_files() {
    let folder = tempdir().unwrap();
    let seconds: Vec<Second> = (0..20).map(|i| second(BEGIN_S + i, 40 + i, 1000 * i)).collect();
    recorded(folder.path(), &seconds);
    let (page, svg) = (folder.path().join("run.html"), folder.path().join("a/svg"));
    let output = Command::new(env!("CARGO_BIN_EXE_sinkctl"))
        .arg("--data")
        .arg(folder.path())
        .args(["report", "--title", "x", "-o"])
        .arg(&page)
        .arg("--svg")
        .arg(&svg)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, format!("{}\n", page.display()).as_bytes());
    check(&std::fs::read_to_string(page).unwrap());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(svg).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        check(&text);
        assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(text.contains("role=\"img\" aria-label=\"") && text.contains("<style>"));
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    names.sort();
    let expected = [
        "busy.svg",
        "latency.svg",
        "percentiles.svg",
        "rate.svg",
        "recipients.svg",
        "rounds.svg",
        "sizes.svg",
        "think.svg",
        "throughput-100ms.svg",
        "throughput-1s.svg",
    ];
    assert_eq!(names, expected);
    let unwritable = sinkctl_report(&[folder.path()], &["--svg", "/dev/null/x"]);
    assert_eq!(unwritable.status.code(), Some(2));
}

#[test]
fn tls_failures_are_listed_by_kind() {
    let data = tempdir().unwrap();
    let sink = Sink::start_http(data.path(), "off", &["--tls", "--listen", "smtps:127.0.0.1:0"]);
    for plain in [true, false, true] {
        let to = sink.addresses[usize::from(plain)];
        let mut client = common::connect(to).unwrap();
        let said: &[u8] = if plain { b"EHLO c\r\n" } else { b"\x16\x03\x01\x00\x05hello" };
        std::io::Write::write_all(&mut client, said).unwrap();
        // Until the connection is answered and closed.
        let _ = std::io::Read::read_to_end(&mut client, &mut Vec::new());
    }
    assert!(sink.stop().success());
    let page = report(&[data.path()], &[]);
    let expected = "3 failures of TLS (not_tls \u{d7}2, tls_on_plain_port \u{d7}1)";
    assert!(page.contains(expected), "{page}");
}
