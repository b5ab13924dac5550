//! TLS of replay and blast, to a real sinkd: verification on both sides, and how failures are
//! counted.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::Value;
use sinkd::tls::{Acceptor, CertificateFolder, ClientCertificates, Handshake, HandshakeStep};
use tempfile::TempDir;

use super::target::{PLAIN, Target};
use crate::common::{Sink, sinkctl};

/// A sinkd with a listener for STARTTLS and one for implicit TLS, and its folder.
struct Place {
    folder: TempDir,
    sink: Sink,
}

impl Place {
    fn new(flags: &[&str]) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let listeners = ["--listen", "smtps:127.0.0.1:0", "--tls"];
        let sink = Sink::start(folder.path(), &[&listeners[..], flags].concat());
        Place { folder, sink }
    }

    fn to(&self) -> String {
        self.sink.addresses[0].to_string()
    }

    fn to_implicit(&self) -> String {
        self.sink.addresses[1].to_string()
    }

    /// The CA that signed the certificate.
    fn ca(&self) -> String {
        text(self.folder.path().join("tls/ca.pem"))
    }

    /// Returns the TLS version and the requested server name of each stored message.
    fn stored(&self) -> Vec<(String, String)> {
        let (out, errors, code) = sinkctl(self.folder.path(), &["ls", "--json"]);
        assert_eq!(code, 0, "{errors}");
        let rows = String::from_utf8(out).unwrap();
        let rows = rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap());
        let of = |row: &Value, key: &str| row["tls"][key].as_str().unwrap_or("none").to_owned();
        rows.map(|row| (of(&row, "version"), of(&row, "server_name"))).collect()
    }
}

fn text(path: PathBuf) -> String {
    path.to_str().unwrap().to_owned()
}

/// Runs `blast --json`; returns its report, its exit code, and its stderr.
fn blast(to: &str, args: &[&str]) -> (Value, i32, String) {
    let all = [&["blast", "--to", to, "--json", "--connections", "2"], args].concat();
    let (out, errors, code) = sinkctl(Path::new("."), &all);
    (serde_json::from_slice(&out).unwrap_or_default(), code, errors)
}

/// Returns how often each kind of failure was counted.
fn failures(report: &Value) -> Vec<(String, u64)> {
    let failures = report["failures"].as_array().unwrap();
    let of = |one: &Value| (one["what"].as_str().unwrap().into(), one["count"].as_u64().unwrap());
    failures.iter().map(of).collect()
}

#[test]
fn mail_arrives_under_tls_in_each_mode_whatever_its_size() {
    let place = Place::new(&[]);
    let (ca, localhost) = (place.ca(), "localhost");
    let verified = ["--ca", &ca, "--tls-name", localhost];
    for (to, mode, flags) in [
        (place.to(), "offered", &[][..]),
        (place.to(), "required", &verified[..]),
        (place.to_implicit(), "implicit", &verified[..]),
        (place.to(), "required", &["--insecure"]),
    ] {
        for more in [
            &["--size", "2K"][..],
            &["--size", "600K", "--no-chunking"],
            &["--size", "uniform:1K-40K", "--depth", "5", "--recipients-per-message", "3"],
        ] {
            let args = [&["--tls", mode, "--count", "20"], flags, more].concat();
            let (report, code, errors) = blast(&to, &args);
            assert_eq!((code, report["accepted"].as_u64()), (0, Some(20)), "{args:?}: {errors}");
            let handshakes = &report["stats"]["metrics"]["handshake_us"]["count"];
            assert_eq!(handshakes, &report["connections"], "{report}");
        }
    }
    let (sink, data) = (place.sink, place.folder);
    assert!(sink.stop().success());
    let (_, errors, code) = sinkctl(data.path(), &["verify"]);
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn messages_are_encrypted_and_the_server_name_is_sent() {
    let place = Place::new(&[]);
    let ca = place.ca();
    let args = ["--count", "1", "--tls", "required", "--ca", &ca, "--tls-name", "localhost"];
    assert_eq!(blast(&place.to(), &args).1, 0);
    assert_eq!(place.stored(), [("TLSv1.3".to_owned(), "localhost".to_owned())]);
}

#[test]
fn sessions_are_resumed_unless_a_flag_forbids_it() {
    let place = Place::new(&[]);
    for (flags, is_resumed) in [(&[][..], true), (&["--no-tls-resumption"], false)] {
        let base = ["--tls", "offered", "--count", "30", "--per-connection", "1"];
        let (report, code, errors) = blast(&place.to(), &[&base[..], flags].concat());
        assert_eq!(code, 0, "{errors}");
        let counters = &report["stats"]["counters"];
        assert!(counters["tls_handshakes"].as_u64() >= Some(30), "{counters}");
        assert_eq!(counters["tls_resumed"].as_u64() > Some(0), is_resumed, "{counters}");
    }
}

#[test]
fn a_server_that_is_not_trusted_gets_nothing_and_the_kind_is_counted() {
    let (place, other) = (Place::new(&[]), Place::new(&[]));
    let (ca, other_ca) = (place.ca(), other.ca());
    for (flags, kind, hint) in [
        (["--ca", &other_ca, "--tls-name", "localhost"], "TLS peer_unknown_ca", "with --ca"),
        (["--ca", &ca, "--tls-name", "other.example"], "TLS peer_wrong_name", "with --tls-name"),
    ] {
        for (to, mode) in [(place.to(), "required"), (place.to_implicit(), "implicit")] {
            let args = [&["--tls", mode], &flags[..]].concat();
            let (report, code, errors) = blast(&to, &args);
            assert_eq!((code, report["begun"].as_u64()), (1, Some(0)), "{args:?}: {errors}");
            let found = failures(&report);
            assert_eq!(found.len(), 1, "{found:?}");
            // Both connections failed, and neither was tried again.
            assert!(found[0].0 == kind && found[0].1 <= 2, "{found:?}");
            let recorded = &report["stats"]["totals"]["tls_failed"];
            assert_eq!(recorded.as_u64(), Some(found[0].1), "{report}");
            assert!(errors.contains("nothing can be sent to"), "{errors}");
            assert!(errors.contains(&format!("sinkctl: {kind}: ")), "{errors}");
            assert!(errors.contains(hint), "{errors}");
        }
    }
}

/// After a failed chunk, RSET is sent before the next MAIL, and is refused like everything else.
#[test]
fn a_target_that_requires_tls_stores_nothing_sent_in_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::start(folder.path(), &["--tls", "required"]);
    let place = Place { folder, sink };
    for more in [&["--depth", "4"][..], &["--depth", "4", "--no-chunking"], &["--no-pipelining"]] {
        let args = [&["--count", "20"], more].concat();
        let (report, code, errors) = blast(&place.to(), &args);
        let of = |key: &str| report[key].as_u64();
        assert_eq!((code, of("rejected"), of("unknown")), (1, Some(20), Some(0)), "{report}");
        assert!(!errors.contains("never answered"), "{errors}");
        assert!(errors.contains("MAIL 530: if the target requires TLS, use --tls req"), "{errors}");
    }
    assert!(place.stored().is_empty());
}

#[test]
fn errors_name_the_flag_that_helps() {
    let place = Place::new(&["--auth", "any", "--auth-tls-only", "on"]);
    let secret = place.folder.path().join("secret");
    std::fs::write(&secret, "x").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let secret = text(secret);
    let account = ["--auth-user", "ann", "--auth-password-file", &secret];
    let (_, code, errors) = blast(&place.to(), &account);
    assert!(code == 1 && errors.contains("no AUTH with a mechanism that may be"), "{errors}");
    assert!(errors.contains("try --tls required"), "{errors}");
}

#[test]
fn a_target_that_does_not_announce_starttls_gets_mail_only_where_tls_is_not_required() {
    let target = Target::start(PLAIN);
    let (report, code, errors) = blast(&target.to(), &["--tls", "required", "--insecure"]);
    assert_eq!((code, report["begun"].as_u64()), (1, Some(0)), "{errors}");
    assert!(errors.contains("does not announce STARTTLS"), "{errors}");
    let (report, code, errors) = blast(&target.to(), &["--tls", "offered", "--count", "3"]);
    assert_eq!((code, report["accepted"].as_u64()), (0, Some(3)), "{errors}");
    assert_eq!(report["stats"]["counters"]["tls_handshakes"], Value::Null);
}

/// Creates a CA and a client certificate with its key, signed by the CA: three files.
fn client_files(folder: &Path) -> [String; 3] {
    let mut of_ca = CertificateParams::new(Vec::new()).unwrap();
    of_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = of_ca.self_signed(&key).unwrap();
    let issuer = Issuer::new(of_ca, key);
    let mut of_client = CertificateParams::new(vec!["client.example".into()]).unwrap();
    of_client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let client = of_client.signed_by(&key, &issuer).unwrap();
    [
        ("ca.pem", "CERTIFICATE", ca.der().to_vec()),
        ("client.pem", "CERTIFICATE", client.der().to_vec()),
        ("client-key.pem", "PRIVATE KEY", key.serialize_der()),
    ]
    .map(|(name, label, der)| {
        let base64 = STANDARD.encode(der);
        let pem = format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n");
        std::fs::write(folder.join(name), pem).unwrap();
        text(folder.join(name))
    })
}

#[test]
fn a_client_certificate_is_presented_to_a_sink_that_requires_one() {
    let folder = tempfile::tempdir().unwrap();
    let [ca, cert, key] = client_files(folder.path());
    let place = Place::new(&["--tls-client-ca", &ca, "--tls-client-certs", "required"]);
    let args = ["--tls", "required", "--insecure", "--count", "4", "--timeout", "5s"];
    let (report, code, errors) = blast(&place.to(), &args);
    assert_eq!((code, report["begun"].as_u64()), (1, Some(0)), "{errors}");
    let found = failures(&report);
    assert!(found.iter().any(|(kind, _)| kind == "TLS certificate_required"), "{found:?}");
    let shown = [&args[..], &["--tls-cert", &cert, "--tls-key", &key]].concat();
    let (report, code, errors) = blast(&place.to(), &shown);
    assert_eq!((code, report["accepted"].as_u64()), (0, Some(4)), "{errors}");
    let swapped = [&args[..], &["--tls-cert", &key, "--tls-key", &cert]].concat();
    let (_, code, errors) = blast(&place.to(), &swapped);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("are the two files swapped?"), "{errors}");
}

#[test]
fn replay_sends_under_tls() {
    let origin = tempfile::tempdir().unwrap();
    let first = Sink::start(origin.path(), &[]);
    let to = first.addresses[0].to_string();
    let args = ["blast", "--to", &to, "--count", "10", "--size", "100K"];
    assert_eq!(sinkctl(Path::new("."), &args).2, 0);
    assert!(first.stop().success());
    let place = Place::new(&[]);
    let (to, ca) = (place.to(), place.ca());
    let args = ["replay", "--to", &to, "--tls", "required", "--ca", &ca, "--speed", "max"];
    let (_, errors, code) = sinkctl(origin.path(), &args);
    assert_eq!(code, 0, "{errors}");
    let stored = place.stored();
    assert_eq!(stored.len(), 10);
    assert!(stored.iter().all(|(version, _)| version == "TLSv1.3"), "{stored:?}");
}

/// Sends `greeting` on each connection, then calls `hold`.
fn serve(hold: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || hold(stream));
        }
    });
    to
}

/// Plays a server up to its reply to STARTTLS, which is `reply`.
fn serve_up_to_starttls(mut stream: &TcpStream, reply: &str) {
    let _ = stream.write_all(b"220 ready\r\n");
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let is_starttls = line == "STARTTLS";
        let output = if is_starttls { reply } else { "250-mx.test\r\n250 STARTTLS\r\n" };
        let _ = stream.write_all(output.as_bytes());
        if is_starttls {
            return;
        }
    }
}

#[test]
fn plain_text_after_the_reply_to_starttls_is_never_trusted() {
    let to = serve(|stream| {
        serve_up_to_starttls(&stream, "220 go\r\n250 AUTH PLAIN\r\n");
        // Until the client leaves.
        let _ = (&stream).read_to_end(&mut Vec::new());
    });
    let args = ["--tls", "offered", "--duration", "200ms"];
    let (report, code, errors) = blast(&to, &args);
    assert_eq!((code, report["begun"].as_u64()), (1, Some(0)), "{errors}");
    let example = report["failures"][0]["example"].as_str().unwrap();
    assert!(example.contains("sent plain text after its reply to STARTTLS"), "{example}");
}

#[test]
fn a_target_that_disconnects_during_the_handshake_is_counted_as_cut_off() {
    let to = serve(|stream| serve_up_to_starttls(&stream, "220 go\r\n"));
    let (report, code, errors) = blast(&to, &["--tls", "offered", "--duration", "200ms"]);
    assert_eq!((code, report["begun"].as_u64()), (1, Some(0)), "{errors}");
    let found = failures(&report);
    assert!(found.iter().all(|(kind, _)| kind == "TLS cut_off"), "{found:?}");
}

#[test]
fn a_handshake_that_stalls_is_given_up_after_the_timeout() {
    let to = serve(|stream| {
        serve_up_to_starttls(&stream, "220 go\r\n");
        let _ = (&stream).read_to_end(&mut Vec::new());
    });
    let args = ["--tls", "offered", "--duration", "200ms", "--timeout", "1s"];
    let (report, code, errors) = blast(&to, &args);
    assert_eq!((code, report["begun"].as_u64()), (1, Some(0)), "{errors}");
    let found = failures(&report);
    assert!(found.iter().all(|(kind, _)| kind == "TLS timed_out"), "{found:?}");
}

/// Sends a greeting under TLS, reads a command, and closes without a reply.
fn greet_and_leave(mut stream: TcpStream) {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let kept = CertificateFolder::in_data_folder(folder.path());
    let identity = kept.identity(&["localhost".into()], now).unwrap();
    let acceptor = Acceptor::new(&identity, &ClientCertificates::Off).unwrap();
    let mut handshake = Handshake::new(&acceptor).unwrap();
    let (mut unread, mut buffer) = (Vec::new(), [0; 4096]);
    let mut records = loop {
        let Ok(n @ 1..) = stream.read(&mut buffer) else { return };
        unread.extend_from_slice(&buffer[..n]);
        let mut out = Vec::new();
        let (used, step) = handshake.advance(&mut unread, &mut out);
        unread.drain(..used);
        let _ = stream.write_all(&out);
        match step {
            Ok(HandshakeStep::Blocked(next)) => handshake = next,
            Ok(HandshakeStep::Done(done)) => break done.records,
            Err(_) => return,
        }
    };
    let mut greeting = Vec::new();
    records.seal(b"220 ready\r\n", &mut greeting, |_, _| {}).unwrap();
    let _ = stream.write_all(&greeting);
    let _ = stream.read(&mut buffer);
}

#[test]
fn a_target_that_closes_without_close_notify_is_a_lost_connection() {
    let to = serve(greet_and_leave);
    let args = ["--tls", "implicit", "--insecure", "--duration", "200ms"];
    let (report, code, errors) = blast(&to, &args);
    assert_eq!((code, report["begun"].as_u64()), (1, Some(0)), "{errors}");
    let failure = &report["failures"][0];
    assert_eq!(failure["what"], "connection");
    let example = failure["example"].as_str().unwrap();
    assert!(example.contains("closed the connection without close_notify"), "{example}");
}
