//! What sinkd reports to a service manager (systemd): ready, stopping, and nothing that blocks it.
use crate::common;

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use common::{Sink, program, read_reply};
use rustix::process::Signal;
use tempfile::tempdir;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns a command for a sinkd with a Unix socket for mail at `folder`/smtp.
fn sinkd(folder: &Path, notify_socket: &OsStr) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_sinkd"));
    let listen = format!("unix:{}", folder.join("smtp").display());
    command.args(["--listen", &listen, "--http", "off", "--workers", "1", "--log-level", "warn"]);
    command.arg("--data").arg(folder.join("data")).env("NOTIFY_SOCKET", notify_socket);
    command
}

/// A process that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the variables of the next datagram.
#[track_caller]
fn next_datagram(manager: &UnixDatagram) -> Vec<String> {
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut datagram = vec![0; 4096];
    let octets = manager.recv(&mut datagram).expect("a datagram");
    datagram.truncate(octets);
    String::from_utf8(datagram).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_service_manager_gets_ready_once_clients_can_connect_and_stopping_before_transactions_end() {
    let folder = tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let mut child = Running(sinkd(folder.path(), socket.as_os_str()).spawn().unwrap());
    let ready = next_datagram(&manager);
    // The first attempt succeeds, without a retry.
    let mut client = common::connect_unix(folder.path().join("smtp")).expect("a listener");
    let status = format!("STATUS=SMTP on unix:{}", folder.path().join("smtp").display());
    assert_eq!(ready[0], "READY=1");
    assert!(ready.len() == 2 && ready[1].starts_with(&status), "{ready:?}");
    let mut say = |line: &str, code: &str| {
        std::io::Write::write_all(&mut client, line.as_bytes()).unwrap();
        let reply = String::from_utf8(read_reply(&mut client).unwrap()).unwrap();
        assert!(reply.starts_with(code), "{line}: {reply}");
    };
    say("", "220");
    say("HELO client.example\r\n", "250");
    say("MAIL FROM:<a@example.org>\r\n", "250");
    common::signal(child.0.id(), Signal::TERM);
    let stopping = next_datagram(&manager);
    assert_eq!(stopping[0], "STOPPING=1");
    // The default grace period, and 20 s for everything else.
    assert!(stopping.contains(&"EXTEND_TIMEOUT_USEC=28000000".to_owned()), "{stopping:?}");
    say("RCPT TO:<b@example.org>\r\n", "250");
    say("DATA\r\n", "354");
    say("\r\nx\r\n.\r\n", "250");
    drop(client);
    assert!(child.0.wait().unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_service_manager_with_an_abstract_socket_gets_the_same() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let folder = tempdir().unwrap();
    let name = format!("sinkd-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = UnixDatagram::bind_addr(&address).unwrap();
    let sink = Sink::spawn(&mut sinkd(folder.path(), OsStr::new(&format!("@{name}"))));
    assert_eq!(next_datagram(&manager)[0], "READY=1");
    assert!(sink.stop().success());
    assert_eq!(next_datagram(&manager)[0], "STOPPING=1");
}

/// Returns a socket that nothing reads, with no room for another datagram.
fn full(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(path).unwrap();
    sender.set_nonblocking(true).unwrap();
    loop {
        match sender.send(b"X=1") {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return socket,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn an_unusable_socket_of_a_service_manager_blocks_nothing() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let _full = full(&at("full"));
    let _stream = UnixListener::bind(at("stream")).unwrap();
    std::fs::write(at("file"), "").unwrap();
    let names: Vec<OsString> = vec![
        "".into(),
        "@".into(),
        "relative".into(),
        "vsock:2:1234".into(),
        format!("/{}", "x".repeat(200)).into(),
        format!("@{}", "x".repeat(200)).into(),
        OsString::from_vec(b"/\xFF".into()),
        at("full").into(),
        at("stream").into(),
        at("file").into(),
        at("absent").into(),
        folder.path().into(),
    ];
    for name in names {
        let folder = tempdir().unwrap();
        let sink = Sink::spawn(&mut sinkd(folder.path(), &name));
        let mut client = common::connect_unix(folder.path().join("smtp")).unwrap();
        assert!(read_reply(&mut client).unwrap().starts_with(b"220"), "{name:?}");
        // A client that stays connected would have 2 s to read its 421.
        drop(client);
        assert!(sink.stop().success(), "{name:?}");
    }
}

#[test]
fn a_warning_describes_a_system_error_without_its_number() {
    let folder = tempdir().unwrap();
    let log = tempfile::tempfile().unwrap();
    let mut command = sinkd(folder.path(), folder.path().join("absent").as_os_str());
    let sink = Sink::spawn(command.stderr(log.try_clone().unwrap()));
    assert!(sink.stop().success());
    let log = crate::common::text_of(log);
    assert!(log.contains("No such file or directory"), "{log}");
    assert!(!log.contains("os error"), "{log}");
}
