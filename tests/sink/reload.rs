//! Settings that change while sinkd runs: `sinkctl reload`, SIGHUP, and the control socket.
use crate::common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Sink, sinkctl, until_some};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

/// A sinkd with a settings file, and no terminal.
struct Configured {
    sink: Sink,
    file: PathBuf,
    folder: TempDir,
}

impl Configured {
    fn start(settings: &str) -> Configured {
        let folder = tempdir().unwrap();
        let file = folder.path().join("sink.toml");
        fs::write(&file, settings).unwrap();
        let sink = Sink::spawn(&mut Configured::command(&file, &folder.path().join("data")));
        Configured { sink, file, folder }
    }

    fn command(file: &Path, data: &Path) -> Command {
        let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
        command.arg("--config").arg(file).args(["--http", "off", "--workers", "2"]);
        command.arg("--data").arg(data).stdin(Stdio::null());
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Writes new settings and reloads; returns sinkctl's output, its errors and its exit code.
    fn reload(&self, settings: &str) -> (String, String, i32) {
        fs::write(&self.file, settings).unwrap();
        let (said, errors, code) = sinkctl(&self.data(), &["reload"]);
        (String::from_utf8(said).unwrap(), errors, code)
    }
}

const ONE: &str = "[server]\nlisten = [\"127.0.0.1:0\"]\nhostname = \"one.example\"\n";
const TWO: &str = "[server]\nlisten = [\"127.0.0.1:0\"]\nhostname = \"two.example\"\n";

/// Returns the name in the reply to HELO.
fn name(client: &mut common::Client) -> String {
    client.send(b"HELO c.example\r\n");
    client.reply().1.remove(0)
}

#[test]
fn a_reload_changes_settings_and_keeps_every_connection() {
    let one = Configured::start(ONE);
    let mut clients: Vec<_> = (0..8).map(|_| one.sink.connect()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(name(client), "one.example"));
    clients[0].begin("a@b.example", "c@d.example");
    let (said, errors, code) = one.reload(&format!("{TWO}[limits]\nerrors_max = 1\n"));
    let expected = "generation 2 of the settings is in force\n\
                    changed: server.hostname\nchanged: limits.errors_max\n";
    assert_eq!((said.as_str(), code), (expected, 0), "{errors}");
    clients[0].send(b"x\r\n.\r\n");
    assert_eq!(clients[0].reply().0, 250);
    clients.iter_mut().for_each(|client| assert_eq!(name(client), "two.example"));
    assert_eq!(name(&mut one.sink.connect()), "two.example");
    assert_eq!(clients[1].command("WHAT"), 500);
    assert_eq!(clients[1].command("WHAT"), 421);
    let (said, _, code) = sinkctl(&one.data(), &["reload", "--json"]);
    let expected = "{\"generation\":3,\"changed\":[],\"needs_restart\":[]}\n";
    assert_eq!((String::from_utf8(said).unwrap().as_str(), code), (expected, 0));
    assert!(one.sink.stop().success());
}

#[test]
fn settings_that_cannot_change_are_named_and_the_others_change() {
    let one = Configured::start(ONE);
    let wanted = TWO.replace("\"127.0.0.1:0\"", "\"127.0.0.1:0\", \"lmtp:127.0.0.1:0\"");
    let (said, _, code) = one.reload(&format!("{wanted}[log]\nsegment_bytes = \"8MiB\"\n"));
    let expected = "generation 2 of the settings is in force\n\
                    changed: server.hostname\n\
                    unchanged until a restart: log.segment_bytes\n\
                    unchanged until a restart: listener lmtp:127.0.0.1:0 (to open it)\n";
    assert_eq!((said.as_str(), code), (expected, 1));
    assert_eq!(name(&mut one.sink.connect()), "two.example");
}

#[test]
fn an_error_changes_nothing() {
    let one = Configured::start(ONE);
    for (settings, error) in [
        ("[server\n".to_owned(), "sink.toml:1: "),
        (format!("{TWO}port = 1\n"), "sink.toml:4: unknown setting 'server.port'"),
        (format!("{TWO}allow = [\"@/no/such/file\"]\n"), "/no/such/file: cannot be read: No such"),
        (format!("{TWO}allow = [\"::1\"]\ndeny = [\"::1\"]\n"), "::1/128 is both allowed and de"),
        (TWO.replace("\"127.0.0.1:0\"", ""), "no address to listen on"),
    ] {
        let (said, errors, code) = one.reload(&settings);
        assert_eq!((said.as_str(), code), ("", 2), "{settings}: {errors}");
        assert!(errors.contains(error) && errors.ends_with(": nothing has changed\n"), "{errors}");
        assert_eq!(name(&mut one.sink.connect()), "one.example");
    }
    fs::remove_file(&one.file).unwrap();
    let (_, errors, code) = sinkctl(&one.data(), &["reload"]);
    assert!(code == 2 && errors.contains("sink.toml: cannot be read"), "{errors}");
    let (said, _, _) = one.reload(TWO);
    assert!(said.starts_with("generation 2 "), "errors create no generation: {said}");
}

#[test]
fn new_client_lists_and_limits_apply_to_later_connections() {
    let one = Configured::start(ONE);
    let list = one.folder.path().join("list");
    fs::write(&list, "# none yet\n").unwrap();
    let listed = format!("{ONE}deny = [\"@{}\"]\n", list.display());
    assert_eq!(one.reload(&listed).2, 0);
    let mut first = one.sink.connect_from([127, 0, 0, 7], 0);
    fs::write(&list, "127.0.0.7\n").unwrap();
    // The settings are the same, but the file is read again.
    let said = one.reload(&listed).0;
    assert!(said.contains("\nchanged: clients of listener 127.0.0.1:"), "{said}");
    assert_eq!(name(&mut first), "one.example");
    one.sink.connect_from([127, 0, 0, 8], 0);
    let mut denied = one.sink.connect_quietly_from([127, 0, 0, 7], 0);
    assert_eq!(denied.reply().0, 554);
    let limited = format!("{ONE}[limits]\nconnections_per_client_max = 1\n");
    assert_eq!(one.reload(&limited).2, 0);
    let mut second = one.sink.connect_from([127, 0, 0, 7], 0);
    let mut third = one.sink.connect_quietly_from([127, 0, 0, 7], 0);
    assert_eq!(third.reply().0, 421);
    assert_eq!((name(&mut first), name(&mut second)), ("one.example".into(), "one.example".into()));
}

/// Reading a pipe without a writer would never end, and would prevent sinkd from stopping.
#[test]
fn a_pipe_is_not_read_by_a_reload() {
    let one = Configured::start(ONE);
    let pipe = one.folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let (_, errors, code) = one.reload(&format!("{TWO}deny = [\"@{}\"]\n", pipe.display()));
    assert!(code == 2 && errors.contains("pipe: expected a regular file"), "{errors}");
    fs::remove_file(&one.file).unwrap();
    fs::rename(&pipe, &one.file).unwrap();
    let (_, errors, code) = sinkctl(&one.data(), &["reload"]);
    assert!(code == 2 && errors.contains("sink.toml: expected a regular file"), "{errors}");
    assert_eq!(name(&mut one.sink.connect()), "one.example");
    assert!(one.sink.stop().success());
}

#[test]
fn a_session_without_a_transaction_uses_new_settings_from_its_next_command() {
    let one = Configured::start(&format!("{ONE}xclient_trusted = [\"127.0.0.0/8\"]\n"));
    let mut client = one.sink.connect();
    client.ehlo();
    assert_eq!(client.command("XCLIENT NAME=a.example"), 220);
    assert_eq!(one.reload(&format!("{ONE}syntax = \"strict\"\n[limits]\nerrors_max = 2\n")).2, 0);
    // Trust that was withdrawn is gone, whatever EHLO announced.
    assert_eq!(client.command("XCLIENT NAME=a.example"), 550);
    client.ehlo();
    assert_eq!(client.command("MAIL FROM:a@b.example"), 501);
    assert_eq!(client.command("WHAT"), 421);
}

#[test]
fn disabling_xclient_applies_to_open_sessions() {
    let settings = |xclient: bool| {
        format!(
            "[server]\nxclient_trusted = [\"127.0.0.0/8\"]\n\
             [[listener]]\naddress = \"127.0.0.1:0\"\nxclient = {xclient}\n"
        )
    };
    let one = Configured::start(&settings(true));
    let mut client = one.sink.connect();
    client.ehlo();
    assert_eq!(client.command("XCLIENT NAME=a.example"), 220);
    assert_eq!(one.reload(&settings(false)).2, 0);
    assert_eq!(client.command("XCLIENT NAME=a.example"), 550);
    client.send(b"EHLO c.example\r\n");
    assert!(!client.reply().1.iter().any(|line| line.starts_with("XCLIENT")));
}

/// Signals that arrive together count as one; the last file is the one in force.
#[test]
fn ten_sighups_in_a_second_leave_the_last_settings_in_force() {
    let one = Configured::start(ONE);
    let mut clients: Vec<_> = (0..4).map(|_| one.sink.connect()).collect();
    for n in 0..10 {
        fs::write(&one.file, ONE.replace("one", &format!("n{n}"))).unwrap();
        one.sink.signal(Signal::HUP);
        // Mail is accepted meanwhile.
        clients[n % 4].ehlo();
        clients[n % 4].deliver("a@b.example", "c@d.example", b"x\r\n");
    }
    until_some("the last settings are in force", || {
        (name(&mut clients[0]) == "n9.example").then_some(())
    });
    clients.iter_mut().for_each(|client| assert_eq!(client.command("NOOP"), 250));
    assert_eq!(common::messages(&one.data()).len(), 10);
    assert!(one.sink.stop().success());
}

/// A terminal as standard input: our end, and sinkd's end.
fn terminal() -> (File, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (File::from(ours), theirs)
}

#[test]
fn sighup_stops_a_sinkd_with_a_terminal_unless_started_under_nohup() {
    let data = tempdir().unwrap();
    let (_ours, theirs) = terminal();
    let args = ["--listen", "127.0.0.1:0", "--http", "off", "--workers", "1"];
    let mut command = common::program("env");
    command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_sinkd")]).args(args);
    command.arg("--data").arg(data.path()).stdin(theirs.try_clone().unwrap());
    let sink = Sink::spawn(&mut command);
    let mut idle = sink.connect();
    sink.signal(Signal::HUP);
    assert_eq!(idle.reply().0, 421);
    assert!(sink.wait().success());

    // nohup also detaches the terminal if it can; here only the signal is ignored.
    let mut command = common::program("env");
    command.args(["--ignore-signal=HUP", env!("CARGO_BIN_EXE_sinkd")]).args(args);
    command.arg("--data").arg(data.path()).stdin(theirs);
    let sink = Sink::spawn(&mut command);
    sink.signal(Signal::HUP);
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("a@example.org", "b@example.org", b"x\r\n");
    assert!(sink.stop().success());
}

/// Returns the response to a request over the control socket.
fn exchange(data: &Path, request: &[u8]) -> String {
    let mut stream = common::connect_unix(data.join("control.sock")).unwrap();
    stream.write_all(request).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_flood_of_the_control_socket_delays_no_reload() {
    let one = Configured::start(ONE);
    let data = one.data();
    let mode = fs::symlink_metadata(data.join("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let open = || fs::read_dir(format!("/proc/{}/fd", one.sink.pid())).unwrap().count();
    let before = open();
    // Clients that send nothing, half a request, or too much.
    let mut flood: Vec<UnixStream> = Vec::new();
    for n in 0..300 {
        let mut stream = common::connect_unix(data.join("control.sock")).unwrap();
        let said: &[u8] = [&b""[..], b"{\"command\":", &[b'x'; 4096]][n % 3];
        // Writing to a connection that was already closed fails.
        let _ = stream.write_all(said);
        flood.push(stream);
    }
    assert!(exchange(&data, b"{\"command\":\"reload\"}\n").contains("\"generation\":2"));
    assert!(open() <= before + 20, "of 300 at most 16 are kept: {} and {before}", open());
    let (said, errors, code) = one.reload(TWO);
    assert!(code == 0 && said.starts_with("generation 3 "), "{said}{errors}");
    assert_eq!(name(&mut one.sink.connect()), "two.example");
    drop(flood);
    for (request, answer) in [
        (&b"reload\n"[..], "{\"result\":\"error\",\"message\":\"expected a request such as"),
        (b"\xff\n", "{\"result\":\"error\",\"message\":\"expected a request such as"),
        (&[b' '; 5000], "{\"result\":\"error\",\"message\":\"a request has at most 4096 octets"),
    ] {
        let said = exchange(&data, request);
        assert!(said.starts_with(answer), "{said}");
    }
    assert!(one.sink.stop().success());
    assert!(!data.join("control.sock").exists());
}

#[test]
fn the_socket_of_a_killed_sinkd_is_replaced_and_a_foreign_file_stays() {
    let one = Configured::start(ONE);
    let (data, file, _folder) = (one.data(), one.file.clone(), one.folder);
    one.sink.kill();
    assert!(data.join("control.sock").exists());
    let (_, errors, code) = sinkctl(&data, &["reload"]);
    assert!(code == 2 && errors.contains("no sinkd with a control socket is running"), "{errors}");
    // Listing needs no sinkd, and ignores the socket.
    assert_eq!(sinkctl(&data, &["verify"]).2, 0);
    let sink = Sink::spawn(&mut Configured::command(&file, &data));
    assert_eq!(sinkctl(&data, &["reload"]).2, 0);
    assert!(sink.stop().success());

    // A socket of another program that listens; and a file.
    let other = UnixListener::bind(data.join("control.sock")).unwrap();
    let sink = Sink::spawn(&mut Configured::command(&file, &data));
    fs::write(&file, TWO).unwrap();
    sink.signal(Signal::HUP);
    until_some("SIGHUP works without the socket", || {
        (name(&mut sink.connect()) == "two.example").then_some(())
    });
    assert!(sink.stop().success());
    drop(other);
    fs::remove_file(data.join("control.sock")).unwrap();
    fs::write(data.join("control.sock"), "precious").unwrap();
    let sink = Sink::spawn(&mut Configured::command(&file, &data));
    let (_, errors, code) = sinkctl(&data, &["reload"]);
    assert!(code == 2 && errors.contains("expected a socket of the folder's owner"), "{errors}");
    assert!(sink.stop().success());
    assert_eq!(fs::read(data.join("control.sock")).unwrap(), b"precious");
}

/// A process that listens in place of sinkd can send anything, or nothing.
#[test]
fn an_invalid_response_is_an_error() {
    let data = tempdir().unwrap();
    assert!(Sink::start(data.path(), &[]).stop().success());
    let other = UnixListener::bind(data.path().join("control.sock")).unwrap();
    for (answer, error) in [
        (&b""[..], "expected an answer in JSON, found ''"),
        (b"\x1b[2J\r\n", "found '\\u{1b}[2J\\r\\n'"),
        (b"{\"result\":\"no\"}", "expected an answer in JSON"),
        (b"{\"result\":\"error\",\"message\":\"a\"}", "sinkctl: a: nothing has changed"),
    ] {
        let told = std::thread::scope(|scope| {
            let asked = scope.spawn(|| sinkctl(data.path(), &["reload"]));
            let (mut stream, _) = other.accept().unwrap();
            let mut request = [0; 64];
            let octets = stream.read(&mut request).unwrap();
            assert_eq!(&request[..octets], b"{\"command\":\"reload\"}\n");
            stream.write_all(answer).unwrap();
            drop(stream);
            asked.join().unwrap()
        });
        assert!(told.2 == 2 && told.1.contains(error), "{told:?}");
    }
}

/// The path of a socket can have 108 octets at most.
#[test]
fn a_data_folder_path_can_exceed_the_length_limit_of_socket_paths() {
    let root = tempdir().unwrap();
    let data = root.path().join("a".repeat(150)).join("b".repeat(150));
    let sink = Sink::start(&data, &[]);
    assert_eq!(sinkctl(&data, &["reload"]).2, 0);
    assert!(sink.stop().success());
}
