//! Replays to targets that answer arbitrarily.
use super::*;
use crate::log::reader::Folder;
use crate::sender::input::Positive;
use crate::sender::replay::testkit::{folder, stored};
use crate::sender::replay::{IdSet, LOOK_AHEAD, Marks, Rewriting, Selection};
use crate::smtp::client::ReplyCode;
use crate::time::{MonotonicNs, Span, UnixNs};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const OPTIONS: ReplayOptions = ReplayOptions {
    pace: ReplayPace::Max,
    sessions: SessionMapping::Any,
    retry: Retry { times: 0, after: Duration::from_millis(10) },
};

fn feed<'a>(
    folder: &'a Folder,
    options: ReplayOptions,
    resume: Option<&Path>,
) -> (Feed<'a>, Arc<ReplayTally>) {
    let plan = ReplayPlan::new(folder, &Selection::Span(Span::default()), LOOK_AHEAD).unwrap();
    let content = ReplayContent::new(folder, Rewriting::default(), Marks::default());
    let resume =
        resume.map(|path| Resume::open(path, &vec![("store", "x".into())], UnixNs::EPOCH).unwrap());
    let tally = Arc::new(ReplayTally::default());
    (Feed::new(plan, content, options, resume, tally.clone()), tally)
}

/// Creates a folder with `count` messages of two sessions that alternate, a millisecond apart.
fn data(path: &Path, count: u32) -> Folder {
    let messages: Vec<_> =
        (0..count).map(|n| stored(n, u64::from(n % 2), 1_000_000 * u64::from(n + 1))).collect();
    folder(path, &messages);
    Folder::open(path).unwrap()
}

fn subject(mail: &OutgoingMail) -> String {
    let content = [&mail.head[..], &mail.body[..]].concat();
    String::from_utf8(content).unwrap().lines().next().unwrap().replace("Subject: ", "")
}

/// Returns all messages; each is accepted before the next is requested.
fn due_messages(feed: &mut Feed<'_>) -> Vec<(String, DueMessage)> {
    let (mut mail, mut due_messages) = (OutgoingMail::default(), Vec::new());
    loop {
        mail.clear();
        match feed.next(&mut mail).unwrap() {
            Pulled::Mail(due) => {
                due_messages.push((subject(&mail), due));
                let codes = vec![ReplyCode::new(250); mail.recipients().len()];
                let outcome =
                    Outcome { end: SessionEnd::Answered, codes: &codes, at_ns: MonotonicNs::START };
                feed.done(due.ticket, &outcome);
            }
            Pulled::End => return due_messages,
            Pulled::Wait => panic!("nothing is under way"),
        }
    }
}

#[test]
fn messages_have_their_moments_and_lanes() {
    let path = tempfile::tempdir().unwrap();
    let folder = data(path.path(), 4);
    let original = ReplayOptions {
        pace: ReplayPace::Original { speed: Positive::new(2.0).unwrap() },
        sessions: SessionMapping::Original,
        ..OPTIONS
    };
    let (mut feed, tally) = feed(&folder, original, None);
    let due_messages = due_messages(&mut feed);
    let subjects: Vec<&str> = due_messages.iter().map(|(subject, _)| &subject[..]).collect();
    assert_eq!(subjects, ["0", "1", "2", "3"]);
    let times: Vec<_> =
        due_messages.iter().map(|(_, due)| due.due_ns.unwrap().us().get()).collect();
    assert_eq!(times, [0, 500, 1_000, 1_500]);
    let lanes: Vec<Lane> = due_messages.iter().map(|(_, due)| due.lane.unwrap()).collect();
    assert_eq!(
        lanes.iter().map(|lane| lane.is_last).collect::<Vec<_>>(),
        [false, false, true, true]
    );
    assert!(lanes[0].key == lanes[2].key && lanes[1].key == lanes[3].key);
    assert_ne!(lanes[0].key, lanes[1].key);
    assert_eq!(tally.count(ReplayCount::Accepted), 4);
    assert!(tally.is_all_accepted());
}

/// A message that is sent again leaves before one that was requested earlier but is due later. It
/// has a lane of its own.
#[test]
fn what_is_sent_again_overtakes() {
    let path = tempfile::tempdir().unwrap();
    let folder = data(path.path(), 3);
    let at = |ms| MonotonicNs::new(ms * 1_000_000);
    let retry = Retry { times: 2, after: Duration::from_millis(10) };
    let per_s = Positive::new(10.0).unwrap();
    let (pace, sessions) = (ReplayPace::Rate { per_s }, SessionMapping::Original);
    let (mut feed, tally) = feed(&folder, ReplayOptions { pace, sessions, retry }, None);
    let give = |feed: &mut Feed<'_>| {
        let mut mail = OutgoingMail::default();
        let Pulled::Mail(due) = feed.next(&mut mail).unwrap() else { panic!("one is there") };
        (due, mail)
    };
    let answer = |feed: &mut Feed<'_>, (due, mail): &(DueMessage, OutgoingMail), code, at_ns| {
        let codes = vec![ReplyCode::new(code); mail.recipients().len()];
        feed.done(due.ticket, &Outcome { end: SessionEnd::Answered, codes: &codes, at_ns });
    };
    let (first, second) = (give(&mut feed), give(&mut feed));
    assert_eq!((first.0.due_ns, second.0.due_ns), (Some(at(0)), Some(at(100))));
    assert!(!feed.is_sooner(at(100))); // nothing has come back yet
    answer(&mut feed, &first, 451, at(3));
    assert!(feed.is_sooner(at(100)) && !feed.is_sooner(at(13)));
    let again = give(&mut feed);
    assert_eq!((again.0.due_ns, subject(&again.1)), (Some(at(13)), "0".into()));
    let lanes = [&first, &second, &again].map(|(due, _)| due.lane.unwrap());
    assert!(lanes[2].is_last && lanes[..2].iter().all(|lane| lane.key != lanes[2].key));
    answer(&mut feed, &again, 451, at(15));
    let again = give(&mut feed);
    assert_eq!(again.0.due_ns, Some(at(35))); // twice as long
    for message in [again, second] {
        answer(&mut feed, &message, 250, at(120));
    }
    assert!(!feed.is_sooner(at(u64::MAX / 1_000_000)));
    let third = give(&mut feed);
    assert_eq!((third.0.due_ns, subject(&third.1)), (Some(at(200)), "2".into()));
    answer(&mut feed, &third, 250, at(200));
    assert_eq!(feed.next(&mut OutgoingMail::default()).unwrap(), Pulled::End);
    assert_eq!((tally.count(ReplayCount::Accepted), tally.count(ReplayCount::Retried)), (3, 2));
}

/// Checks how a message is counted. `tries`: the reply code for each remaining recipient in each
/// attempt; 0 for no reply.
#[track_caller]
fn check(tries: &[(SessionEnd, &[u16])], expected: &[(ReplayCount, u64)]) {
    let path = tempfile::tempdir().unwrap();
    folder(path.path(), &[stored(2, 0, 1_000)]);
    let folder = Folder::open(path.path()).unwrap();
    let retry = Retry { times: 2, after: Duration::from_secs(1) };
    let (mut feed, tally) = feed(&folder, ReplayOptions { retry, ..OPTIONS }, None);
    let mut mail = OutgoingMail::default();
    for (at, (end, codes)) in tries.iter().enumerate() {
        mail.clear();
        let Pulled::Mail(due) = feed.next(&mut mail).unwrap() else { panic!("try {at}") };
        assert_eq!(mail.recipients().len(), codes.len(), "try {at}");
        let due_s = (at > 0).then(|| (1 << at) - 1);
        let due_ns = due_s.map(|s: u64| MonotonicNs::new(s * 1_000_000_000));
        assert_eq!(due.due_ns, due_ns, "try {at}");
        assert_eq!(feed.next(&mut OutgoingMail::default()).unwrap(), Pulled::Wait);
        let at_ns = due.due_ns.unwrap_or_default();
        let codes: Vec<_> = codes.iter().map(|code| ReplyCode::new(*code)).collect();
        feed.done(due.ticket, &Outcome { end: *end, codes: &codes, at_ns });
    }
    assert_eq!(feed.next(&mut mail).unwrap(), Pulled::End);
    for kind in ReplayCount::ALL
        .iter()
        .filter(|kind| !matches!(kind, ReplayCount::Octets | ReplayCount::Started))
    {
        let expected = expected.iter().find(|(k, _)| k == kind).map_or(0, |(_, count)| *count);
        assert_eq!(tally.count(*kind), expected, "{kind:?}");
    }
}

#[test]
fn only_those_deferred_are_tried_again() {
    use ReplayCount::*;
    let answered = SessionEnd::Answered;
    check(&[(answered, &[250, 250, 251])], &[(Accepted, 1), (RecipientsAccepted, 3)]);
    check(&[(answered, &[550, 550, 552])], &[(Rejected, 1), (RecipientsRejected, 3)]);
    check(
        &[(answered, &[250, 451, 550]), (answered, &[250])],
        &[(PartlyAccepted, 1), (RecipientsAccepted, 2), (RecipientsRejected, 1), (Retried, 1)],
    );
    check(
        &[(answered, &[451, 451, 250]), (answered, &[421, 250]), (answered, &[451])],
        &[(Deferred, 1), (RecipientsAccepted, 2), (Retried, 2)],
    );
    check(
        &[(SessionEnd::NotSent, &[0, 0, 0]), (answered, &[250, 250, 250])],
        &[(Accepted, 1), (RecipientsAccepted, 3), (Retried, 1)],
    );
    check(
        // A recipient that was rejected before the connection was lost is tried again, too.
        &[
            (SessionEnd::NotSent, &[250, 550, 0]),
            (SessionEnd::NotSent, &[0, 0, 0]),
            (SessionEnd::NotSent, &[0, 0, 0]),
        ],
        &[(NotSent, 1), (Retried, 2)],
    );
    check(&[(SessionEnd::Unknown, &[0, 0, 550])], &[(Unknown, 1), (RecipientsRejected, 1)]);
    // LMTP: the last reply came, and then the connection was lost (RFC 2033 section 4.2).
    check(&[(SessionEnd::Unknown, &[250, 0, 0])], &[(Unknown, 1), (RecipientsAccepted, 1)]);
    check(&[(SessionEnd::Unknown, &[250, 250, 250])], &[(Accepted, 1), (RecipientsAccepted, 3)]);
    // Replies with codes that no standard defines.
    check(
        &[(answered, &[250, 354, 250]), (answered, &[999]), (answered, &[0])],
        &[(Deferred, 1), (RecipientsAccepted, 2), (Retried, 2)],
    );
}

#[test]
fn a_target_that_answers_nothing_is_given_up() {
    let path = tempfile::tempdir().unwrap();
    let folder = data(path.path(), 150);
    let (mut feed, tally) = feed(&folder, OPTIONS, None);
    let mut mail = OutgoingMail::default();
    let error = loop {
        mail.clear();
        match feed.next(&mut mail) {
            Ok(Pulled::Mail(due)) => {
                let codes = vec![None; mail.recipients().len()];
                let outcome =
                    Outcome { end: SessionEnd::NotSent, codes: &codes, at_ns: MonotonicNs::START };
                feed.done(due.ticket, &outcome);
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("100 messages in a row"), "{error}");
    assert_eq!(tally.count(ReplayCount::NotSent), 100);
}

#[test]
fn damaged_mail_is_skipped_and_reported() {
    let path = tempfile::tempdir().unwrap();
    let ids = folder(path.path(), &[stored(0, 0, 1), stored(1, 0, 2), stored(2, 0, 3)]);
    let folder = Folder::open(path.path()).unwrap();
    let slot = folder.segment(ids[1].segment).unwrap().slot(ids[1].slot).unwrap();
    let file = path.path().join("segments/00000001.seg");
    let mut octets = std::fs::read(&file).unwrap();
    octets[slot.record_offset() as usize + 20] ^= 1;
    std::fs::write(&file, octets).unwrap();
    let (mut feed, tally) = feed(&folder, OPTIONS, None);
    let subjects: Vec<String> =
        due_messages(&mut feed).into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(subjects, ["0", "2"]);
    assert_eq!(tally.count(ReplayCount::Damaged), 1);
    let listed = tally.listed(ReplayCount::Damaged);
    assert!(listed[0].contains(&format!("the record of {} is damaged", ids[1])), "{listed:?}");
    assert!(!tally.is_all_accepted());
}

/// A target that answers arbitrarily, and what it has accepted.
#[derive(Default)]
struct ScriptedTarget {
    /// By subject and recipient: how often the message was accepted.
    accepted: BTreeMap<(String, String), u32>,
    rejected: BTreeMap<(String, String), u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScriptedAnswer {
    Accept,
    Some4xx,
    Refuse,
    NotSent,
    LostTaken,
    LostNotTaken,
    Killed,
}

impl ScriptedTarget {
    /// Answers a mail. Returns what the sender sees of the answer.
    fn take(
        &mut self,
        mail: &OutgoingMail,
        answer: ScriptedAnswer,
        seed: usize,
    ) -> (SessionEnd, Vec<Option<ReplyCode>>) {
        let subject = subject(mail);
        let mut codes = Vec::new();
        for (at, (path, _)) in mail.recipients().enumerate() {
            let key = (subject.clone(), String::from_utf8(path.to_vec()).unwrap());
            let code = match answer {
                ScriptedAnswer::Some4xx if (seed + at).is_multiple_of(2) => 451,
                ScriptedAnswer::Refuse if (seed + at).is_multiple_of(3) => 550,
                ScriptedAnswer::NotSent | ScriptedAnswer::LostNotTaken => 0,
                _ => 250,
            };
            let is_lost = matches!(answer, ScriptedAnswer::LostTaken | ScriptedAnswer::Killed);
            match code {
                250 => *self.accepted.entry(key).or_default() += 1,
                550 => *self.rejected.entry(key).or_default() += 1,
                _ => {}
            }
            codes.push(ReplyCode::new(code).filter(|_| !is_lost));
        }
        let end = match answer {
            ScriptedAnswer::NotSent => SessionEnd::NotSent,
            ScriptedAnswer::LostTaken | ScriptedAnswer::LostNotTaken | ScriptedAnswer::Killed => {
                SessionEnd::Unknown
            }
            _ => SessionEnd::Answered,
        };
        (end, codes)
    }
}

/// Sends until `answers` end, then stops. After `Killed`, nothing more is written to the resume
/// file.
fn send(
    feed: Feed<'_>,
    target: &mut ScriptedTarget,
    answers: &mut dyn Iterator<Item = ScriptedAnswer>,
) -> bool {
    let mut feed = feed;
    let mut in_progress: VecDeque<(DueMessage, OutgoingMail)> = VecDeque::new();
    let (mut now_ns, mut step) = (MonotonicNs::START, 0);
    loop {
        let mut mail = OutgoingMail::default();
        let next = feed.next(&mut mail).unwrap();
        if let Pulled::Mail(due) = next {
            now_ns = now_ns.max(due.due_ns.unwrap_or_default());
            in_progress.push_back((due, mail));
            if in_progress.len() < 3 {
                continue;
            }
        }
        let Some((due, mail)) = in_progress.pop_front() else { return next == Pulled::End };
        let Some(answer) = answers.next() else { return false };
        step += 1;
        now_ns = now_ns.saturating_add_ns(1_000_000);
        let (end, codes) = target.take(&mail, answer, step);
        if answer == ScriptedAnswer::Killed {
            // As kill -9 does: nothing more is written.
            feed.resume_log.resume = None;
            return false;
        }
        feed.done(due.ticket, &Outcome { end, codes: &codes, at_ns: now_ns });
    }
}

fn answers() -> impl Strategy<Value = ScriptedAnswer> {
    prop_oneof![
        12 => Just(ScriptedAnswer::Accept),
        2 => Just(ScriptedAnswer::Some4xx),
        1 => Just(ScriptedAnswer::Refuse),
        2 => Just(ScriptedAnswer::NotSent),
        1 => Just(ScriptedAnswer::LostTaken),
        1 => Just(ScriptedAnswer::LostNotTaken),
        1 => Just(ScriptedAnswer::Killed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever the target does, and wherever the process is stopped or killed: in the end every
    /// recipient has the message once, or was rejected once; more often only where the replay
    /// reported that this was possible.
    #[test]
    fn everything_arrives_once(
        runs in prop::collection::vec(prop::collection::vec(answers(), 0..25), 0..5),
        times in 0u32..3,
    ) {
        let path = tempfile::tempdir().unwrap();
        let folder = data(path.path(), 20);
        let messages = Selection::Span(Span::default()).messages(&folder).unwrap();
        let ids: Vec<MessageId> = messages.map(|slot| slot.unwrap().id()).collect();
        let resume = path.path().join("resume");
        let options = ReplayOptions { retry: Retry { times, ..OPTIONS.retry }, ..OPTIONS };
        let mut target = ScriptedTarget::default();
        let mut perhaps_twice = IdSet::default();
        for run in &runs {
            let (feed, tally) = feed(&folder, options, Some(&resume));
            feed.resume_log.before.unknown.iter().for_each(|id| perhaps_twice.insert(id));
            send(feed, &mut target, &mut run.iter().copied());
            prop_assert!(tally.count(ReplayCount::PossibleDuplicates) <= perhaps_twice.len());
        }
        // The target has recovered.
        let (feed, tally) = feed(&folder, options, Some(&resume));
        let unknown = feed.resume_log.before.unknown.clone();
        unknown.iter().for_each(|id| perhaps_twice.insert(id));
        let is_over = send(feed, &mut target, &mut std::iter::repeat(ScriptedAnswer::Accept));
        prop_assert!(is_over && tally.is_all_accepted());
        prop_assert_eq!(tally.count(ReplayCount::PossibleDuplicates), unknown.len());
        for (number, id) in (0u32..).zip(&ids) {
            for at in 0..1 + number % 3 {
                let key = (number.to_string(), format!("r{at}.{number}@b.test"));
                let accepted = target.accepted.get(&key).copied().unwrap_or_default();
                let rejected = target.rejected.get(&key).copied().unwrap_or_default();
                prop_assert!(accepted + rejected >= 1, "{:?} was forgotten", key);
                prop_assert!(accepted + rejected == 1 || perhaps_twice.contains(*id), "{:?}", key);
            }
        }
        let belongs = vec![("store", "x".into())];
        let (_, before) = Resume::open(&resume, &belongs, UnixNs::EPOCH).unwrap();
        prop_assert_eq!(before.done.len(), 20);
    }
}
