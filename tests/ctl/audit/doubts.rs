//! Conditions that an audit must report as doubts: each of them once caused a wrong conclusion.
use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::slice;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sinkd::analysis::FolderSpans;
use sinkd::analysis::audit::{
    AddressFolding, AuditConclusion, AuditDoubt, AuditQuestion, AuditStage, ContentRule,
    ExpectedList, FolderNames, KeyKind, KeyRule, KeySource, ListRule, LogRule, MessageRule,
    NumberRange, OrderRule, RowRule, audit,
};
use sinkd::time::{Clock, Span, UnixNs};

use super::campaign::{Campaign, address, audit_on, list};
use crate::common::program;

fn stopped(persons: usize) -> (Campaign, String) {
    let mut campaign = Campaign::start(&["--workers", "1"]);
    (0..persons).for_each(|n| drop(campaign.send_to(&address(n), n)));
    campaign.stop();
    let list = campaign.file("list.csv", list(0..persons));
    (campaign, list)
}

/// Returns the file of the only segment with mail.
fn segment(campaign: &Campaign) -> std::path::PathBuf {
    let files = fs::read_dir(campaign.data().join("segments")).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().find(|path| path.extension().is_some_and(|it| it == "seg")).unwrap()
}

#[test]
fn a_segment_that_cannot_be_opened_leaves_the_conclusion_open() {
    let (campaign, list) = stopped(3);
    let file = fs::File::options().write(true).open(segment(&campaign)).unwrap();
    file.write_all_at(b"\xff", 20).unwrap();
    let output = campaign.audit(&["--expect", &list, "--json"]);
    assert_eq!(output.code, 2, "{}{}", output.out, output.errors);
    let doubts = output.json()["doubts"].to_string();
    assert!(doubts.contains("1 segment is damaged or cannot be read"), "{doubts}");
}

#[test]
fn a_missing_segment_leaves_the_conclusion_open() {
    let (campaign, list) = stopped(3);
    fs::remove_file(segment(&campaign)).unwrap();
    let output = campaign.audit(&["--expect", &list, "--json"]);
    assert_eq!(output.code, 2, "{}{}", output.out, output.errors);
    let doubts = output.json()["doubts"].to_string();
    assert!(doubts.contains("3 messages in the statistics are missing from the log"), "{doubts}");
}

#[test]
fn a_reader_that_closes_its_end_does_not_change_the_exit_code() {
    let (campaign, _) = stopped(1);
    let list = campaign.file("long.csv", list(0..5_000));
    for form in ["--json", "--csv", "--limit=5000"] {
        let mut command = program(env!("CARGO_BIN_EXE_sinkctl"));
        command.arg("--data").arg(campaign.data()).args(["audit", "--expect", &list, form]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let errors = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), errors.as_str()), (Some(1), ""), "{form}");
    }
}

#[test]
fn auditing_a_folder_together_with_its_copy_is_refused() {
    let (campaign, list) = stopped(1);
    let copy = campaign.root.path().join("copy");
    fs::create_dir_all(copy.join("segments")).unwrap();
    let file = segment(&campaign);
    fs::copy(&file, copy.join("segments").join(file.file_name().unwrap())).unwrap();
    let output = audit_on(&[&campaign.data(), &copy], &["--expect", &list]);
    assert_eq!(output.code, 2, "{}", output.out);
    assert!(output.errors.contains("hold the same log"), "{}", output.errors);
}

#[test]
fn columns_without_values_are_not_checked() {
    let (campaign, _) = stopped(2);
    let list = campaign.file("list.csv", format!("email,name\n{},\n{},\n", address(0), address(1)));
    let output = campaign.audit(&["--expect", &list, "--must-contain", "name", "--json"]);
    assert_eq!(output.code, 2, "{}", output.out);
    let persons = &output.json()["persons"];
    assert_eq!((&persons["checked"], &persons["without_value"]), (&0.into(), &2.into()));
}

#[test]
fn messages_without_a_number_are_not_gaps_in_a_sequence() {
    let (campaign, _) = stopped(2);
    let output = campaign.audit(&["--sequence", "--key", "header:X-None", "--json"]);
    assert_eq!(output.code, 2, "{}", output.out);
    assert_eq!(
        (&output.json()["without_key"], &output.json()["expected"]["missing"]),
        (&2.into(), &0.into())
    );
}

/// The system clock; the tests do not wait by it.
struct Now;

impl Clock for Now {
    fn now(&self) -> UnixNs {
        UnixNs::of_duration(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
    }

    fn pause(&self, _: Duration) {}
}

#[test]
fn mail_that_arrives_during_an_audit_leaves_the_conclusion_open() {
    let mut campaign = Campaign::start(&["--workers", "1"]);
    campaign.send_to(&address(0), 0);
    let text = list(0..1);
    let folding = AddressFolding::default();
    let kind = KeyKind::Text;
    let key = KeyRule { source: KeySource::Recipient, pattern: None, kind, folding };
    let (content, log) = (ContentRule::Ignored, LogRule::Without);
    let must_contain = vec!["name".to_owned()];
    let rule = ListRule { column: None, must_contain, separator: b',' };
    let question = AuditQuestion {
        messages: MessageRule { key, content, late: None, log },
        list: Some(ExpectedList { input: Box::new(text.as_bytes()), rule }),
        numbers: NumberRange { first: None, last: None },
        logs: Vec::new(),
        clocks_within: Duration::ZERO,
        order: OrderRule::Counted,
        rows: RowRule::Repeated,
        selected: None,
        doubts: Vec::new(),
        names: FolderNames::default(),
        memory_bytes: 1 << 20,
    };
    let (folder, span) = (campaign.data(), Span::ALL);
    let (folders, spans) = (slice::from_ref(&folder), slice::from_ref(&span));
    let selection = FolderSpans { folders, spans, clock: &Now };
    // By the time messages are read, envelopes have been read.
    let mut watch = |stage, _, _| {
        if stage == AuditStage::Bodies {
            campaign.send_to(&address(1), 1);
        }
    };
    let answer = audit(selection, question, &AtomicBool::new(false), &mut watch).unwrap();
    assert_eq!(answer.figures.conclusion, AuditConclusion::Inconclusive);
    assert_eq!(answer.figures.doubts, [AuditDoubt::Arrived(1)]);
    assert_eq!(AuditDoubt::Arrived(1).to_string(), "1 message arrived during the audit");
}
