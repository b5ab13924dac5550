//! How sinkctl reads its own command line: flags, negated terms of a query, required arguments.
use crate::common;

use common::{Sink, sinkctl};
use tempfile::{TempDir, tempdir};

/// A folder with three messages, one of which has the word `news` in its subject.
fn three_messages() -> (TempDir, Vec<String>) {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &[]);
    let mut client = sink.connect();
    client.ehlo();
    let mut deliver = |subject: &str| {
        let wire = format!("Subject: {subject}\r\n\r\nx\r\n");
        client.deliver("a@example.org", "b@example.org", wire.as_bytes())
    };
    let ids = ["news", "bill", "reset"].map(&mut deliver);
    assert!(sink.stop().success());
    (data, ids.to_vec())
}

#[test]
fn yes_is_a_flag_of_replay_not_a_negated_word() {
    let (data, _) = three_messages();
    for args in [["-y", "news"], ["news", "-y"]] {
        let to = ["--dry-run", "--to", "127.0.0.1:1"];
        let (out, errors, code) = sinkctl(data.path(), &[&["replay"][..], &args, &to].concat());
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("  1 message,"), "{args:?}: {out} {errors} {code}");
    }
}

#[test]
fn a_folder_can_have_the_name_of_a_command() {
    let (data, _) = three_messages();
    for name in ["search", "wait", "replay"] {
        let folder = data.path().join(name);
        let sink = Sink::start(&folder, &[]);
        let mut client = sink.connect();
        client.ehlo();
        let id = client.deliver("a@example.org", "b@example.org", b"x\r\n");
        assert!(sink.stop().success());
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_sinkctl"))
            .current_dir(data.path())
            .args(["--data", name, "tail", "-n", "1"])
            .output()
            .unwrap();
        let (out, errors) = (output.stdout, String::from_utf8(output.stderr).unwrap());
        assert!(String::from_utf8(out).unwrap().starts_with(&id), "{errors}");
    }
}

#[test]
fn flags_can_precede_follow_or_interrupt_the_words_of_a_query() {
    let (data, ids) = three_messages();
    for args in [
        &["--ids", "from:example.org", "-news"][..],
        &["from:example.org", "--ids", "-news"],
        &["from:example.org", "-news", "--ids"],
        &["-news", "--ids", "from:example.org"],
    ] {
        let (out, errors, code) = sinkctl(data.path(), &[&["search"], args].concat());
        let expected = format!("{}\n{}\n", ids[2], ids[1]);
        assert_eq!((String::from_utf8(out).unwrap(), code), (expected, 0), "{args:?}: {errors}");
    }
}

#[test]
fn rm_and_prune_need_a_selection_in_every_output_form() {
    let (data, ids) = three_messages();
    let data = data.path();
    for args in [
        &["rm"][..],
        &["rm", "--json"],
        &["rm", "--dry-run"],
        &["prune", "--json"],
        &["prune", "--dry-run"],
        &["prune", "--dry-run", "--json"],
        &["rm", "--all", &ids[0]],
        &["rm", "--all", "--until", "0s"],
    ] {
        let (out, errors, code) = sinkctl(data, args);
        assert_eq!((out.len(), code), (0, 2), "{args:?}");
        let is_in_one_line = errors.lines().count() == 1;
        assert!(errors.starts_with("sinkctl: ") && is_in_one_line, "{args:?}: {errors}");
    }
    let removed = |args: &[&str]| {
        let (out, errors, code) = sinkctl(data, args);
        assert!(code < 2, "{args:?}: {errors}");
        let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
        report["messages"].as_u64().unwrap()
    };
    // A dry run counts what the next command removes, and removes nothing.
    for (args, messages) in [
        (&["rm", "--json", &ids[0], &ids[0]][..], 1),
        (&["rm", "--json", "--until", "0s"], 2),
        (&["rm", "--json", "--all"], 0),
    ] {
        let dry_run = [args, &["--dry-run"]].concat();
        assert_eq!([removed(&dry_run), removed(&dry_run)], [messages; 2], "{args:?}");
        assert_eq!(removed(args), messages, "{args:?}");
        assert_eq!(removed(&dry_run), 0, "{args:?}");
    }
    let prune = ["prune", "--removed", "--retain-segments", "1", "--dry-run", "--json"];
    assert_eq!(removed(&prune), 3);
}

#[test]
fn a_dry_run_of_rm_names_missing_ids_and_counts_messages_that_have_no_slot() {
    let (data, ids) = three_messages();
    let data = data.path();
    for _ in 0..2 {
        let (out, errors, code) = sinkctl(data, &["rm", "--dry-run", &ids[2], "99:1"]);
        assert_eq!(String::from_utf8(out).unwrap(), "would remove 1 message\n");
        assert!(code == 1 && errors.contains("99:1"), "{errors}");
    }
    let counted = tempfile::tempdir().unwrap();
    let sink = Sink::start(counted.path(), &["--store", "none"]);
    let mut client = sink.connect();
    client.ehlo();
    client.begin("a@example.org", "b@example.org");
    client.send(b"x\r\n.\r\n");
    assert_eq!(client.reply().0, 250);
    assert!(sink.stop().success());
    for (args, expected) in [
        (&["rm", "--all", "--dry-run"][..], "would remove 1 message\n"),
        (&["rm", "--until", "0s", "--dry-run"], "would remove 0 messages\n"),
        (&["rm", "--all"], "removed 1 message\n"),
        (&["rm", "--all", "--dry-run"], "would remove 0 messages\n"),
    ] {
        let (out, errors, code) = sinkctl(counted.path(), args);
        assert_eq!((String::from_utf8(out).unwrap().as_str(), code), (expected, 0), "{errors}");
    }
}

#[test]
fn a_file_without_an_end_is_read_up_to_a_bound() {
    let (data, _) = three_messages();
    let (_, errors, code) = sinkctl(data.path(), &["assert", "--file", "/dev/zero"]);
    let says = "sinkctl: /dev/zero: cannot be read: expected at most 16 MiB, found more\n";
    assert_eq!((errors.as_str(), code), (says, 2));
}
