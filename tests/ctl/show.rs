//! `sinkctl show`: a selected piece of a message for a test, and its parts as files.
use crate::common;

use std::fs;
use std::path::Path;

use common::{Sink, sinkctl};
use tempfile::{TempDir, tempdir};

/// Creates a folder with the named mails of `tests/mail`, in wire form; returns it and the ids.
fn folder_with(names: &[&str]) -> (TempDir, Vec<String>) {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let mut client = sink.connect();
    client.ehlo();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail");
    let deliver = |name: &&str| {
        let mail = fs::read_to_string(corpus.join(format!("{name}.eml"))).unwrap();
        let lines =
            mail.lines().map(|l| if l.starts_with('.') { format!(".{l}") } else { l.into() });
        let wire: String = lines.map(|line| format!("{line}\r\n")).collect();
        client.deliver("a@example.org", "b@example.org", wire.as_bytes())
    };
    let ids = names.iter().map(deliver).collect();
    assert!(sink.stop().success());
    (data, ids)
}

/// Returns the output of `show ID ARGS`, and its exit code.
fn show(data: &TempDir, id: &str, args: &[&str]) -> (String, i32) {
    let all = [&["show", id], args].concat();
    let (out, errors, code) = sinkctl(data.path(), &all);
    assert!(code < 2, "{args:?}: {errors}");
    (String::from_utf8(out).unwrap(), code)
}

#[test]
fn each_selection_is_printed_alone() {
    let (data, ids) = folder_with(&["alternative", "mixed_attachments", "duplicated_headers"]);
    let [alternative, mixed, duplicated] = &ids[..] else { panic!("{ids:?}") };
    for (id, args, expected, code) in [
        (alternative, &["--header", "subject"][..], "Your weekly offers\n", 0),
        (alternative, &["--header", "X-Absent"], "", 1),
        (alternative, &["--links"], "https://shop.example/offers?id=1&week=47\n", 0),
        (alternative, &["--attachments"], "", 1),
        (alternative, &["--part", "4"], "", 1),
        (alternative, &["--part", "9"], "", 1),
        (mixed, &["--text"], "Please find attached.\r\n", 0),
        (mixed, &["--html"], "", 1),
        (mixed, &["--links"], "", 1),
        (mixed, &["--part", "4"], "\u{c4}pfel;2,99 EUR", 0),
        (
            mixed,
            &["--attachments"],
            "3\t120\tapplication/pdf\tinvoice.pdf\n4\t15\ttext/csv\tprices.csv\n",
            0,
        ),
        (duplicated, &["--header", "Subject"], "first\nsecond\n", 0),
    ] {
        assert_eq!(show(&data, id, args), (expected.into(), code), "{args:?}");
    }
    let (text, _) = show(&data, alternative, &["--text"]);
    assert!(text.contains("Gr\u{fc}ne \u{c4}pfel \u{20ac} 2,99.") && !text.contains('<'), "{text}");
    let (html, _) = show(&data, alternative, &["--html"]);
    assert!(html.starts_with("<html>") && html.ends_with("</html>\r\n"), "{html:?}");
    let (headers, _) = show(&data, duplicated, &["--headers"]);
    assert_eq!(headers.lines().count(), 10, "{headers}");
    assert!(headers.contains("\nContent-Type: text/html\nContent-Type: text/plain\n"), "{headers}");
}

#[test]
fn html_is_printed_as_a_page_with_its_images() {
    let (data, ids) = folder_with(&["related_inline_image"]);
    let (page, _) = show(&data, &ids[0], &["--html"]);
    assert!(page.contains("<img src=\"data:image/png;base64,iVBORw0KGgp4eHh4\" alt"), "{page}");
    // A saved page refers to the image file next to it, which can be the second one with its name.
    let folder = data.path().join("saved");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("logo.png"), "another").unwrap();
    show(&data, &ids[0], &["--save", folder.to_str().unwrap()]);
    let page = fs::read_to_string(folder.join("part-2.html")).unwrap();
    assert!(page.contains("<img src=\"./logo-2.png\" alt"), "{page}");
    assert!(folder.join("logo-2.png").exists());
}

#[test]
fn parts_are_listed_with_the_numbers_that_part_accepts() {
    let (data, ids) = folder_with(&["mixed_attachments"]);
    let (json, _) = show(&data, &ids[0], &["--json"]);
    let shown: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(shown["parts"][2]["number"], 3);
    assert_eq!(shown["parts"][2]["file_name"], "invoice.pdf");
    assert_eq!(shown["parts"][2]["disposition"], "attachment");
    assert_eq!(shown["parts"][3]["charset"], "utf-8");
    assert_eq!(shown["parts"][0]["decoded_bytes"], 0);
    assert_eq!(shown["parts_total"], 4);
    let (text, _) = show(&data, &ids[0], &[]);
    assert!(text.contains("\n  application/pdf  120 bytes  invoice.pdf\n"), "{text}");
    assert!(text.ends_with("\nPlease find attached.\n"), "{text:?}");
}

#[test]
fn only_one_selection_is_allowed() {
    let (data, ids) = folder_with(&["alternative"]);
    for args in [&["--text", "--html"][..], &["--json", "--links"], &["--part", "1", "--save", "x"]]
    {
        let all = [&["show", &ids[0]], args].concat();
        let (_, errors, code) = sinkctl(data.path(), &all);
        assert_eq!(code, 2, "{args:?}");
        assert!(errors.contains("cannot be used with"), "{errors}");
    }
}

#[test]
fn parts_are_saved_inside_the_folder_under_safe_names() {
    let (data, ids) = folder_with(&["names_with_paths", "nested_rfc822"]);
    let around = tempdir().unwrap();
    let folder = around.path().join("deep/saved");
    let to = folder.to_str().unwrap();
    let names = || {
        let entries = fs::read_dir(&folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let (printed, code) = show(&data, &ids[0], &["--save", to]);
    assert_eq!((printed.lines().count(), code), (9, 0), "{printed}");
    let expected = [
        "_CON.txt",
        "bashrc",
        "invoicefdp.exe",
        "part-5.txt",
        "passwd",
        "twice",
        "twice-2",
        "x",
        "x-2",
    ];
    assert_eq!(names(), expected);
    assert_eq!(fs::read_to_string(folder.join("passwd")).unwrap(), "a");
    assert_eq!(fs::read_to_string(folder.join("twice")).unwrap(), "g");
    // Saving again creates new files beside the old ones.
    show(&data, &ids[0], &["--save", to]);
    assert_eq!(names().len(), 18);
    assert_eq!(fs::read_to_string(folder.join("twice")).unwrap(), "g");
    assert_eq!(fs::read_to_string(folder.join("twice-3")).unwrap(), "g");
    assert_eq!(fs::read_dir(around.path()).unwrap().count(), 1, "nothing outside the folder");
    let (printed, _) = show(&data, &ids[1], &["--save", to]);
    assert_eq!(printed.lines().count(), 2, "a forwarded message is one file: {printed}");
    let forwarded = fs::read_to_string(folder.join("complaint.eml")).unwrap();
    assert!(forwarded.starts_with("From: carl@example.net\r\n") && forwarded.contains("UEsFBg=="));
}

#[test]
fn parts_that_were_not_stored_are_reported() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1", "--store", "headers"]);
    let mut client = sink.connect();
    client.ehlo();
    let id = client.deliver("a@example.org", "b@example.org", b"Subject: kept\r\n\r\nnot kept\r\n");
    assert!(sink.stop().success());
    for args in [&["--text"][..], &["--html"], &["--links"], &["--attachments"], &["--part", "1"]] {
        let (out, errors, code) = sinkctl(data.path(), &[&["show", &id], args].concat());
        assert_eq!((out.len(), code), (0, 1), "{args:?}");
        assert!(errors.contains("bytes were stored"), "{errors}");
    }
    let folder = data.path().join("saved");
    assert_eq!(show(&data, &id, &["--save", folder.to_str().unwrap()]).1, 1);
    assert!(!folder.exists());
    // The header is complete.
    assert_eq!(show(&data, &id, &["--header", "Subject"]), ("kept\n".into(), 0));
    assert_eq!(show(&data, &id, &["--headers"]), ("Subject: kept\n".into(), 0));
}

#[test]
fn mail_built_to_break_parsers_is_shown() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1"]);
    let mut client = sink.connect();
    client.ehlo();
    // The library's parser overflows the stack on this mail.
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    let id = client.deliver("a@example.org", "b@example.org", nested.as_bytes());
    let screen = "Subject: \u{1b}[2Jgone\r\nX: =?utf-8?q?a=0Ab=1B?=\r\n\r\n\u{1b}[2J\r\n";
    let terminal = client.deliver("a@example.org", "b@example.org", screen.as_bytes());
    assert!(sink.stop().success());
    assert_eq!(show(&data, &id, &[]).1, 0);
    let json = show(&data, &id, &["--json"]).0;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["parts_total"], 65);
    let (text, _) = show(&data, &terminal, &[]);
    assert!(!text.contains('\u{1b}') && text.contains("Subject: \u{fffd}[2Jgone"), "{text}");
    let (value, _) = show(&data, &terminal, &["--header", "X"]);
    assert_eq!(value, "a b\u{fffd}\n", "one value, one line");
    let (text, _) = show(&data, &terminal, &["--text"]);
    assert_eq!(text, "\u{1b}[2J\r\n", "as it is, where no terminal obeys it");
}
