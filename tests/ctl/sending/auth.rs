//! AUTH of replay, blast and calibrate: authentication to a real sinkd, without credentials in any
//! output.
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::target::{PLAIN, Target};
use crate::common::{Sink, program, sinkctl};

const PASSWORD: &str = "s3cr3t-of-ann";

/// A folder with the password of ann, and a list of users for a sinkd.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        place.write("password", &format!("{PASSWORD}\nanother line\n"));
        place.write("users", &format!("ann:{PASSWORD}\n"));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    /// Starts a sinkd that accepts the users of the list, and serves no others.
    fn sink(&self) -> Sink {
        let users = self.text("users");
        Sink::start(&self.path("data"), &["--auth-users", &users, "--auth-required", "on"])
    }

    /// Runs `blast --json` as ann; returns its report, its exit code, and its stderr.
    fn blast(&self, to: &str, args: &[&str]) -> (Value, i32, String) {
        let password = self.text("password");
        let ann = ["--auth-user", "ann", "--auth-password-file", &password];
        let all = [&["blast", "--to", to, "--json"], &ann[..], args].concat();
        let (out, errors, code) = sinkctl(Path::new("."), &all);
        let said = String::from_utf8_lossy(&out).into_owned() + &errors;
        assert!(!said.contains(PASSWORD), "{said}");
        (serde_json::from_slice(&out).expect(&errors), code, errors)
    }
}

/// Returns the user and the mechanism of each stored message.
fn users(data: &Path) -> Vec<(String, String)> {
    let (out, errors, code) = sinkctl(data, &["ls", "--json"]);
    assert_eq!(code, 0, "{errors}");
    let rows = String::from_utf8(out).unwrap();
    let rows = rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rows.map(|row| (text(&row["user"]), text(&row["auth"]))).collect()
}

#[test]
fn each_mechanism_is_accepted_and_the_strongest_is_the_default() {
    let place = Place::new();
    let sink = place.sink();
    let to = sink.addresses[0].to_string();
    let mut expected = Vec::new();
    for (flag, mechanism) in [
        (None, "CRAM-MD5"),
        (Some("plain"), "PLAIN"),
        (Some("login"), "LOGIN"),
        (Some("cram-md5"), "CRAM-MD5"),
        (Some("xoauth2"), "XOAUTH2"),
    ] {
        let mut args = vec!["--count", "3", "--connections", "2"];
        args.extend(flag.iter().flat_map(|name| ["--auth-mechanism", name]));
        let (report, code, errors) = place.blast(&to, &args);
        assert_eq!((code, report["accepted"].as_u64()), (0, Some(3)), "{args:?}: {errors}");
        let replies = &report["stats"]["metrics"]["reply_auth_us"];
        assert!(replies["count"].as_u64() > Some(0), "{report}");
        expected.extend(vec![("ann".to_owned(), mechanism.to_owned()); 3]);
    }
    assert!(sink.stop().success());
    let (mut found, mut expected) = (users(&place.path("data")), expected);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn replay_authenticates_with_the_password_of_the_environment() {
    let place = Place::new();
    let first = tempfile::tempdir().unwrap();
    let origin = Sink::start(first.path(), &[]);
    let mut client = origin.connect();
    client.ehlo();
    client.deliver("a@b.example", "c@d.example", b"one\r\n");
    assert!(origin.stop().success());
    let sink = place.sink();
    let to = sink.addresses[0].to_string();
    let replay = |password: Option<&str>| {
        let mut command = program(env!("CARGO_BIN_EXE_sinkctl"));
        command.env_remove("SINKCTL_AUTH_PASSWORD");
        command.envs(password.map(|password| ("SINKCTL_AUTH_PASSWORD", password)));
        command.arg("--data").arg(first.path());
        command.args(["replay", "--to", &to, "--speed", "max", "--auth-user", "ann"]);
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, errors) = replay(None);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("found neither"), "{errors}");
    let (code, errors) = replay(Some(""));
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("SINKCTL_AUTH_PASSWORD: expected a password of 1 to"), "{errors}");
    let (code, errors) = replay(Some(PASSWORD));
    assert_eq!(code, 0, "{errors}");
    assert!(sink.stop().success());
    assert_eq!(users(&place.path("data")), [("ann".to_owned(), "CRAM-MD5".to_owned())]);
}

#[test]
fn a_wrong_password_ends_the_run_at_once_and_is_counted_by_its_reply() {
    let place = Place::new();
    let sink = place.sink();
    place.write("password", "wr0ng\n");
    let records = place.text("records");
    let args = ["--connections", "1", "--records", &records];
    let (report, code, errors) = place.blast(&sink.addresses[0].to_string(), &args);
    assert_eq!((code, report["begun"].as_u64()), (1, Some(0)), "{errors}");
    assert_eq!(report["failures"][0]["what"], "AUTH 535");
    assert_eq!(report["failures"][0]["count"], 1, "nothing is tried again: {report}");
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("535 to AUTH"), "{error}");
    assert!(!errors.contains("wr0ng"), "{errors}");
}

#[test]
fn a_target_without_an_allowed_mechanism_gets_nothing() {
    let place = Place::new();
    let target = Target::start(PLAIN);
    let (report, code, errors) = place.blast(&target.to(), &["--connections", "1"]);
    assert_eq!((code, report["begun"].as_u64()), (1, Some(0)), "{errors}");
    assert!(errors.contains("does not announce AUTH with a mechanism"), "{errors}");
    assert_eq!(report["failures"][0]["what"], "connection");
    assert_eq!(target.count(), 0);
}

#[test]
fn a_password_that_others_can_read_is_refused() {
    let place = Place::new();
    fs::set_permissions(place.path("password"), Permissions::from_mode(0o644)).unwrap();
    let password = place.text("password");
    let args = ["--auth-user", "ann", "--auth-password-file", &password];
    for command in [&["blast", "--to", "127.0.0.1:1"][..], &["calibrate"]] {
        let (_, errors, code) = sinkctl(Path::new("."), &[command, &args[..]].concat());
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains("(mode 0600), found mode 0644"), "{errors}");
    }
}

/// Some servers echo a command that they do not understand.
#[test]
fn credentials_echoed_by_a_server_are_not_printed() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            stream.write_all(b"220 ready\r\n").unwrap();
            for line in BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok) {
                let reply = match line.split(' ').next() {
                    Some("EHLO") => "250-mx.test\r\n250 AUTH PLAIN\r\n".to_owned(),
                    _ => format!("500 5.5.1 unknown command: {line} ({PASSWORD})\r\n"),
                };
                let _ = stream.write_all(reply.as_bytes());
            }
        }
    });
    let (report, code, errors) = place.blast(&to, &["--connections", "1"]);
    assert_eq!((code, report["failures"][0]["what"].as_str()), (1, Some("AUTH 500")), "{errors}");
    let example = report["failures"][0]["example"].as_str().unwrap();
    assert!(example.contains("left out") && !example.contains("AGFu"), "{example}");
}
