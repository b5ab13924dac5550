//! `ls --csv` and `search --csv`: the rows of `--json` as a table.
use crate::common;
use crate::output::{Output, run_on};

use std::path::Path;

use common::{Sink, sinkctl};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// Subjects and file names with everything that CSV must quote, and content that a spreadsheet
/// would execute.
const SUBJECTS: [&str; 6] = [
    "one, two; \"three\"",
    "=?utf-8?q?Gr=C3=BC=C3=9Fe=0D=0Anext_line=0Aand_=22another=22?=",
    "=HYPERLINK(\"http://example.org\",\"x\")",
    "=?utf-8?q?=09tab_and_=1B[31m?=",
    "",
    "@plain",
];
const RECIPIENTS: [&[&str]; 3] = [
    &["b@example.org"],
    &["\"a;b\"@example.org", "c@example.org", "c@example.org"],
    &["\"x,\\\"y\"@example.org", "=formula@example.org"],
];

/// A folder of six messages.
fn filled() -> TempDir {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--index", "off", "--workers", "1"]);
    let mut client = sink.connect();
    client.ehlo();
    for (n, subject) in SUBJECTS.iter().enumerate() {
        let from = if n == 4 { "" } else { "a@example.org" };
        assert_eq!(client.command(&format!("MAIL FROM:<{from}>")), 250);
        for path in RECIPIENTS[n % RECIPIENTS.len()] {
            assert_eq!(client.command(&format!("RCPT TO:<{path}>")), 250, "{path}");
        }
        assert_eq!(client.command("DATA"), 354);
        let wire = format!(
            "Subject: {subject}\r\nMessage-ID: <{n}@example.org>\r\nContent-Disposition: \
             attachment; filename=\"bill; {n}.pdf\"\r\n\r\nhello\r\n.\r\n"
        );
        client.send(wire.as_bytes());
        assert_eq!(client.reply().0, 250);
    }
    assert!(sink.stop().success());
    data
}

fn run_words(folders: &[&Path], args: &str) -> Output {
    let args: Vec<&str> = args.split(' ').collect();
    run_on(folders, &args)
}

/// Header and rows.
fn table(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let cells = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect();
    let header = cells(reader.headers().unwrap());
    (header, reader.records().map(|record| cells(&record.unwrap())).collect())
}

/// Returns the cell of a value, as specified in docs/search.md.
fn cell(value: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap().replace('\\', r"\\").replace(';', r"\;");
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    }
}

/// Returns the table expected from `--json` with the same arguments.
fn expected(folders: &[&Path], args: &str, columns: &[String]) -> Vec<Vec<String>> {
    let Output { stdout: objects, .. } = run_words(folders, &format!("{args} --json"));
    let pointers: Vec<String> =
        columns.iter().map(|column| format!("/{}", column.replace('.', "/"))).collect();
    let is_per_recipient = args.contains("--per-recipient");
    let row = |line: &str| {
        let object: Value = serde_json::from_str(line).unwrap();
        let value = |pointer: &String| match pointer.as_str() {
            "/rcpt_to" if is_per_recipient => cell(&object["rcpt_to"][0]),
            pointer => object.pointer(pointer).map_or(String::new(), cell),
        };
        pointers.iter().map(value).collect()
    };
    objects.lines().map(row).collect()
}

const ALL: &str = "folder,id,received_at,mail_from,rcpt_to,size,store,flags,deviations,reply,\
                   transaction_us,session,client,peer,listener,sink,user,auth,tls.version,\
                   tls.cipher,tls.server_name,tls.client_subject,tls.resumed,tls.handshake_us,\
                   subject,message_id,file_names,content_hash,sequence";

#[test]
fn rows_of_csv_are_the_rows_of_json_whatever_is_in_the_mail() {
    let data = filled();
    let folder = &[data.path()];
    // Before and after the content is indexed: null, then text.
    for _ in 0..2 {
        for args in ["ls", "ls --reverse --offset 1 --limit 3", "ls --per-recipient", "search"] {
            let Output { stdout, stderr, code } =
                run_words(folder, &format!("{args} --csv --columns {ALL}"));
            assert_eq!(code, 0, "{stderr}");
            let (header, rows) = table(&stdout);
            assert_eq!(header.join(","), ALL);
            assert_eq!(rows, expected(folder, args, &header), "{args}");
            assert!(!rows.is_empty() && !stdout.contains(",\r\n"), "lines end with LF: {stdout}");
        }
        assert_eq!(sinkctl(data.path(), &["reindex"]).2, 0);
    }
    let Output { stdout, .. } = run_words(folder, "ls --csv --columns subject,size");
    let subjects: Vec<String> = table(&stdout).1.into_iter().map(|mut row| row.remove(0)).collect();
    assert_eq!(subjects[0], SUBJECTS[0]);
    assert_eq!(subjects[2], SUBJECTS[2], "formulas stay data");
    assert_eq!(subjects[4], "");
}

#[test]
fn each_recipient_has_a_row_of_its_own_on_request() {
    let data = filled();
    let Output { stdout, .. } =
        run_words(&[data.path()], "ls --csv --columns id,rcpt_to --per-recipient");
    let paths: Vec<String> = table(&stdout).1.into_iter().map(|mut row| row.remove(1)).collect();
    assert_eq!(paths, [RECIPIENTS.concat(), RECIPIENTS.concat()].concat());
    let Output { stdout: objects, .. } = run_words(&[data.path()], "search --json --per-recipient");
    let objects = objects.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let counts: Vec<usize> =
        objects.map(|object| object["rcpt_to"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [1; 12]);
    // The limit applies to messages.
    let Output { stdout, stderr, .. } =
        run_words(&[data.path()], "ls --csv --per-recipient --limit 2");
    assert_eq!(table(&stdout).1.len(), 4);
    assert!(stderr.contains("2 of 6 messages are listed"), "{stderr}");
}

#[test]
fn a_table_without_messages_is_only_its_header() {
    let data = filled();
    let header = "id,received_at,mail_from,rcpt_to,size,flags,session,client,subject,message_id,\
                  content_hash,sequence\n";
    for (args, exit) in [("ls --csv --since 2100-01-01", 0), ("search --csv subject:xyzzy", 1)] {
        let Output { stdout: out, stderr: errors, code } = run_words(&[data.path()], args);
        assert_eq!((out.as_str(), errors.as_str(), code), (header, "", exit), "{args}");
    }
}

#[test]
fn rows_of_several_folders_name_the_folder_in_the_first_column() {
    let (one, two) = (filled(), filled());
    let folders = &[one.path(), two.path()];
    for args in ["ls", "search"] {
        let Output { stdout, code, .. } = run_words(folders, &format!("{args} --csv"));
        let (header, rows) = table(&stdout);
        assert_eq!((code, header[0].as_str(), rows.len()), (0, "folder", 12));
        assert_eq!(rows, expected(folders, args, &header));
        let Output { stdout, .. } = run_words(folders, &format!("{args} --csv --columns id"));
        assert_eq!(table(&stdout).0, ["id"], "chosen columns are all there are");
    }
}
