//! `/metrics`, `/healthz`, `/readyz` of a real sinkd, over sockets: exact counts, addresses already
//! in use, and clients that misbehave.
use crate::common;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Sink, text_of};
use rustix::process::Signal;
use tempfile::tempdir;

/// A condition that is not met after this time counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);
const FREE: &str = "127.0.0.1:0";

struct Answer {
    status: u16,
    /// Header lines, in lower case.
    head: String,
    body: String,
}

/// Sends `request` unchanged, and reads until the server closes.
fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = common::connect(address).unwrap();
    // The server can respond before it has read the whole request.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn parse(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).unwrap_or("0").parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn request(address: SocketAddr, method: &str, path: &str) -> Answer {
    let text = format!("{method} {path} HTTP/1.1\r\nHost: sink\r\nConnection: close\r\n\r\n");
    parse(&exchange(address, text.as_bytes()))
}

/// Returns samples by name and labels.
fn samples(address: SocketAddr) -> BTreeMap<String, f64> {
    let answer = request(address, "GET", "/metrics");
    assert_eq!(answer.status, 200);
    let of_line = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    answer.body.lines().filter(|line| !line.starts_with('#')).map(of_line).collect()
}

/// Polls until `sample` has that value: the hub publishes once a second.
fn samples_when(address: SocketAddr, sample: &str, value: f64) -> BTreeMap<String, f64> {
    let began = Instant::now();
    loop {
        let found = samples(address);
        if found[sample] == value {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{sample} is {}", found[sample]);
        std::thread::yield_now();
    }
}

fn start(data: &Path, args: &[&str]) -> (Sink, SocketAddr) {
    let sink = Sink::start_http(data, FREE, args);
    let address = sink.http.expect("HTTP is announced");
    assert_ne!(address.port(), 0);
    (sink, address)
}

/// Sessions of five messages with one recipient and 17 octets.
fn load(sink: &Sink, sessions: usize) {
    for _ in 0..sessions {
        let mut client = sink.connect();
        client.ehlo();
        for _ in 0..5 {
            client.deliver("a@example.org", "b@example.org", b"Subject: x\r\n\r\nx\r\n");
        }
        assert_eq!(client.command("WHAT"), 500);
        assert_eq!(client.command("QUIT"), 221);
        client.rest();
    }
}

#[test]
fn metrics_count_to_the_message_and_never_go_down() {
    let data = tempdir().unwrap();
    let (sink, http) = start(data.path(), &["--workers", "2"]);
    let before = samples(http);
    assert_eq!(before["sinkd_messages_total"], 0.0);
    assert_eq!(before["sinkd_transaction_seconds_bucket{le=\"+Inf\"}"], 0.0);
    let mut last = before;
    for sessions in [7, 10] {
        load(&sink, sessions - last["sinkd_connections_total"] as usize);
        let n = sessions as f64;
        samples_when(http, "sinkd_connections_closed_total", n);
        let found = samples_when(http, "sinkd_messages_total", 5.0 * n);
        for (name, value) in [
            ("sinkd_connections_total", n),
            ("sinkd_recipients_total", 5.0 * n),
            ("sinkd_message_bytes_total", 85.0 * n),
            ("sinkd_replies_total{code=\"250\",enhanced=\"2.1.0\"}", 5.0 * n),
            ("sinkd_replies_total{code=\"354\",enhanced=\"\"}", 5.0 * n),
            ("sinkd_replies_total{code=\"500\",enhanced=\"5.5.2\"}", n),
            ("sinkd_transaction_seconds_count", 5.0 * n),
            ("sinkd_transaction_seconds_bucket{le=\"+Inf\"}", 5.0 * n),
            ("sinkd_message_size_bytes_bucket{le=\"64\"}", 5.0 * n),
            ("sinkd_message_size_bytes_sum", 85.0 * n),
            ("sinkd_recipients_per_message_bucket{le=\"1\"}", 5.0 * n),
            ("sinkd_build_info{version=\"0.1.0\"}", 1.0),
        ] {
            assert_eq!(found[name], value, "{name}");
        }
        for (name, value) in &last {
            let is_gauge =
                ["process_", "sinkd_index_lag_", "sinkd_disk_"].iter().any(|g| name.starts_with(g));
            let may_fall = is_gauge && !name.ends_with("_total");
            assert!(may_fall || found[name] >= *value, "{name}: {value}, then {}", found[name]);
        }
        last = found;
    }
    for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"] {
        assert!(last[name] > 0.0, "{name}");
    }
    assert!(last["process_start_time_seconds"] > 1.7e9);
    assert!(sink.stop().success());
}

const LISTENERS: &str = r#"
[[listener]]
address = "127.0.0.1:0"
name = "mx-a"

[[listener]]
address = "127.0.0.1:0"
deny = ["127.0.0.2"]

[[listener]]
address = 'unix:PATH'

[[listener]]
address = "127.0.0.1:0"
proxy = true
name = "proxied"
deny = ["192.0.2.1"]
"#;

/// Connects from 127.0.0.2 and sends `first`; returns everything received until the end.
fn answer_to_another_client(to: SocketAddr, first: &[u8]) -> String {
    let mut client = common::connect_from([127, 0, 0, 2], to).unwrap();
    client.write_all(first).unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn metrics_count_mail_for_each_listener() {
    let folder = tempfile::Builder::new().prefix("sinkd").tempdir_in("/tmp").unwrap();
    let path = folder.path().join("a\"b\\c.sock");
    let file = folder.path().join("sink.toml");
    std::fs::write(&file, LISTENERS.replace("PATH", path.to_str().unwrap())).unwrap();
    for durability in ["process", "message"] {
        let data = tempdir().unwrap();
        let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
        command.arg("--config").arg(&file).args(["--http", FREE, "--durability", durability]);
        let sink = Sink::spawn(command.args(["--log-level", "warn", "--data"]).arg(data.path()));
        let http = sink.http.unwrap();
        let names = [
            "mx-a".to_owned(),
            sink.addresses[1].to_string(),
            format!("unix:{}", path.display()).replace('\\', r"\\").replace('"', r#"\""#),
            "proxied".to_owned(),
        ];
        let sample = |stem: &str, listener: usize| {
            format!("sinkd_listener_{stem}_total{{listener=\"{}\"}}", names[listener])
        };
        let before = samples(http);
        for listener in 0..4 {
            assert_eq!(before[&sample("messages", listener)], 0.0);
        }
        load(&sink, 2);
        for _ in 0..3 {
            let mut client = sink.connect_from([127, 0, 0, 1], 1);
            client.ehlo();
            client.deliver("a@example.org", "b@example.org", b"Subject: longer\r\n\r\nx\r\n");
            assert_eq!(client.command("QUIT"), 221);
        }
        let header = b"PROXY TCP4 192.0.2.1 127.0.0.1 1 25\r\n";
        for (listener, first) in [(1, &b""[..]), (2, header), (2, header)] {
            let said = answer_to_another_client(sink.addresses[listener], first);
            assert!(said.starts_with("554 "), "{said}");
        }
        samples_when(http, "sinkd_connections_denied_total", 3.0);
        let found = samples_when(http, "sinkd_messages_total", 13.0);
        let expected = [
            ("connections", [2.0, 3.0, 0.0, 0.0]),
            ("connections_denied", [0.0, 1.0, 0.0, 2.0]),
            ("messages", [10.0, 3.0, 0.0, 0.0]),
            ("message_bytes", [170.0, 66.0, 0.0, 0.0]),
        ];
        for (stem, values) in expected {
            for (listener, value) in values.into_iter().enumerate() {
                assert_eq!(found[&sample(stem, listener)], value, "{stem} {listener}");
            }
            let all = found[&format!("sinkd_{stem}_total")];
            assert_eq!(values.iter().sum::<f64>(), all, "{stem}");
        }
        assert!(sink.stop().success());
    }
}

#[test]
fn without_statistics_metrics_have_no_messages() {
    let data = tempdir().unwrap();
    let (sink, http) = start(data.path(), &["--stats", "off"]);
    load(&sink, 1);
    let found = samples(http);
    let sinkds: Vec<_> = found.keys().filter(|name| name.starts_with("sinkd_")).collect();
    let expected = [
        "sinkd_build_info{version=\"0.1.0\"}",
        "sinkd_disk_available_bytes",
        "sinkd_disk_size_bytes",
        "sinkd_generation",
        "sinkd_workers",
    ];
    assert_eq!(sinkds, expected);
    assert!(found.contains_key("process_start_time_seconds"));
}

#[test]
fn responses_are_valid_http() {
    let data = tempdir().unwrap();
    let (sink, http) = start(data.path(), &[]);
    for (method, path, status, body) in [
        ("GET", "/healthz", 200, "ok\n"),
        ("GET", "/readyz", 200, "ok\n"),
        ("HEAD", "/healthz", 200, ""),
        ("GET", "/nothing", 404, ""),
        ("GET", "/", 404, ""),
        ("POST", "/metrics", 405, ""),
        ("DELETE", "/healthz", 405, ""),
    ] {
        let answer = request(http, method, path);
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{method} {path}");
        assert_eq!(answer.head.contains("allow: get"), status == 405, "{}", answer.head);
    }
    let metrics = request(http, "GET", "/metrics");
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"));
    // Two requests on one connection.
    let twice = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.0\r\n\r\n";
    assert_eq!(exchange(http, twice).matches("200 OK").count(), 2);
    assert!(sink.stop().success());
}

#[test]
fn a_stopping_sink_is_not_ready_but_alive() {
    let data = tempdir().unwrap();
    let (sink, http) = start(data.path(), &["--stop-grace", "60s"]);
    let mut client = sink.connect();
    client.ehlo();
    client.begin("a@example.org", "b@example.org");
    sink.signal(Signal::TERM);
    let began = Instant::now();
    while request(http, "GET", "/readyz").status != 503 {
        assert!(began.elapsed() < PATIENCE);
    }
    assert_eq!(request(http, "GET", "/healthz").status, 200);
    client.send(b".\r\n");
    assert_eq!(client.reply().0, 250);
    assert!(sink.wait().success());
}

#[test]
fn garbage_is_refused_and_other_clients_are_served() {
    let data = tempdir().unwrap();
    let (sink, http) = start(data.path(), &[]);
    // These clients occupy connections, and send nothing, or an incomplete request.
    let silent: Vec<TcpStream> = (0..40).map(|_| common::connect(http).unwrap()).collect();
    let mut halves: Vec<TcpStream> = (0..20).map(|_| common::connect(http).unwrap()).collect();
    halves.iter_mut().for_each(|stream| stream.write_all(b"GET /metr").unwrap());
    let long = [b"GET /", &b"x".repeat(1 << 20)[..], b" HTTP/1.1\r\n\r\n"].concat();
    let many = [b"GET / HTTP/1.1\r\n", &b"A: b\r\n".repeat(5000)[..], b"\r\n"].concat();
    for (garbage, statuses) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0\0\0\0\0\0\0"[..], &[0, 400][..]),
        (b"EHLO client.example\r\n\r\n", &[400]),
        (b"GET /healthz HTTP/9.9\r\n\r\n", &[0, 400, 505]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[0, 400, 505]),
        (b"GET /healthz HTTP/1.1\r\nContent-Length: x\r\n\r\n", &[400]),
        (&long, &[0, 400, 414, 431]),
        (&many, &[0, 431]),
    ] {
        let answer = parse(&exchange(http, garbage)).status;
        let shown = String::from_utf8_lossy(&garbage[..garbage.len().min(30)]);
        assert!(statuses.contains(&answer), "{shown:?}: {answer}");
    }
    // The server does not wait for a body.
    let body =
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99\r\n\r\n";
    assert_eq!(parse(&exchange(http, body)).status, 405);
    assert_eq!(request(http, "GET", "/healthz").status, 200);
    load(&sink, 1);
    // Open HTTP connections do not delay a stop.
    let began = Instant::now();
    assert!(sink.stop().success());
    assert!(began.elapsed() < Duration::from_secs(5));
    drop((silent, halves));
}

#[test]
fn a_silent_client_loses_its_connection_to_a_waiting_one() {
    let data = tempdir().unwrap();
    let (_sink, http) = start(data.path(), &[]);
    let silent: Vec<TcpStream> =
        (0..sinkd::http::CONNECTIONS_MAX + 10).map(|_| common::connect(http).unwrap()).collect();
    // Queued after all of them.
    assert_eq!(request(http, "GET", "/healthz").status, 200);
    drop(silent);
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_reads_no_responses_is_disconnected() {
    let data = tempdir().unwrap();
    let (_sink, http) = start(data.path(), &[]);
    let mut greedy = common::connect(http).unwrap();
    greedy.set_write_timeout(Some(PATIENCE)).unwrap();
    let error = loop {
        if let Err(error) = greedy.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") {
            break error;
        }
    };
    let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    assert!(kinds.contains(&error.kind()), "{error}");
}

/// Returns sinkd's stderr if it fails to start; `None` once it is ready.
fn fails(data: &Path, args: &[&str]) -> Option<String> {
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.args(["--listen", FREE, "--data"]).arg(data).args(args).stdin(Stdio::null());
    let output = command.args(["--stop-after-idle", "1ms"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    match output.status.code() {
        Some(0) => None,
        code => {
            assert_eq!(code, Some(2), "{said}");
            Some(said)
        }
    }
}

#[test]
fn a_configured_address_must_be_free() {
    let (data, other) = (tempdir().unwrap(), tempdir().unwrap());
    let taken = TcpListener::bind(FREE).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = fails(data.path(), &["--http", &address]).unwrap();
    assert!(said.contains("already in use") && said.contains(&address), "{said}");
    assert!(said.contains("--http"), "{said}");
    let file = other.path().join("sink.toml");
    std::fs::write(&file, format!("[http]\nhttp = \"{address}\"\n")).unwrap();
    let said = fails(data.path(), &["--config", file.to_str().unwrap()]).unwrap();
    assert!(said.contains("already in use"), "{said}");
    assert!(!data.path().join("lock").exists(), "the folder is not touched");
    assert!(fails(data.path(), &["--http", "192.0.2.1:80"]).is_some());
    assert!(fails(data.path(), &["--http", "8025"]).unwrap().contains("127.0.0.1:8025"));
    drop(taken);
    assert_eq!(fails(data.path(), &["--http", &address]), None);
}

/// The only test that starts sinkd with the default address.
#[test]
fn a_default_address_that_is_taken_is_a_warning() {
    let data = tempdir().unwrap();
    // Another process may already use it; the result is the same.
    let _taken = TcpListener::bind("127.0.0.1:8025");
    let said = tempfile::tempfile().unwrap();
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.args(["--listen", FREE, "--data"]).arg(data.path());
    let sink = Sink::spawn(command.stderr(said.try_clone().unwrap()));
    assert_eq!(sink.http, None);
    load(&sink, 1);
    assert!(sink.stop().success());
    let said = text_of(said);
    let warnings: Vec<&str> = said.lines().filter(|line| line.contains("WARN")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("127.0.0.1:8025"), "{said}");
}

#[test]
fn metrics_include_disk_space_and_loop_counts_even_without_statistics() {
    let folder = tempdir().unwrap();
    let (sink, address) = start(folder.path(), &["--workers", "2", "--stats", "off"]);
    let samples = samples(address);
    assert_eq!(samples["sinkd_workers"], 2.0);
    let (available, size) =
        (samples["sinkd_disk_available_bytes"], samples["sinkd_disk_size_bytes"]);
    assert!(available > 0.0 && available <= size, "{available} of {size}");
    assert!(sink.stop().success());
}

/// Returns the exit code and the output of `sinkd --is-ready` for this address.
fn is_ready(http: &str) -> (Option<i32>, String) {
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    let output = command.args(["--is-ready", "--http", http]).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn is_ready_succeeds_only_while_mail_is_accepted() {
    let folder = tempdir().unwrap();
    let (sink, address) = start(folder.path(), &[]);
    let address = address.to_string();
    assert_eq!(is_ready(&address), (Some(0), String::new()));
    // A transaction in progress keeps a stopping sink alive.
    let mut client = sink.connect();
    client.ehlo();
    client.begin("a@example.org", "b@example.org");
    sink.signal(Signal::TERM);
    let stopping = common::until_some("a sink that stops", || {
        Some(is_ready(&address)).filter(|(code, _)| *code != Some(0))
    });
    let expected = format!("sinkd: {address} does not accept mail: HTTP/1.1 503");
    assert!(stopping.0 == Some(1) && stopping.1.starts_with(&expected), "{stopping:?}");
    client.send(b"\r\n.\r\n");
    assert_eq!(client.reply().0, 250);
    drop(client);
    assert!(sink.wait().success());
    let (code, said) = is_ready(&address);
    assert!(code == Some(1) && said.starts_with(&format!("sinkd: no answer from {address}: ")));
}

#[test]
fn is_ready_without_an_address_is_a_usage_error() {
    for http in ["off", "127.0.0.1:0"] {
        let (code, said) = is_ready(http);
        assert!(code == Some(2) && said.contains(&format!("found '{http}'")), "{said}");
    }
}
