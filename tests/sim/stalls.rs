//! A load at a rate gives the same figures whether its end is a duration or a count, wherever its
//! target stalls.
use std::time::Duration;

use sinkd::sender::blast::recipients::{RecipientOrder, RecipientSource};
use sinkd::sender::blast::size::Sizes;
use sinkd::sender::blast::{
    Arrivals, Blast as Source, BlastContent, BlastPlan, BlastSettings as Blast, MessageDate,
    SendingRate,
};
use sinkd::sender::by_hand::RunEnd;
use sinkd::sender::{Ends, Positive, SendingSettings, SharedRun};
use sinkd::stats::Metric;

use super::sending::{Fate, MS, Run, S, settings};

const PER_S: u64 = 100;
const SECONDS: u64 = 8;
const TIMEOUT: Duration = Duration::from_secs(20);

/// How the end of a load at a rate is specified.
#[derive(Debug, Clone, Copy)]
enum Form {
    Duration,
    Count,
}

/// The recorded figures of a load, and the time of each MAIL.
struct Figures {
    ended: RunEnd,
    end_ns: u64,
    mails: Vec<u64>,
}

fn sent(form: Form, arrivals: Arrivals, fate: fn(u64) -> Fate) -> Figures {
    let (until, count) = match form {
        Form::Duration => (Some(Duration::from_secs(SECONDS)), None),
        Form::Count => (None, Some(SECONDS * PER_S)),
    };
    let recipients = RecipientSource::generated("r.example", 100).unwrap();
    let plan = BlastPlan::new(Blast {
        seed: 7,
        run_id: None,
        date: MessageDate::new("Sat, 1 Jan 2000 00:00:00 +0000").unwrap(),
        from: String::new(),
        recipients: recipients.chosen("1".parse().unwrap(), RecipientOrder::Listed).unwrap(),
        content: BlastContent::Generated(Sizes::parse("2K", sinkd::wording::parse_size).unwrap()),
        attachments: Vec::new(),
        count,
        pace: Some(SendingRate { per_s: Positive::new(PER_S as f64).unwrap(), arrivals, until }),
    })
    .unwrap();
    let ends = Ends::Scheduled(plan.schedule_end().unwrap());
    let settings = SendingSettings { ends, timeout: TIMEOUT, ..settings(4) };
    let shared = SharedRun::default();
    let (end_ns, ended, mails) = Run::new(settings, Source::new(&plan), &shared, fate).finish();
    Figures { ended, end_ns, mails }
}

/// Asserts that both forms give the same figures within 5 %.
#[track_caller]
fn check(fate: fn(u64) -> Fate) {
    let [timed, counted] =
        [Form::Duration, Form::Count].map(|form| sent(form, Arrivals::Even, fate));
    for metric in [Metric::Late, Metric::Transaction] {
        let of = |figures: &Figures, quantile| {
            figures.ended.recorded.histogram(metric).value_at_quantile(quantile) as f64
        };
        for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
            let (timed, counted) = (of(&timed, quantile), of(&counted, quantile));
            let is_same = (timed - counted).abs() <= 0.05 * counted;
            assert!(is_same, "{metric:?} {quantile}: {timed} us by duration, {counted} by count");
        }
        let seen = of(&counted, 0.5);
        assert!(seen >= 1e5, "{metric:?}: the stall is in p50, which is {seen} us");
    }
    // Rates are computed from the times at which messages were sent.
    assert_eq!(timed.mails, counted.mails);
    let counts = |figures: &Figures| (figures.ended.tally.started, figures.ended.tally.not_started);
    assert_eq!(counts(&timed), counts(&counted));
}

#[test]
fn a_stall_at_the_start_gives_the_same_figures_by_duration_and_by_count() {
    check(|_| Fate::Pauses(0, 5 * S));
}

#[test]
fn a_stall_in_the_middle_gives_the_same_figures_by_duration_and_by_count() {
    check(|_| Fate::Pauses(S, 6 * S));
}

#[test]
fn a_stall_past_the_end_gives_the_same_figures_by_duration_and_by_count() {
    check(|_| Fate::Pauses(3 * S, 10 * S));
    // All messages are sent, even if late.
    let Figures { ended, .. } =
        sent(Form::Duration, Arrivals::Even, |_| Fate::Pauses(3 * S, 10 * S));
    assert_eq!((ended.tally.accepted, ended.tally.not_started), (SECONDS * PER_S, 0));
}

/// A short stall just before the last message is due.
#[test]
fn the_last_message_of_a_schedule_is_sent_however_late() {
    let last_ns = 1_000 * MS * SECONDS - 1_000 * MS / PER_S;
    for arrivals in [Arrivals::Even, Arrivals::Poisson] {
        let fate = |_| Fate::Pauses(SECONDS * S - 15 * MS, SECONDS * S + 40 * MS);
        let Figures { ended, mails, .. } = sent(Form::Duration, arrivals, fate);
        assert_eq!((ended.error, ended.tally.not_started), (None, 0));
        assert_eq!(ended.tally.accepted, mails.len() as u64);
        assert!(arrivals == Arrivals::Poisson || mails.last() >= Some(&last_ns), "{mails:?}");
    }
}

#[test]
fn a_target_that_stalls_forever_ends_the_run_and_all_due_messages_count() {
    let both = [Form::Duration, Form::Count]
        .map(|form| sent(form, Arrivals::Even, |_| Fate::Pauses(3 * S, u64::MAX)));
    for Figures { ended, end_ns, .. } in &both {
        // The timeout runs from the end of the schedule; the grace period follows.
        let latest_ns = (SECONDS + 20 + 5) * S + 300 * MS;
        assert!((SECONDS + 20) * S <= *end_ns && *end_ns <= latest_ns, "{end_ns} ns");
        let tally = &ended.tally;
        assert_eq!(tally.started + tally.not_started, SECONDS * PER_S);
        assert!(tally.not_started > 400, "{tally:?}");
        for metric in [Metric::Late, Metric::Transaction] {
            let recorded = ended.recorded.histogram(metric);
            assert_eq!(recorded.len(), SECONDS * PER_S, "{metric:?}: each counts once");
            // Messages were due at 4 s on average, and given up after 28 s.
            assert!(recorded.value_at_quantile(0.5) >= 20_000_000, "{metric:?}");
        }
    }
    check(|_| Fate::Pauses(3 * S, u64::MAX));
}
