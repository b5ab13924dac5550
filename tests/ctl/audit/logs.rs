//! Logs of senders, compared with the received mail.
use super::campaign::{AuditOutput, Campaign, address, list};

/// A line as Postfix writes it.
fn postfix(to: &str, id: &str) -> String {
    format!(
        "2026-11-28T10:00:01.000000+00:00 mx postfix/smtp[12]: 4XyZ: to=<{to}>, \
         relay=sink[127.0.0.1]:25, delay=0.1, delays=0/0/0/0.1, dsn=2.0.0, status=sent \
         (250 2.0.0 Ok {id})\n"
    )
}

/// The time in the log is far from now, as it is not tested here.
const ANY_TIME: [&str; 2] = ["--clocks-within", "36500d"];

fn audit(campaign: &Campaign, log: &str, args: &[&str]) -> AuditOutput {
    let log = campaign.file("mail.log", log);
    campaign.audit(&[&["--sender-log", &log], &ANY_TIME[..], args].concat())
}

fn sent(persons: usize) -> (Campaign, String) {
    let mut campaign = Campaign::start(&[]);
    let lines = (0..persons).map(|n| {
        let id = campaign.send_to(&address(n), n);
        postfix(&address(n), &id)
    });
    let log = lines.collect();
    (campaign, log)
}

fn offenders(output: &AuditOutput) -> Vec<(String, String)> {
    output.offenders()
}

fn pair(fault: &str, who: &str) -> (String, String) {
    (fault.to_owned(), who.to_owned())
}

#[test]
fn a_correct_log_needs_no_list() {
    let (campaign, log) = sent(3);
    let output = audit(&campaign, &log, &[]);
    assert_eq!((output.code, output.errors.as_str()), (0, ""), "{}", output.out);
    assert!(output.out.starts_with("as the sender's log says: yes\n"), "{}", output.out);
    let json = audit(&campaign, &(log.clone() + &log), &["--json"]).json();
    let log = &json["sender_log"];
    assert_eq!((&log["confirmed"], &log["repeated"]), (&3.into(), &3.into()));
    let list = campaign.file("list.csv", list(0..3));
    let output = campaign.audit(&["--expect", &list]);
    assert_eq!(output.code, 0);
}

#[test]
fn mail_only_in_the_log_and_mail_missing_from_it_are_found() {
    let (mut campaign, mut log) = sent(3);
    log += &postfix("lost@example.com", "9:99");
    campaign.send_to(&address(7), 7);
    let output = audit(&campaign, &log, &["--csv"]);
    let expected =
        [pair("only_in_log", "lost@example.com"), pair("not_in_log", "person7@example.com")];
    assert_eq!((offenders(&output), output.code), (expected.to_vec(), 1));
    assert!(output.out.contains("mail.log:4: no message 9:99"), "{}", output.out);
}

#[test]
fn an_id_alone_proves_nothing_because_ids_repeat_between_folders() {
    let (mut campaign, _) = sent(0);
    let id = campaign.send_to(&address(0), 0);
    let output = audit(&campaign, &postfix("other@example.com", &id), &["--csv"]);
    let expected =
        [pair("only_in_log", "other@example.com"), pair("not_in_log", "person0@example.com")];
    assert_eq!(offenders(&output), expected);
    assert!(output.out.contains("is for another recipient"), "{}", output.out);

    let log = campaign.file("mail.log", postfix(&address(0), &id));
    let output = campaign.audit(&["--sender-log", &log, "--csv"]);
    assert_eq!(output.code, 1, "the log is of another time");
    assert!(output.out.contains("after the time in the log"), "{}", output.out);
    let timeless =
        postfix(&address(0), &id).replace("2026-11-28T10:00:01.000000+00:00", "Nov 28 10:00:01");
    let log = campaign.file("mail.log", timeless);
    let json = campaign.audit(&["--sender-log", &log, "--json"]).json();
    assert_eq!(json["verdict"], "as_logged");
    assert_eq!(json["sender_log"]["confirmed_without_time"], 1);
}

#[test]
fn lines_about_unselected_messages_are_not_faults() {
    let (campaign, log) = sent(3);
    let output = audit(&campaign, &log, &["subject:\"for 1\"", "--json"]);
    assert_eq!(output.code, 0, "{}", output.out);
    let log = &output.json()["sender_log"];
    assert_eq!((&log["confirmed"], &log["not_selected"]), (&1.into(), &2.into()));
}

#[test]
fn a_truncated_log_or_bad_lines_leave_the_conclusion_open() {
    let (campaign, log) = sent(2);
    let output = audit(&campaign, log.trim_end(), &[]);
    assert_eq!(output.code, 2, "{}", output.out);
    assert!(output.errors.contains("mail.log: its end is missing"), "{}", output.errors);
    let output = audit(&campaign, &(log + &postfix("a@example.com", "0:1")), &[]);
    assert_eq!(output.code, 2, "{}", output.out);
    assert!(output.errors.contains("mail.log:3: "), "{}", output.errors);
    let output = audit(&campaign, "nothing\n", &[]);
    assert_eq!(output.code, 2);
    assert!(
        output.errors.contains("no line of a sender's log contains an ID"),
        "{}",
        output.errors
    );
}

#[test]
fn a_list_and_a_log_are_audited_together() {
    let (campaign, log) = sent(2);
    let list = campaign.file("list.csv", list(0..3));
    let output = audit(&campaign, &log, &["--expect", &list]);
    assert!(output.out.starts_with("exactly once: no: 1 missing\n"), "{}", output.out);
}
