//! `sinkctl cert`: its description of sinkd's certificates, and its instructions for senders.
use crate::common;

use std::fs;
use std::path::Path;

use common::{Sink, sinkctl};
use serde_json::Value;
use tempfile::tempdir;

/// Returns the command's output, its errors, and its exit code.
fn cert(data: &Path, args: &[&str]) -> (String, String, i32) {
    let (out, errors, code) = sinkctl(data, &[&["cert"], args].concat());
    (String::from_utf8(out).unwrap(), errors, code)
}

#[track_caller]
fn report(data: &Path) -> Value {
    let (out, errors, code) = cert(data, &["--json"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    serde_json::from_str(&out).unwrap()
}

#[test]
fn sinkd_and_sinkctl_report_the_same_ca() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--tls", "--hostname", "mx.example"]);
    let report = report(data.path());
    let (path, sha256) = (&report["ca"]["path"], report["ca"]["sha256"].as_str().unwrap());
    assert_eq!(sha256.len(), 32 * 3 - 1);
    let announced = sink.announced.iter().find(|line| line.starts_with("TLS with")).unwrap();
    let file = data.path().join("tls/ca.pem");
    assert_eq!(*announced, format!("TLS with the CA in {}, SHA-256 {sha256}", file.display()));
    assert_eq!(path.as_str().map(Path::new), Some(&*file.canonicalize().unwrap()));
    assert_eq!(report["generated"], true);
    let names = report["certificate"]["names"].as_array().unwrap();
    for name in ["mx.example", "localhost", "127.0.0.1", "::1"] {
        assert!(names.contains(&name.into()), "{names:?}");
    }
    let text = cert(data.path(), &[]).0;
    assert!(text.contains(sha256) && text.contains("made by sinkd, signed by the CA"), "{text}");
    // The CA is unchanged after a restart, and the certificate has the new name.
    assert!(sink.stop().success());
    let sink = Sink::start(data.path(), &["--listen", "smtps:127.0.0.1:0"]);
    let next = self::report(data.path());
    assert_eq!(next["ca"], report["ca"]);
    assert_ne!(next["certificate"], report["certificate"]);
    assert!(sink.announced.iter().any(|line| line.starts_with("SMTPS on 127.0.0.1:")));
}

#[test]
fn each_sender_gets_only_its_own_instructions() {
    let data = tempdir().unwrap();
    drop(Sink::start(data.path(), &["--tls"]));
    let report = report(data.path());
    let senders = report["senders"].as_array().unwrap();
    assert!(senders.len() > 12);
    let all = cert(data.path(), &[]).0;
    for sender in senders {
        let name = sender["sender"].as_str().unwrap();
        let (lines, errors, code) = cert(data.path(), &["--for", name]);
        assert_eq!((code, errors.as_str()), (0, ""));
        let expected = sender["lines"].as_array().unwrap().iter();
        let expected: Vec<&str> = expected.map(|line| line.as_str().unwrap()).collect();
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected, "{name}");
        for line in expected {
            assert!(all.contains(&format!("\n    {line}\n")), "{line}: {all}");
        }
    }
    let (pem, errors, code) = cert(data.path(), &["--pem"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(pem, fs::read_to_string(data.path().join("tls/ca.pem")).unwrap());
}

#[test]
fn a_folder_without_certificates_or_with_others_is_reported() {
    let data = tempdir().unwrap();
    drop(Sink::start(data.path(), &[]));
    let (out, errors, code) = cert(data.path(), &[]);
    assert_eq!((out.as_str(), code), ("", 2));
    assert!(errors.contains("tls/ca.pem: not found; sinkd creates it when started"), "{errors}");
    drop(Sink::start(data.path(), &["--tls"]));
    let other = tempdir().unwrap();
    drop(Sink::start(other.path(), &["--tls", "--hostname", "other.example"]));
    let [own, others] = [data.path(), other.path()].map(|data| data.join("tls"));
    // A CA with the same subject is still a different CA: compare signatures, not names.
    fs::copy(others.join("ca.pem"), own.join("ca.pem")).unwrap();
    let (_, errors, code) = cert(data.path(), &[]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("the CA did not sign the certificate"), "{errors}");
    for args in [&["--pem"][..], &["--for", "curl"], &["--json"]] {
        let (out, errors, code) = cert(data.path(), args);
        assert_eq!((code, out.is_empty()), (1, false), "{args:?}: {errors}");
        assert!(errors.contains("the CA did not sign the certificate"), "{args:?}: {errors}");
    }
    fs::write(own.join("ca.pem"), "x").unwrap();
    let (_, errors, code) = cert(data.path(), &[]);
    assert_eq!(code, 2);
    assert!(errors.contains("tls/ca.pem: expected certificates in PEM, found no"), "{errors}");
    // The next start creates both again.
    drop(Sink::start(data.path(), &["--tls"]));
    assert_eq!(cert(data.path(), &[]).2, 0);
}

/// Returns the certificate and the key of another sinkd, used as a user's own.
fn files_of(data: &Path) -> [String; 2] {
    ["cert.pem", "key.pem"].map(|file| data.join("tls").join(file).to_str().unwrap().to_owned())
}

#[test]
fn a_ca_that_no_listener_uses_is_not_offered_to_senders() {
    let (data, other) = (tempdir().unwrap(), tempdir().unwrap());
    for folder in [data.path(), other.path()] {
        drop(Sink::start(folder, &["--tls"]));
    }
    let [file, key] = files_of(other.path());
    let flags = ["--tls", "--tls-cert", &file, "--tls-key", &key];
    let sink = Sink::start(data.path(), &flags);
    let address = sink.addresses[0];
    for args in [&[][..], &["--for", "curl"], &["--pem"], &["--json"]] {
        let (out, errors, code) = cert(data.path(), args);
        assert_eq!((out.as_str(), code), ("", 2), "{args:?}");
        let reason =
            format!("tls/ca.pem: not in use: listener {address} shows the certificate in {file}");
        assert!(errors.contains(&reason), "{errors}");
    }
    assert!(sink.stop().success());
    // Whether the next start will have these flags is unknown.
    let text = cert(data.path(), &[]).0;
    assert!(text.contains("listeners     not known: no sinkd with a control socket"), "{text}");
    assert!(report(data.path())["listeners"].is_null());
}

#[test]
fn listeners_of_the_running_sinkd_are_named_and_their_ports_used() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--listen", "smtps:127.0.0.1:0"]);
    let (plain, encrypted) = (sink.addresses[0], sink.addresses[1]);
    let text = cert(data.path(), &[]).0;
    for line in [
        format!("listener      {plain}, no TLS\n"),
        format!("listener      smtps:{encrypted}, TLS from the first byte\n"),
    ] {
        assert!(text.contains(&line), "{text}");
    }
    let openssl = |data: &Path| cert(data, &["--for", "openssl"]).0;
    let begun = format!("openssl s_client -connect localhost:{} -verify", encrypted.port());
    assert!(openssl(data.path()).starts_with(&begun));
    assert!(sink.stop().success());
    let sink = Sink::start(data.path(), &["--tls"]);
    let port = sink.addresses[0].port();
    let begun = format!("openssl s_client -starttls smtp -connect localhost:{port} -verify");
    assert!(openssl(data.path()).starts_with(&begun));
    let listeners = &report(data.path())["listeners"];
    let address = sink.addresses[0].to_string();
    let expected = serde_json::json!([{"address": address, "tls": "offered", "certificate": null}]);
    assert_eq!(*listeners, expected);
}

#[test]
fn instructions_for_implicit_tls_are_printed_if_a_listener_has_it() {
    let data = tempdir().unwrap();
    let lines = |args: &[&str]| cert(data.path(), &[&["--for", "curl"], args].concat());
    let sink = Sink::start(data.path(), &["--tls", "--listen", "smtps:127.0.0.1:0"]);
    let port = sink.addresses[1].port();
    assert!(lines(&[]).0.starts_with("curl --ssl-reqd --cacert "));
    assert!(lines(&["--smtps"]).0.ends_with(&format!("tls/ca.pem smtps://localhost:{port} ...\n")));
    let (out, errors, code) = cert(data.path(), &["--smtps", "--for", "haraka"]);
    assert_eq!((out.as_str(), code), ("", 2));
    assert!(errors.contains("haraka cannot connect with TLS from the first byte"), "{errors}");
    let text = cert(data.path(), &["--smtps"]).0;
    assert!(text.contains("The lines are for TLS from the first byte.\n"), "{text}");
    assert!(!text.contains("Haraka"), "{text}");
    assert!(sink.stop().success());
    // No sinkd runs, so its listeners are not known.
    assert!(lines(&["--smtps"]).0.ends_with("smtps://localhost:465 ...\n"));
    let _sink = Sink::start(data.path(), &["--tls"]);
    let (out, errors, code) = lines(&["--smtps"]);
    assert_eq!((out.as_str(), code), ("", 2));
    assert!(errors.contains("no listener of the running sinkd has TLS from the first"), "{errors}");
}
