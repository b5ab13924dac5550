//! Recipient lists as users export them, good and bad.
use std::fs::File;
use std::io::Write;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::campaign::{Campaign, address, list};

fn campaign(persons: usize) -> Campaign {
    let mut campaign = Campaign::start(&[]);
    (0..persons).for_each(|n| drop(campaign.send_to(&address(n), n)));
    campaign
}

#[test]
fn lists_exported_from_spreadsheets_are_read() {
    let campaign = campaign(2);
    let rows = list(0..2);
    let many: String = rows
        .lines()
        .map(|row| format!("{}{row}\n", (0..98).map(|n| format!("c{n},")).collect::<String>()))
        .collect();
    for (name, text, args) in [
        ("crlf", rows.replace('\n', "\r\n").into_bytes(), &[][..]),
        ("bom", format!("\u{feff}{rows}").into_bytes(), &[]),
        ("quoted", rows.replace("person", "\"person").replace(".com", ".com\"").into_bytes(), &[]),
        ("semicolon", rows.replace(',', ";").into_bytes(), &["--separator", ";"]),
        ("tab", rows.replace(',', "\t").into_bytes(), &["--separator", "tab"]),
        ("no end", rows.trim_end().to_owned().into_bytes(), &[]),
        ("empty lines", rows.replace('\n', "\n\n").into_bytes(), &[]),
        ("a hundred columns", many.into_bytes(), &[]),
        ("another column", rows.replace("email", "Rcpt").into_bytes(), &["--column", "rcpt"]),
    ] {
        let list = campaign.file("list.csv", text);
        let output = campaign.audit(&[&["--expect", &list][..], args].concat());
        assert_eq!((output.code, output.errors.as_str()), (0, ""), "{name}: {}", output.out);
    }
}

#[test]
fn repeated_rows_are_counted_and_are_errors_only_on_request() {
    let campaign = campaign(1);
    let list = campaign.file("list.csv", list([0, 0, 0]));
    let output = campaign.audit(&["--expect", &list, "--json"]);
    assert_eq!(output.code, 0, "{}", output.out);
    assert_eq!(output.json()["expected"]["repeated_rows"], 2);
    let output = campaign.audit(&["--expect", &list, "--unique-rows"]);
    assert_eq!(output.code, 2);
    assert!(output.errors.contains("2 rows of the list repeat a recipient"), "{}", output.errors);
}

#[test]
fn an_unusable_row_is_reported_and_leaves_the_conclusion_open() {
    let campaign = campaign(1);
    let text =
        list(0..1) + "Bob <bob@example.com>,x\n\"a b\"@example.com,y\nno address,z\none cell\n";
    let list = campaign.file("list.csv", text);
    let output = campaign.audit(&["--expect", &list]);
    assert_eq!(output.code, 2, "{}", output.out);
    for line in [
        "list.csv:3: expected a bare address such as ann@example.org, without a name",
        "list.csv:4: expected a bare address",
        "list.csv:5: expected a bare address",
        "list.csv:6: expected as many cells as the header line (2), found 1",
    ] {
        assert!(output.errors.contains(line), "{line}: {}", output.errors);
    }
    let latin1 = campaign.file("latin1.csv", b"email,name\nb\xfccher@example.com,x\n");
    let output = campaign.audit(&["--expect", &latin1]);
    assert!(output.errors.contains("latin1.csv:2: not UTF-8"), "{}", output.errors);
}

#[test]
fn an_unreadable_list_is_an_error_with_its_reason() {
    let campaign = campaign(1);
    for (text, says) in [
        (&b""[..], "the file is empty"),
        (b"person0@example.com\n", "the header line has: person0@example.com"),
        (b"\xff\xfee\0m\0", "UTF-16"),
        (b"email,name\n\"person0@example.com,x\n", "inside a quoted cell"),
    ] {
        let list = campaign.file("list.csv", text);
        let output = campaign.audit(&["--expect", &list]);
        assert_eq!(output.code, 2);
        assert!(
            output.errors.contains(says) && output.errors.contains("list.csv"),
            "{}",
            output.errors
        );
    }
    let output = campaign.audit(&["--expect", "/nowhere/list.csv"]);
    assert!(output.errors.contains("/nowhere/list.csv"), "{}", output.errors);
    let empty = campaign.file("list.csv", "email\n");
    let output = campaign.audit(&["--expect", &empty]);
    assert_eq!(output.code, 2);
    assert!(output.errors.contains("the list has no usable rows"), "{}", output.errors);
    let output = campaign.audit(&[]);
    assert_eq!(output.code, 2);
    assert!(output.errors.contains("--expect FILE"), "{}", output.errors);
}

#[test]
fn a_list_may_be_compressed_also_on_standard_input() {
    let campaign = campaign(2);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(list(0..2).as_bytes()).unwrap();
    let path = campaign.file("list.csv.gz", gzip.finish().unwrap());
    for expect in [path.as_str(), "-"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sinkctl"));
        command.args(["audit", "--expect", expect, "--data"]).arg(campaign.data());
        let output = command.stdin(File::open(&path).unwrap()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*errors), (Some(0), ""), "{expect}");
    }
}
