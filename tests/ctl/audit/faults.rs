//! Each kind of fault is found with its location, and no other fault is reported.
use super::campaign::{AuditOutput, Campaign, about, address, audit, audit_on, list};
use crate::common::sinkctl;

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(fault, who)| ((*fault).to_owned(), (*who).to_owned())).collect()
}

/// Twenty people: 3 got nothing, 7 got two messages, 11 and 12 got each other's, and a stranger got
/// one.
fn faulty() -> (Campaign, String) {
    let mut campaign = Campaign::start(&[]);
    for n in (0..20).filter(|n| *n != 3) {
        let about = match n {
            11 => 12,
            12 => 11,
            n => n,
        };
        campaign.send_to(&address(n), about);
        if n == 7 {
            campaign.send_to(&address(n), about);
        }
    }
    campaign.send_to("stranger@example.org", 99);
    let list = campaign.file("list.csv", list(0..20));
    (campaign, list)
}

#[test]
fn planted_faults_are_found_and_no_others() {
    let (campaign, list) = faulty();
    let output = campaign.audit(&["--expect", &list, "--must-contain", "name", "--csv"]);
    let expected = [
        ("missing", "person3@example.com"),
        ("repeated", "person7@example.com"),
        ("unexpected", "stranger@example.org"),
        ("wrong_person", "person11@example.com"),
        ("wrong_person", "person12@example.com"),
    ];
    assert_eq!(output.offenders(), pairs(&expected));
    assert_eq!((output.code, output.errors.as_str()), (1, ""));

    let json = campaign.audit(&["--expect", &list, "--json"]).json();
    assert_eq!(json["verdict"], "not_exactly_once");
    let expected = &json["expected"];
    let numbers = ["rows", "recipients", "once", "missing", "unexpected"].map(|key| &expected[key]);
    assert_eq!(numbers.map(|n| n.as_u64().unwrap()), [20, 20, 18, 1, 1]);
    let repeated = &json["offenders"][1];
    assert_eq!((&repeated["same"], &repeated["count"]), (&"both".into(), &2.into()));
    assert_eq!((&repeated["first_reply"], &repeated["line"]), (&"acknowledged".into(), &9.into()));
    assert_eq!(repeated["messages"].as_array().unwrap().len(), 2);
}

#[test]
fn each_one_got_exactly_one_message_exits_with_0() {
    let mut campaign = Campaign::start(&[]);
    (0..5).for_each(|n| drop(campaign.send_to(&address(n), n)));
    let list = campaign.file("list.csv", list(0..5));
    let output = campaign.audit(&["--expect", &list, "--must-contain", "name"]);
    assert!(output.out.starts_with("exactly once: yes\n"), "{}", output.out);
    assert_eq!((output.code, output.errors.as_str()), (0, ""));
    assert_eq!(campaign.audit(&["--expect", &list, "--csv"]).out.lines().count(), 1);
}

#[test]
fn a_report_for_ci_has_a_test_case_for_each_thing_that_was_checked() {
    let (campaign, list) = faulty();
    let report = campaign.root.path().join("junit.xml");
    let report_text = report.to_str().unwrap();
    campaign.audit(&["--expect", &list, "--junit", report_text]);
    let xml = std::fs::read_to_string(&report).unwrap();
    assert!(xml.contains("tests=\"3\" failures=\"3\" errors=\"0\""), "{xml}");
    let failure = "<failure message=\"1 missing\" type=\"missing\">person3@example.com\n</failure>";
    assert!(xml.contains(failure), "{xml}");
    // An audit that fails early removes the report of an earlier one.
    campaign.audit(&["--expect", "/nowhere", "--junit", report_text]);
    let xml = std::fs::read_to_string(&report).unwrap();
    assert!(xml.contains("the audit did not end") && xml.contains("errors=\"1\""), "{xml}");
}

#[test]
fn copies_are_distinguished_by_message_id_and_content() {
    let mut campaign = Campaign::start(&[]);
    let mut send = |n: usize, id: &str, text: &str| {
        let wire = format!("Subject: s\r\nMessage-ID: <{id}>\r\n\r\n{text}\r\n");
        campaign.send("a@b.example", &address(n), &wire);
    };
    send(0, "a", "x");
    send(0, "a", "x");
    send(1, "b", "x");
    send(1, "b", "y");
    send(2, "c", "x");
    send(2, "d", "x");
    send(3, "e", "x");
    send(3, "f", "y");
    let list = campaign.file("list.csv", list(0..4));
    let json = campaign.audit(&["--expect", &list, "--json"]).json();
    let same: Vec<_> = json["offenders"].as_array().unwrap().iter().map(|it| &it["same"]).collect();
    assert_eq!(same, ["both", "message_id", "content", "nothing"]);
    let repeated = &json["repeated"];
    let keys = ["same_message_id_and_content", "same_message_id", "same_content", "different"];
    assert_eq!(keys.map(|key| repeated[key].as_u64().unwrap()), [1, 1, 1, 1]);
}

#[test]
fn numbers_need_no_list_and_their_gaps_repeats_and_order_are_found() {
    let mut campaign = Campaign::start(&[]);
    for n in [1, 2, 5, 4, 8, 8] {
        campaign.send_to(&address(n), n);
    }
    let output = campaign.audit(&["--sequence", "--csv"]);
    let expected = pairs(&[("missing", "3"), ("missing", "6-7"), ("repeated", "8")]);
    assert_eq!((output.offenders(), output.code), (expected, 1));
    let output = campaign.audit(&["--sequence", "--numbers", "2-9", "--in-order", "--csv"]);
    let expected = [
        ("missing", "3"),
        ("missing", "6-7"),
        ("missing", "9"),
        ("repeated", "8"),
        ("unexpected", "1"),
        ("out_of_order", "4"),
    ];
    let mut found = output.offenders();
    found.sort();
    let mut expected = pairs(&expected);
    expected.sort();
    assert_eq!(found, expected);
    let json = campaign.audit(&["--sequence", "--json"]).json();
    let order = &json["order"];
    assert_eq!((&order["out_of_order"], &order["distance_max"]), (&1.into(), &1.into()));
    assert_eq!(json["expected"]["missing"], 3);
}

#[test]
fn content_that_changed_and_messages_that_came_late_are_found() {
    let mut campaign = Campaign::start(&[]);
    let mut send = |n: usize, checksum: &str, sent: &str| {
        let wire = format!("X-Content-CRC32C: {checksum}\r\n{sent}\r\n\r\n123456789\r\n");
        campaign.send("a@b.example", &address(n), &wire);
    };
    let checksum = format!("{:08x}", crc_fast::crc32_iscsi(b"123456789\r\n"));
    send(0, &checksum, "Date: Fri, 01 Jan 2100 00:00:00 +0000");
    send(1, "00000000", "Date: Fri, 01 Jan 2100 00:00:00 +0000");
    send(2, &checksum, "Date: Sat, 21 Nov 2020 08:00:00 +0000");
    let list = campaign.file("list.csv", list(0..3));
    let args = ["--expect", &list, "--check-content", "--sent-field", "Date"];
    let output = campaign.audit(&[&args[..], &["--late-after", "1h", "--csv"]].concat());
    let expected = pairs(&[("changed", "person1@example.com"), ("late", "person2@example.com")]);
    assert_eq!((output.offenders(), output.code), (expected, 1));
}

#[test]
fn the_key_can_be_a_header_a_verp_part_or_a_pattern_match() {
    let mut campaign = Campaign::start(&[]);
    let from = "bounce+ada=example.com@sender.example";
    campaign.send(from, "hidden@relay.example", "X-Member: id 0042\r\n\r\nx\r\n");
    let list = campaign.file("list.csv", "email,member\nada@EXAMPLE.com,42\n");
    for args in [
        &["--key", "verp"][..],
        &["--key", "header:x-member", "--key-match", "id 0*([0-9]+)", "--column", "member"],
        &["--key", "from", "--key-match", "\\+(ada)", "--column", "email", "--ignore-case"],
    ] {
        let output = campaign.audit(&[&["--expect", &list][..], args].concat());
        let expected = if args[1] == "from" { 1 } else { 0 };
        assert_eq!(output.code, expected, "{args:?}: {}{}", output.out, output.errors);
    }
}

#[test]
fn plus_parts_and_case_are_significant_unless_folded() {
    let mut campaign = Campaign::start(&[]);
    campaign.send_to("Person0+news@EXAMPLE.com", 0);
    let list = campaign.file("list.csv", list(0..1));
    let code = |args: &[&str]| campaign.audit(&[&["--expect", &list], args].concat()).code;
    assert_eq!(code(&[]), 1);
    assert_eq!(code(&["--ignore-case"]), 1);
    assert_eq!(code(&["--ignore-case", "--fold-plus"]), 0);
}

#[test]
fn a_query_and_a_span_select_the_messages_of_one_campaign() {
    let mut campaign = Campaign::start(&[]);
    campaign.send("a@b.example", &address(0), "Subject: July\r\n\r\nx\r\n");
    campaign.send("a@b.example", &address(0), "Subject: August\r\n\r\nx\r\n");
    let list = campaign.file("list.csv", list(0..1));
    let code = |args: &[&str]| campaign.audit(&[&["--expect", &list], args].concat()).code;
    assert_eq!(code(&[]), 1);
    assert_eq!(code(&["subject:july"]), 0);
    assert_eq!(code(&["subject:may"]), 2);
    assert_eq!(code(&["--until", "2020-01-01"]), 2);
}

#[test]
fn a_run_has_all_its_messages_and_no_earlier_ones() {
    let mut campaign = Campaign::start(&[]);
    let list = campaign.file("list.csv", list(0..2));
    for name in ["first", "second"] {
        let (_, errors, code) = sinkctl(&campaign.data(), &["run", "start", name]);
        assert_eq!(code, 0, "{errors}");
        (0..2).for_each(|n| drop(campaign.send_to(&address(n), n)));
        let (_, errors, code) = sinkctl(&campaign.data(), &["run", "stop"]);
        assert_eq!(code, 0, "{errors}");
    }
    for name in ["first", "second"] {
        let output = campaign.audit(&["--expect", &list, "--run", name, "--json"]);
        assert_eq!((output.code, &output.json()["messages"]), (0, &2.into()), "{}", output.out);
    }
}

#[test]
fn a_recipient_that_a_message_names_twice_got_one_message() {
    let mut campaign = Campaign::start(&[]);
    campaign.send_to_all(&["person0@example.com", "PERSON0@EXAMPLE.COM"], 0);
    let list = campaign.file("list.csv", list(0..1));
    let output = campaign.audit(&["--expect", &list, "--ignore-case", "--json"]);
    assert_eq!(
        (output.code, &output.json()["repeated"]["named_again"]),
        (0, &1.into()),
        "{}",
        output.out
    );
}

#[test]
fn several_folders_are_audited_as_one() {
    let (one, two) = (Campaign::start(&[]), Campaign::start(&[]));
    let mut both = [one, two];
    (0..4).for_each(|n| drop(both[n % 2].send_to(&address(n), n)));
    both[1].send_to(&address(0), 0);
    let list = both[0].file("list.csv", list(0..4));
    let folders = [both[0].data(), both[1].data()];
    let folders = [folders[0].as_path(), folders[1].as_path()];
    let output = audit_on(&folders, &["--expect", &list]);
    assert!(output.out.starts_with("exactly once: no: 1 repeated\n"), "{}", output.out);
    let json = audit_on(&folders, &["--expect", &list, "--json"]).json();
    let messages = json["offenders"][0]["messages"].as_array().unwrap();
    let folders: Vec<_> = messages.iter().map(|it| it["folder"].as_str().unwrap()).collect();
    assert!(folders[0].ends_with("data") && folders[0] != folders[1], "{folders:?}");
}

#[test]
fn damaged_removed_or_only_counted_messages_leave_the_conclusion_open() {
    let (mut campaign, list) = faulty();
    let id = campaign.send_to(&address(0), 0);
    let (_, errors, code) = sinkctl(&campaign.data(), &["rm", &id]);
    assert_eq!(code, 0, "{errors}");
    let output = campaign.audit(&["--expect", &list, "--json"]);
    assert_eq!(output.code, 1, "a repeated one is certain: {}", output.out);
    assert!(output.json()["doubts"][0].as_str().unwrap().contains("1 removed"), "{}", output.out);
    let missing = campaign.file("some.csv", super::campaign::list([3]));
    let output = campaign.audit(&["--expect", &missing, "to:person3@example.com", "--json"]);
    assert_eq!(output.code, 2, "{}", output.out);

    let mut counted = Campaign::start(&["--store", "none"]);
    counted.send_to(&address(0), 0);
    let output = counted.audit(&["--expect", &list]);
    assert_eq!(output.code, 2, "{}", output.out);
    assert!(output.errors.contains("1 only counted"), "{}", output.errors);
}

#[test]
fn bodies_that_are_not_stored_leave_their_content_undecided() {
    let mut campaign = Campaign::start(&["--store", "envelope"]);
    campaign.send_to(&address(0), 0);
    let list = campaign.file("list.csv", list(0..1));
    assert_eq!(campaign.audit(&["--expect", &list]).code, 0);
    let output = campaign.audit(&["--expect", &list, "--must-contain", "name"]);
    assert_eq!(output.code, 2);
    assert!(output.errors.contains("1 message was not stored in full"), "{}", output.errors);
    campaign.send_to(&address(0), 0);
    let output = campaign.audit(&["--expect", &list]);
    assert!(output.out.contains("messages that are not stored"), "{}", output.out);
}

#[test]
fn a_folder_without_mail_gives_no_conclusion() {
    let campaign = Campaign::start(&[]);
    let list = campaign.file("list.csv", list(0..1));
    let output = campaign.audit(&["--expect", &list]);
    assert_eq!(output.code, 2);
    assert!(output.errors.contains("no messages were selected"), "{}", output.errors);
    let AuditOutput { errors, code, .. } = audit(campaign.root.path(), &["--expect", &list]);
    assert_eq!(code, 2);
    assert!(errors.contains("neither segments nor statistics"), "{errors}");
}

#[test]
fn the_result_does_not_depend_on_the_memory_limit() {
    let mut campaign = Campaign::start(&[]);
    let filler = "x".repeat(300);
    for n in 0..60 {
        campaign.send("a@b.example", &format!("{filler}{n}@example.com"), &about(n));
    }
    let rows: String = (0..60).map(|n| format!("{filler}{},{n}\n", address(n))).collect();
    let list = campaign.file("list.csv", format!("email,name\n{rows}"));
    let with = |memory: &str| campaign.audit(&["--expect", &list, "--csv", "--memory", memory]).out;
    assert_eq!(with("1M"), with("1G"));
}
