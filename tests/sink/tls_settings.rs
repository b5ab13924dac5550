//! TLS settings as users meet them: at start, in a check, and in a reload.
use crate::common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Sink, program, sinkctl};
use tempfile::{TempDir, tempdir};

/// Data folders with generated certificates, which stand for certificates of the user's own.
struct Pairs {
    root: TempDir,
}

impl Pairs {
    fn new(names: &[&str]) -> Pairs {
        let root = tempdir().unwrap();
        for name in names {
            drop(Sink::start(&root.path().join(name), &["--tls"]));
        }
        Pairs { root }
    }

    fn file(&self, pair: &str, file: &str) -> PathBuf {
        self.root.path().join(pair).join("tls").join(file)
    }

    /// Copies the certificate and the key of `pair` to the paths in the settings.
    fn install(&self, pair: &str) {
        for file in ["cert.pem", "key.pem"] {
            fs::copy(self.file(pair, file), self.root.path().join(file)).unwrap();
        }
    }

    /// Returns settings with the installed pair.
    fn settings(&self, more: &str) -> String {
        let file = |name| self.root.path().join(name).display().to_string();
        format!(
            "[server]\nlisten = [\"smtps:127.0.0.1:0\"]\n[tls]\ntls_cert = \"{}\"\ntls_key = \
             \"{}\"\n{more}",
            file("cert.pem"),
            file("key.pem")
        )
    }
}

fn sinkd(data: &Path, args: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_sinkd"));
    command.args(["--http", "off", "--data"]).arg(data).args(args).stdin(Stdio::null());
    command
}

/// Returns the exit code and the text of stderr.
fn output_of(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_new_certificate_in_the_same_file_is_a_change_and_a_bad_one_changes_nothing() {
    let pairs = Pairs::new(&["one", "two"]);
    pairs.install("one");
    let (file, data) = (pairs.root.path().join("sink.toml"), pairs.root.path().join("data"));
    fs::write(&file, pairs.settings("")).unwrap();
    let sink = Sink::spawn(sinkd(&data, &[]).arg("--config").arg(&file));
    let listener = format!("smtps:{}", sink.addresses[0]);
    let reload = || {
        let (said, errors, code) = sinkctl(&data, &["reload"]);
        (String::from_utf8(said).unwrap(), errors, code)
    };
    assert!(!reload().0.contains("changed"), "nothing has changed");
    pairs.install("two");
    let (said, errors, code) = reload();
    assert_eq!((errors.as_str(), code), ("", 0));
    assert!(said.ends_with(&format!("\nchanged: certificates of listener {listener}\n")), "{said}");
    // Half of a renewal: certificate and key do not match.
    fs::copy(pairs.file("one", "cert.pem"), pairs.root.path().join("cert.pem")).unwrap();
    let (said, errors, code) = reload();
    assert_eq!((said.as_str(), code), ("", 2));
    assert!(errors.contains("key.pem: expected the key of the first certificate in "), "{errors}");
    assert!(errors.ends_with("found another key: nothing has changed\n"), "{errors}");
    // The certificate is still the one from before the bad pair.
    pairs.install("two");
    assert!(!reload().0.contains("changed"));
    fs::write(&file, pairs.settings("tls_client_certs = \"required\"\n")).unwrap();
    assert!(reload().1.contains("tls_client_certs = 'required' requires tls_client_ca"));
    // sinkd has not generated a certificate of its own, as nothing needs it.
    assert!(!data.join("tls").exists());
}

#[test]
fn a_failed_start_names_the_file_and_the_reason_and_creates_nothing() {
    let pairs = Pairs::new(&["one"]);
    let data = pairs.root.path().join("data");
    let [cert, key] =
        ["cert.pem", "key.pem"].map(|file| pairs.file("one", file).display().to_string());
    for (args, expected) in [
        (vec!["--tls-cert", &cert], "tls_cert requires tls_key, found none"),
        (
            vec!["--tls-cert", &cert, "--tls-key", &key],
            "tls_cert requires TLS, but no listener has it: set tls = 'offered' or 'required', or put \
             smtps: or submissions: before an address",
        ),
        (
            vec!["--tls", "--tls-cert", &key, "--tls-key", &cert],
            "key.pem: expected certificates in PEM, found a private key: are the two files swapped?",
        ),
        (
            vec!["--tls", "--tls-cert", &cert, "--tls-key", "/no/such"],
            "/no/such: cannot be read: No such file or directory",
        ),
        (
            vec!["--auth", "any", "--auth-tls-only", "on"],
            "auth_tls_only requires TLS, but no listener has it",
        ),
    ] {
        for check in [&["--check"][..], &[]] {
            let (code, errors) = output_of(sinkd(&data, &args).args(check));
            assert_eq!(code, Some(2), "{errors}");
            assert!(errors.contains(expected), "{errors}");
            assert!(!data.exists());
        }
    }
}

#[test]
fn a_check_reads_certificates_and_creates_none() {
    let pairs = Pairs::new(&["one"]);
    let data = pairs.root.path().join("data");
    let [cert, key] = ["cert.pem", "key.pem"].map(|file| pairs.file("one", file));
    let (code, errors) = output_of(&mut sinkd(&data, &["--check", "--tls"]));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(!data.exists());
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let mut command = sinkd(&data, &["--check", "--tls", "required", "--tls-cert"]);
    let (code, errors) = output_of(command.arg(&cert).arg("--tls-key").arg(&key));
    assert_eq!(code, Some(0), "{errors}");
    let expected = "key.pem: everyone can read this private key (mode 0644): chmod 600 it\n";
    assert!(errors.starts_with("sinkd: warning: ") && errors.ends_with(expected), "{errors}");
}

#[test]
fn the_tls_flag_needs_no_value_and_does_not_consume_the_next_flag() {
    for (args, expected) in [
        (&["--tls"][..], "tls = \"offered\""),
        (&["--tls", "--noop-marks", "on"], "tls = \"offered\""),
        (&["--tls", "required"], "tls = \"required\""),
        (&["--tls=off"], "tls = \"off\""),
        (&[], "tls = \"off\""),
    ] {
        let output = sinkd(Path::new("x"), args).arg("--print-config").output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.lines().any(|line| line == expected), "{args:?}: {printed}");
    }
    let (code, errors) = output_of(&mut sinkd(Path::new("x"), &["--tls", "on", "--check"]));
    assert_eq!(code, Some(2));
    let expected = "sinkd: --tls: expected 'off', 'offered' or 'required', found 'on'\n";
    assert_eq!(errors, expected);
}
