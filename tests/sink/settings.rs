//! Settings as users meet them: flags, environment variables, errors, hints, and sinkd's behavior
//! with unread output.
use crate::common;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{Sink, program};
use rustix::process::Signal;
use tempfile::tempdir;

fn sinkd(args: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_sinkd"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Returns the exit code and the text of stderr.
#[track_caller]
fn output_of(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the last of the lines that report that sinkd is ready.
fn hint(folder: &Path, data: Option<&str>) -> String {
    let mut command = sinkd(&["--listen", "127.0.0.1:0", "--http", "off", "--workers", "1"]);
    command.current_dir(folder).args(data.map(|data| format!("--data={data}")));
    let mut child = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let is_hint = |line: &String| line.contains("data in");
    lines.by_ref().map(Result::unwrap).find(is_hint).expect("a hint")
}

/// Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_hint_quotes_the_folder_for_a_shell() {
    let folder = tempdir().unwrap();
    for (data, reader) in [
        (None, "sinkctl ls"),
        (Some("sink-data"), "sinkctl ls"),
        (Some("mail/run-2"), "sinkctl --data mail/run-2 ls"),
        (Some("my mail"), "sinkctl --data 'my mail' ls"),
        (Some("it's $HOME"), r"sinkctl --data 'it'\''s $HOME' ls"),
        (Some("-x"), "sinkctl --data ./-x ls"),
        (Some("~"), "sinkctl --data '~' ls"),
    ] {
        let hint = hint(folder.path(), data);
        let expected = format!("sinkd: data in {}", data.unwrap_or("sink-data"));
        assert_eq!(hint, format!("{expected}; read it with: {reader}"));
        // The shell parses the name the same way, and the folder exists.
        let sinkctl = env!("CARGO_BIN_EXE_sinkctl");
        let command = reader.replace("sinkctl", sinkctl);
        let mut shell = program("sh");
        let listed = shell.current_dir(folder.path()).args(["-c", &command]).output().unwrap();
        assert!(listed.status.success(), "{command}: {listed:?}");
    }
}

#[test]
fn flags_override_variables_and_variables_override_the_file() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("sink.toml");
    let text = "[limits]\nerrors_max = 3\nmessages_max = 3\nconnections_max = 3\n\
                [storage]\nstore_rule = [\"a.test=none\"]\n";
    std::fs::write(&file, text).unwrap();
    let settings = printed(
        sinkd(&["--print-config", "--connections-max", "5", "--listen", "127.0.0.1:5"])
            .env("SINKD_CONFIG", &file)
            .env("SINKD_MESSAGES_MAX", "4")
            .env("SINKD_CONNECTIONS_MAX", "4")
            .env("SINKD_LISTEN", "127.0.0.1:4")
            .env("SINKD_STORE_RULE", "b.test=none,c.test=headers/2")
            .env("SINKD_DATA", ""),
    );
    for line in [
        "errors_max = 3",
        "messages_max = 4",
        "connections_max = 5",
        "listen = [\"127.0.0.1:5\"]",
        "store_rule = [\"b.test=none\", \"c.test=headers/2\"]",
        "data = \"sink-data\"",
    ] {
        assert!(settings.lines().any(|l| l == line), "{line} in {settings}");
    }
}

#[test]
fn a_mistyped_variable_is_a_warning_and_a_bad_value_is_an_error() {
    let (code, errors) = output_of(sinkd(&["--check"]).env("SINKD_RECIPIENTS", "7"));
    assert_eq!(code, Some(0));
    assert!(errors.starts_with("sinkd: warning: environment variable SINKD_RECIPIENTS is"));
    assert!(errors.contains("did you mean SINKD_RECIPIENTS_MAX?"), "{errors}");
    let (code, errors) = output_of(sinkd(&["--check"]).env("SINKD_STOP_GRACE", "soon"));
    assert_eq!(code, Some(2));
    let expected = "sinkd: environment variable SINKD_STOP_GRACE: expected a duration from 0s to \
                    87600h, such as 250ms, 10s or 5m, found 'soon'\n";
    assert_eq!(errors, expected);
}

#[test]
fn sinkctl_reads_the_folder_named_by_the_variable() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("mail");
    let sink = Sink::start(&data, &[]);
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("a@example.org", "b@example.org", b"x\r\n");
    let count = |variable: &str, args: &[&str]| {
        let mut command = program(env!("CARGO_BIN_EXE_sinkctl"));
        command.current_dir(folder.path()).env("SINKD_DATA", variable).arg("count").args(args);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(count("mail", &[]), (Some(0), "1\n".into()));
    assert_eq!(count("nowhere", &["--data", "mail"]), (Some(0), "1\n".into()), "the flag wins");
    assert_eq!(count("nowhere", &[]).0, Some(2));
    assert_eq!(count("", &["--data", "mail"]).0, Some(0));
    assert_eq!(count("", &[]).0, Some(2), "an empty variable is not set: ./sink-data is not there");
}

#[test]
fn a_flag_of_another_program_is_answered_with_our_equivalent() {
    for (args, ours) in [
        (&["--port", "1025"][..], "'--listen ADDR' [default: 127.0.0.1:1025]"),
        (&["-p", "1025"], "'--listen ADDR'"),
        (&["-p1025"], "'--listen ADDR'"),
        (&["--port=1025"], "'--listen ADDR'"),
        (&["--port"], "'--listen ADDR'"),
        (&["--bind", "0.0.0.0"], "'--listen ADDR'"),
        (&["--host", "0.0.0.0"], "'--listen ADDR'"),
        (&["--dir", "x"], "'--data DIR' [default: sink-data]"),
        (&["--directory", "x"], "'--data DIR'"),
        (&["--config-file", "x"], "'--config FILE'"),
        (&["-v"], "'--log-level LEVEL'"),
        // And a typing mistake is answered with the nearest of our flags.
        (&["--por", "x"], "did you mean --listen?"),
        (&["--lisen", "x"], "did you mean --listen?"),
        (&["--recipient-max", "x"], "did you mean --recipients-max?"),
    ] {
        let (code, errors) = output_of(&mut sinkd(args));
        assert_eq!(code, Some(2));
        assert!(errors.contains(ours), "{args:?}: {errors}");
        let given = args[0].split('=').next().unwrap();
        let given = if given == "-p1025" { "-p" } else { given };
        let start = format!("sinkd: {given}: unknown flag; ");
        assert!(errors.starts_with(&start), "{args:?}: {errors}");
        assert!(!errors.contains("wrong:"), "{args:?}: {errors}");
    }
    let help = printed(&mut sinkd(&["--help"]));
    assert!(!help.contains("--port"), "{help}");
    assert!(help.contains("SINKD_STORE_RULE"), "{help}");
}

#[test]
fn bad_values_are_refused_with_location_expectation_and_value() {
    let long = "x".repeat(256);
    for (args, error) in [
        (
            &["--recipients-max", "0"][..],
            "--recipients-max: expected a whole number from 1 to 4294967295, found '0'",
        ),
        (
            &["--region-memory-bytes", "1K"],
            "--region-memory-bytes: expected a size from 8M to 1T, such as 64M (units: K, M, G, T), \
             found '1K'",
        ),
        (&["--data", ""], "--data: expected a path, found nothing"),
        (
            &["--hostname", &long],
            "--hostname: expected a name of 1 to 255 ASCII characters without spaces, found 'xxx",
        ),
        (
            &["--listen", "127.0.0.1:7", "--listen", "127.0.0.1:7"],
            "listener 127.0.0.1:7: this address is configured twice",
        ),
    ] {
        let (code, errors) = output_of(sinkd(args).arg("--check"));
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.starts_with(&format!("sinkd: {error}")), "{errors}");
    }
}

#[test]
fn a_system_error_is_printed_once() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a-file");
    std::fs::write(&path, "not a folder").unwrap();
    let listened = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listened.local_addr().unwrap().to_string();
    let file = path.to_str().unwrap();
    let within = format!("{file}/sink.toml");
    for (args, cause) in [
        (&["--config", "nowhere.toml"][..], "No such file"),
        (&["--config", &within], "Not a directory"),
        (&["--http", "off", "--listen", "127.0.0.1:0", "--data", file], "not a folder"),
        (&["--http", "off", "--listen", &taken, "--data", "d"], "in use"),
        (&["--http", &taken, "--listen", "127.0.0.1:0", "--data", "d"], "in use"),
        (&["--http", "off", "--listen", "127.0.0.1:0", "--transcript", file], "File exists"),
    ] {
        let (code, errors) = output_of(sinkd(args).current_dir(folder.path()));
        assert_eq!(code, Some(2), "{args:?}: {errors}");
        assert_eq!(errors.matches(cause).count(), 1, "{args:?}: {errors}");
        assert!(!errors.contains("os error"), "{args:?}: {errors}");
    }
}

#[test]
fn a_sinkd_whose_output_is_not_read_accepts_mail() {
    let folder = tempdir().unwrap();
    let socket = folder.path().join("s");
    let listen = format!("unix:{}", socket.display());
    let mut command = sinkd(&["--http", "off", "--listen", &listen, "--data", "d"]);
    command.current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    drop(child.0.stdout.take());
    drop(child.0.stderr.take());
    let greeting = common::until_some("it listens", || {
        let stream = common::connect_unix(&socket).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        (!line.is_empty()).then_some(line)
    });
    assert!(greeting.starts_with("220 "), "{greeting}");
    common::signal(child.0.id(), Signal::TERM);
    assert!(child.0.wait().unwrap().success());
}

#[test]
fn a_closed_pipe_does_not_fail_a_command_that_prints() {
    for args in [&["--print-config"][..], &["--check"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, errors) = output_of(sinkd(args).stdout(writer));
        assert_eq!((code, &*errors), (Some(0), ""), "{args:?}");
    }
    // A full disk does fail it.
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (code, errors) = output_of(sinkd(&["--print-config"]).stdout(full));
    assert_eq!(code, Some(2));
    assert!(errors.starts_with("sinkd: standard output: No space left"), "{errors}");
    // An error that cannot be printed does not change the exit code.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = sinkd(&["--workers", "0"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    for name in ["stats", "index"] {
        let data = tempdir().unwrap();
        File::create(data.path().join(name)).unwrap();
        let path = data.path().display().to_string();
        let (code, errors) =
            output_of(&mut sinkd(&["--data", &path, "--listen", "127.0.0.1:0", "--http", "off"]));
        let expected = format!("sinkd: {path}/{name}: cannot be written: File exists\n");
        assert_eq!((code, errors.as_str()), (Some(2), expected.as_str()));
    }
}
