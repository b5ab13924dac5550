//! AUTH of the real server: it accepts the listed users, stores their names, and stores no secrets.
use crate::common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{Client, Sink, sinkctl, until_some};
use tempfile::{TempDir, tempdir};

/// A folder with a list of users, the data folder of a sink, and its transcripts.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(users: &str) -> Place {
        let place = Place { folder: tempdir().unwrap() };
        place.users(users);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn users(&self, text: &str) {
        fs::write(self.path("users"), text).unwrap();
        fs::set_permissions(self.path("users"), Permissions::from_mode(0o600)).unwrap();
    }

    fn start(&self, settings: &str) -> Sink {
        fs::write(self.path("sink.toml"), settings).unwrap();
        let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
        command.arg("--config").arg(self.path("sink.toml")).args(["--http", "off"]);
        command.arg("--transcript").arg(self.path("transcripts"));
        command.arg("--data").arg(self.path("data")).args(["--log-level", "debug"]);
        let log = fs::File::create(self.path("log")).unwrap();
        Sink::spawn(command.current_dir(self.folder.path()).stdin(Stdio::null()).stderr(log))
    }

    /// Runs `sinkctl` on the data folder and returns its output.
    fn sinkctl_output(&self, args: &[&str]) -> String {
        let (said, errors, _) = sinkctl(&self.path("data"), args);
        assert!(errors.is_empty(), "{args:?}: {errors}");
        String::from_utf8(said).unwrap()
    }
}

const SETTINGS: &str = r#"
[server]
auth_users = "users"
auth_required = "on"

[[listener]]
address = "127.0.0.1:0"
name = "submission"

[[listener]]
address = "127.0.0.1:0"
name = "open"
auth = "off"
auth_required = false
"#;

/// `user NUL password`, in base64.
const ANN: &str = "AGFubgBzM2NyM3Q=";
const ANN_WRONG: &str = "AGFubgB3cm9uZw==";

fn connect(sink: &Sink, listener: usize) -> Client {
    let mut client = sink.connect_from([127, 0, 0, 1], listener);
    client.ehlo();
    client
}

#[test]
fn listed_users_are_stored_with_each_message_and_others_cannot_send() {
    let place = Place::new("ann:s3cr3t\n");
    let sink = place.start(SETTINGS);
    let mut ann = connect(&sink, 0);
    assert_eq!(ann.command("MAIL FROM:<a@b.example>"), 530);
    assert_eq!(ann.command(&format!("AUTH PLAIN {ANN_WRONG}")), 535);
    assert_eq!(ann.command("MAIL FROM:<a@b.example>"), 530);
    assert_eq!(ann.command(&format!("AUTH PLAIN {ANN}")), 235);
    let first = ann.deliver("a@b.example", "c@d.example", b"one\r\n");
    ann.ehlo();
    let second = ann.deliver("a@b.example", "c@d.example", b"two\r\n");
    // The other listener offers no AUTH, and needs none.
    let mut open = connect(&sink, 1);
    assert_eq!(open.command(&format!("AUTH PLAIN {ANN}")), 502);
    let third = open.deliver("a@b.example", "c@d.example", b"three\r\n");

    let rows: Vec<serde_json::Value> = place
        .sinkctl_output(&["ls", "--json"])
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    for (id, user, auth) in [
        (&first, Some("ann"), Some("PLAIN")),
        (&second, Some("ann"), Some("PLAIN")),
        (&third, None, None),
    ] {
        let row = rows.iter().find(|row| row["id"] == id.as_str()).unwrap();
        assert_eq!((row["user"].as_str(), row["auth"].as_str()), (user, auth), "{id}");
    }
    let mut found: Vec<String> =
        place.sinkctl_output(&["search", "--ids", "auth:ann"]).lines().map(str::to_owned).collect();
    found.sort();
    let mut expected = vec![first.clone(), second];
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(place.sinkctl_output(&["search", "--ids", "-has:auth"]), format!("{third}\n"));
    assert!(place.sinkctl_output(&["show", &first]).contains("ann (AUTH PLAIN)"));
    assert!(sink.stop().success());
    let groups: serde_json::Value =
        serde_json::from_str(&place.sinkctl_output(&["stats", "--by", "user", "--json"])).unwrap();
    let of = |name: serde_json::Value| {
        let groups = groups["groups"].as_array().unwrap();
        groups.iter().find(|group| group["name"] == name).unwrap()["messages"].clone()
    };
    let unknown = serde_json::Value::Null;
    assert_eq!((of("ann".into()), of(unknown)), (2.into(), 1.into()));
}

/// Returns every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(files(&entry.path())),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// A secret that looks like a command is still a secret: HELP and NOOP are valid base64.
#[test]
fn no_secret_is_stored_logged_or_in_a_transcript() {
    let place = Place::new("ann:s3cr3t\n");
    let sink = place.start(SETTINGS);
    let mut client = connect(&sink, 0);
    for lines in [
        &["AUTH PLAIN AGFubgBzM2NyM3Qx"][..],
        &["AUTH PLAIN", "AGFubgBzM2NyM3Qx"],
        &["AUTH LOGIN", "YW5u", "HELP"],
        &["AUTH LOGIN", "YW5u", "RCPT"],
        &["AUTH PLAIN s3cr3t"],
        &["AUTH s3cr3t"],
        &["AUTH LOGIN", "YW5u", "czNjcjN0"],
    ] {
        for line in lines {
            client.command(line);
        }
    }
    client.deliver("a@b.example", "c@d.example", b"x\r\n");
    assert_eq!(client.command("QUIT"), 221);
    assert!(client.rest().is_empty());
    assert!(sink.stop().success());
    let transcripts = files(&place.path("transcripts"));
    let text = transcripts.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<String>();
    assert!(text.contains("AUTH LOGIN\n") && text.contains("<left out>"), "{text}");
    for secret in ["s3cr3t", "AGFubgBz", "czNjcjN0", "C: HELP", "C: RCPT\n", "YW5u"] {
        assert!(!text.contains(secret), "{secret} in {text}");
        for path in files(place.folder.path()) {
            let is_ours = path.ends_with("users");
            let octets = fs::read(&path).unwrap();
            let is_there = memchr::memmem::find(&octets, secret.as_bytes()).is_some();
            assert!(is_ours || !is_there, "{secret} in {}", path.display());
        }
    }
}

#[test]
fn a_reload_reads_the_list_of_users_again() {
    let place = Place::new("bob:x\n");
    let sink = place.start(SETTINGS);
    let mut client = connect(&sink, 0);
    assert_eq!(client.command(&format!("AUTH PLAIN {ANN}")), 535);
    place.users("ann:s3cr3t\n");
    let listener = sink.addresses[0];
    assert_eq!(
        place.sinkctl_output(&["reload"]),
        format!(
            "generation 2 of the settings is in force\nchanged: users of listener {listener}\n"
        )
    );
    until_some("ann is believed", || {
        let mut client = connect(&sink, 0);
        (client.command(&format!("AUTH PLAIN {ANN}")) == 235).then_some(())
    });
    assert!(!place.sinkctl_output(&["reload"]).contains("changed"), "the list is the same");
    for (list, expected) in [
        ("bob:x\nann:\n", "users: line 2: expected a password after the colon, found none"),
        ("# none yet\n", "users: line 1: expected one NAME:PASSWORD per line, found no user in"),
    ] {
        place.users(list);
        let (_, errors, code) = sinkctl(&place.path("data"), &["reload"]);
        assert!(code == 2 && errors.contains(expected), "{errors}");
    }
    // A list that other users can read changes nothing.
    place.users("eve:x\n");
    fs::set_permissions(place.path("users"), Permissions::from_mode(0o644)).unwrap();
    let (_, errors, code) = sinkctl(&place.path("data"), &["reload"]);
    assert!(code == 2 && errors.contains("mode 0600), found mode 0644"), "{errors}");
    let mut client = connect(&sink, 0);
    assert_eq!(client.command(&format!("AUTH PLAIN {ANN}")), 235);
}
