//! The scheduler by itself: no sockets, no sessions, and a clock that is a number.
use std::time::Duration;

use crate::time::MonotonicNs;

use super::*;
use crate::sender::scheduling::decision::{Assignment, ExclusiveReason, NewConnection};
use crate::sender::settings::Ends;
use crate::sender::source::Lane;
use crate::sender::targets::ResolvedAddress;
use crate::smtp::client::{Options, Protocol};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

fn at(ns: u64) -> MonotonicNs {
    MonotonicNs::new(ns)
}

fn settings(connections: Connections) -> SendingSettings {
    let session = Options::plain(Protocol::Smtp, "client.example");
    SendingSettings {
        address: ResolvedAddress::Unix("made-up".into()),
        session,
        tls: None,
        connections,
        per_connection: None,
        opening_max: 3,
        timeout: Duration::from_secs(20),
        patience: Duration::from_secs(10),
        ends: Ends::WithSource,
        grace: Duration::from_secs(5),
    }
}

fn kept(connections: usize) -> SendingSettings {
    settings(Connections::Kept(connections))
}

fn due_message(ticket: u64, due_ns: Option<MonotonicNs>) -> DueMessage {
    DueMessage { ticket, due_ns, lane: None }
}

fn of_lane(ticket: u64, due_ns: Option<MonotonicNs>, key: u64, is_last: bool) -> DueMessage {
    DueMessage { ticket, due_ns, lane: Some(Lane { key: LaneKey(key), is_last }) }
}

fn slot_at(index: usize) -> ConnectionSlot {
    ConnectionSlot::new(index)
}

/// Opens as many connections as the scheduler wants; their sessions open at once. Returns their
/// slots.
fn open(scheduler: &mut Scheduler<()>, now_ns: MonotonicNs) -> Vec<ConnectionSlot> {
    let mut slots = Vec::new();
    while scheduler.wants_connection(now_ns) {
        let slot = scheduler.reserve();
        assert_eq!(scheduler.record_request(slot, None, now_ns), None);
        scheduler.record_greeting(slot);
        slots.push(slot);
    }
    slots
}

/// Returns the ticket of the message that the connection in `slot` begins, if any.
fn begins(scheduler: &mut Scheduler<()>, slot: ConnectionSlot, now_ns: MonotonicNs) -> Option<u64> {
    let next = match scheduler.step(slot, Readiness::Ready, now_ns) {
        ConnectionStep::Start(due, ()) => Some((due, ())),
        ConnectionStep::Next => scheduler.next_for(slot, now_ns),
        ConnectionStep::Quit | ConnectionStep::Nothing => None,
    };
    next.map(|(due, ())| due.ticket)
}

#[test]
fn connections_are_made_up_to_the_number_wanted_and_only_a_few_at_once() {
    for (wanted, opening_max, expected) in [(1, 3, 1), (3, 3, 3), (7, 3, 3), (7, 9, 7)] {
        let settings = SendingSettings { opening_max, ..kept(wanted) };
        let mut scheduler = Scheduler::<()>::new(&settings);
        let mut slots = Vec::new();
        while scheduler.wants_connection(at(0)) {
            slots.push(scheduler.reserve());
            scheduler.record_request(*slots.last().unwrap(), None, at(0));
        }
        assert_eq!(
            (slots.len(), scheduler.open_connections()),
            (expected, 0),
            "{wanted}, {opening_max}"
        );
        scheduler.record_greeting(slots[0]);
        assert_eq!(
            (scheduler.open_connections(), scheduler.wants_connection(at(0))),
            (1, wanted > expected)
        );
    }
}

/// Checks the pauses of a story of events in ms: `x`: a requested connection fails; `u`: a useful
/// one ends. Each row also has the pause before the next request, or `None` where the target is
/// given up.
#[track_caller]
fn check_back_off(story: &[(&str, u64, Option<u64>)]) {
    let mut scheduler = Scheduler::<()>::new(&kept(1));
    for (what, at_ms, pause_ms) in story {
        let now_ns = at(at_ms * MS);
        assert!(scheduler.wants_connection(now_ns), "{story:?}: {what}{at_ms}");
        let slot = scheduler.reserve();
        scheduler.record_request(slot, None, now_ns);
        let mut next = NextAttempt::Later;
        if *what == "u" {
            scheduler.record_greeting(slot);
            scheduler.add(due_message(*at_ms, None), ());
            assert!(begins(&mut scheduler, slot, now_ns).is_some());
            let closed = scheduler.record_end(slot, ConnectionClosing::Failed, now_ns).unwrap();
            assert_eq!((closed.meaning, closed.was_useful), (EndMeaning::SessionFailed, true));
        } else {
            let closed = scheduler.record_end(slot, ConnectionClosing::Failed, now_ns).unwrap();
            assert_eq!((closed.meaning, closed.was_useful), (EndMeaning::TargetFailed, false));
            next = scheduler.back_off(closed.pooled.requested_ns, now_ns);
        }
        assert_eq!(next == NextAttempt::Never, pause_ms.is_none(), "{story:?}: {what}{at_ms}");
        let Some(pause_ms) = pause_ms else { return };
        let next_ns = now_ns.saturating_add_ns(pause_ms * MS);
        assert!(scheduler.wants_connection(next_ns), "{story:?}: {what}{at_ms}");
        assert!(
            *pause_ms == 0 || !scheduler.wants_connection(at(next_ns.get() - 1)),
            "{what}{at_ms}"
        );
    }
}

#[test]
fn a_target_that_fails_is_tried_later_and_later_until_patience_is_over() {
    check_back_off(&[
        ("x", 0, Some(50)),
        ("x", 50, Some(100)),
        ("x", 150, Some(200)),
        ("x", 350, Some(400)),
        ("x", 750, Some(800)),
        ("x", 1550, Some(1600)),
        ("x", 3150, Some(3200)),
        ("x", 6350, Some(3200)),
        ("x", 10_000, None),
    ]);
    // After a useful connection, the pauses start over.
    check_back_off(&[
        ("x", 0, Some(50)),
        ("x", 9_000, Some(100)),
        ("u", 9_500, Some(0)),
        ("x", 19_000, Some(50)),
        ("x", 28_999, Some(100)),
        ("x", 29_100, None),
    ]);
}

#[test]
fn a_target_that_serves_another_connection_is_not_given_up() {
    let mut scheduler = Scheduler::<()>::new(&kept(2));
    let slots = open(&mut scheduler, at(0));
    scheduler.add(due_message(1, None), ());
    assert_eq!(begins(&mut scheduler, slots[0], at(0)), Some(1));
    for second in [0, 100, 200] {
        let now_ns = at(second * S);
        assert_eq!(scheduler.back_off(now_ns, now_ns), NextAttempt::Later, "{second} s");
    }
}

/// Messages over a connection, one after another: up to the sender's own limit, and up to the
/// limit that a target announces (MAILMAX), which its session counts.
#[test]
fn a_connection_ends_at_the_limit_of_its_sender_or_of_its_target() {
    for (per_connection, mail_max, expected) in [
        (None, None, 9),
        (Some(1), None, 1),
        (Some(4), None, 4),
        (None, Some(3), 3),
        (Some(4), Some(3), 3),
        (Some(2), Some(3), 2),
        (None, Some(0), 0),
    ] {
        let mut scheduler = Scheduler::<()>::new(&SendingSettings { per_connection, ..kept(1) });
        let slot = open(&mut scheduler, at(0))[0];
        let mut started = 0;
        for ticket in 0..9 {
            scheduler.add(due_message(ticket, None), ());
            let is_spent = mail_max.is_some_and(|max| started >= max);
            let readiness = if is_spent { Readiness::Exhausted } else { Readiness::Ready };
            match scheduler.step(slot, readiness, at(0)) {
                ConnectionStep::Next => {
                    assert_eq!(
                        scheduler.next_for(slot, at(0)),
                        Some((due_message(ticket, None), ()))
                    )
                }
                ConnectionStep::Quit => break,
                other => panic!("{other:?}"),
            }
            started += 1;
        }
        assert_eq!(started, expected, "{per_connection:?}, {mail_max:?}");
        let closed = scheduler.record_end(slot, ConnectionClosing::ByUs, at(0)).unwrap();
        assert_eq!(closed.pooled.started, expected);
        assert!(scheduler.wants_connection(at(0)), "another one takes its place");
    }
}

/// Messages that the target turned away by 421 wait for the replacement of their connection.
#[test]
fn what_moves_to_another_connection_goes_first_over_it() {
    let mut scheduler = Scheduler::<()>::new(&kept(1));
    let first = open(&mut scheduler, at(0))[0];
    for ticket in [1, 2] {
        scheduler.add(due_message(ticket, None), ());
        assert_eq!(begins(&mut scheduler, first, at(0)), Some(ticket));
    }
    let mut closed = scheduler.record_end(first, ConnectionClosing::Failed, at(S)).unwrap();
    closed.pooled.queue.push_back((due_message(2, None), ()));
    scheduler.add(due_message(3, None), ());
    let second = open(&mut scheduler, at(S))[0];
    scheduler.move_queue_to(second, closed.pooled);
    assert_eq!(begins(&mut scheduler, second, at(S)), Some(2));
    assert_eq!(begins(&mut scheduler, second, at(S)), Some(3));
}

#[test]
fn what_is_due_goes_to_the_connection_that_rests_for_longest() {
    let mut scheduler = Scheduler::<()>::new(&kept(3));
    let slots = open(&mut scheduler, at(0));
    for slot in [1, 2, 0] {
        assert_eq!(begins(&mut scheduler, slots[slot], at(0)), None);
    }
    let readiness = |slot| if slot == slots[2] { Readiness::Busy } else { Readiness::Ready };
    for (ticket, slot) in [(1, slots[1]), (2, slots[0])] {
        scheduler.add(due_message(ticket, Some(at(S))), ());
        assert_eq!(scheduler.next_moment(at(0)), Some(at(S)));
        assert_eq!(scheduler.assign(at(S - 1), readiness), Assignment::Nothing);
        let expected = Assignment::Start(slot, due_message(ticket, Some(at(S))), ());
        assert_eq!(scheduler.assign(at(S), readiness), expected);
    }
    scheduler.add(due_message(3, Some(at(S))), ());
    assert_eq!(scheduler.assign(at(S), readiness), Assignment::Nothing, "none rests");
}

#[test]
fn a_message_whose_lane_is_busy_gets_a_connection_of_its_own() {
    for (readiness, is_timed, expected) in [
        (Readiness::Opening, true, Assignment::Queued(slot_at(0))),
        (Readiness::Ready, true, Assignment::Queued(slot_at(0))),
        (Readiness::Busy, false, Assignment::Queued(slot_at(0))),
        (Readiness::Busy, true, Assignment::Open { lane: None }),
        (Readiness::Ending, true, Assignment::Open { lane: None }),
        (Readiness::Exhausted, true, Assignment::Open { lane: None }),
    ] {
        let mut scheduler = Scheduler::<()>::new(&settings(Connections::ByLane(9)));
        let due_ns = is_timed.then_some(at(0));
        scheduler.add(of_lane(1, due_ns, 7, false), ());
        let none = |_| Readiness::Ending;
        assert_eq!(scheduler.assign(at(0), none), Assignment::Open { lane: Some(LaneKey(7)) });
        let slot = scheduler.reserve();
        scheduler.record_request(slot, Some(LaneKey(7)), at(0));
        let opened = scheduler.assign_to_new(slot, at(0), none);
        assert_eq!(opened, NewConnection::Shared);
        scheduler.record_greeting(slot);
        assert_eq!(begins(&mut scheduler, slot, at(0)), Some(1));
        scheduler.add(of_lane(2, due_ns, 7, true), ());
        assert_eq!(scheduler.assign(at(0), |_| readiness), expected, "{readiness:?}, {is_timed}");
        if expected == Assignment::Queued(slot_at(0)) {
            assert_eq!(begins(&mut scheduler, slot, at(0)), Some(2));
        } else {
            let own = scheduler.reserve();
            scheduler.record_request(own, None, at(0));
            let opened = scheduler.assign_to_new(own, at(0), |_| readiness);
            let reason = if readiness == Readiness::Busy {
                ExclusiveReason::Busy
            } else {
                ExclusiveReason::Ended
            };
            assert_eq!(opened, NewConnection::ExclusiveLast(reason, slot));
            assert_eq!(begins(&mut scheduler, own, at(0)), Some(2));
            assert_eq!(scheduler.step(own, Readiness::Ready, at(0)), ConnectionStep::Quit);
        }
        // Nothing of the lane follows.
        assert_eq!(scheduler.step(slot, Readiness::Ready, at(0)), ConnectionStep::Quit);
    }
}

#[test]
fn the_lane_that_is_idle_for_longest_makes_room_one_at_a_time() {
    let mut scheduler = Scheduler::<()>::new(&settings(Connections::ByLane(3)));
    for key in 0..3 {
        scheduler.add(of_lane(key, None, key, false), ());
        let slot = scheduler.reserve();
        scheduler.record_request(slot, Some(LaneKey(key)), at(0));
        scheduler.assign_to_new(slot, at(0), |_| Readiness::Opening);
        scheduler.record_greeting(slot);
        assert_eq!(begins(&mut scheduler, slot, at(0)), Some(key));
    }
    scheduler.add(of_lane(3, None, 3, true), ());
    let busy = |_| Readiness::Busy;
    assert_eq!(scheduler.assign(at(0), busy), Assignment::Nothing, "none is idle");
    for (slot, idle_ns) in [(2, 5), (1, 3)] {
        let slot = slot_at(slot);
        assert_eq!(scheduler.step(slot, Readiness::Ready, at(idle_ns)), ConnectionStep::Nothing);
    }
    assert_eq!(scheduler.assign(at(9), busy), Assignment::MakeRoom(slot_at(1)));
    assert_eq!(scheduler.step(slot_at(1), Readiness::Ready, at(9)), ConnectionStep::Quit);
    assert_eq!(scheduler.assign(at(9), busy), Assignment::Nothing, "one is ending");
    assert_eq!(
        scheduler.record_end(slot_at(1), ConnectionClosing::ByUs, at(9)).unwrap().meaning,
        EndMeaning::Normal
    );
    assert_eq!(scheduler.assign(at(9), busy), Assignment::Open { lane: Some(LaneKey(3)) });
    let slot = scheduler.reserve();
    assert_eq!(
        scheduler.record_request(slot, Some(LaneKey(1)), at(9)),
        Some(EarlyEnd::Crowded),
        "it comes back"
    );
}

#[test]
fn sending_ends_by_time_by_its_owner_or_with_a_target_that_stalled_for_good() {
    let s = Duration::from_secs;
    let (to_continue, to_stop) = (OwnerRequest::Continue, OwnerRequest::Stop);
    // What ends sending, when the target last answered, what the owner requests, and when sending
    // stops; in s.
    for (ends, answered_s, told, expected_s) in [
        (Ends::WithSource, None, to_continue, None),
        (Ends::WithSource, None, to_stop, Some(0)),
        (Ends::At(s(7)), None, to_continue, None),
        (Ends::Scheduled(s(7)), None, to_continue, Some(27)),
        (Ends::Scheduled(s(7)), Some(7), to_continue, Some(27)),
        (Ends::Scheduled(s(7)), Some(9), to_continue, Some(29)),
        (Ends::Scheduled(s(7)), Some(9), to_stop, Some(0)),
    ] {
        let mut scheduler = Scheduler::<()>::new(&SendingSettings { ends, ..kept(1) });
        let continuation = |scheduler: &Scheduler<()>, now_ns| {
            scheduler.continuation(now_ns, answered_s.map(|at_s| at(at_s * S)), told)
        };
        let Some(expected_s) = expected_s else {
            assert_eq!(
                continuation(&scheduler, at(1000 * S)),
                RunContinuation::Continue,
                "{ends:?}"
            );
            continue;
        };
        let stop_ns = expected_s * S;
        assert!(
            stop_ns == 0 || continuation(&scheduler, at(stop_ns - 1)) == RunContinuation::Continue,
            "{ends:?}"
        );
        assert_eq!(continuation(&scheduler, at(stop_ns)), RunContinuation::Stop, "{ends:?}");
        scheduler.end(at(stop_ns));
        scheduler.stop(at(stop_ns));
        assert_eq!(
            continuation(&scheduler, at(stop_ns + 5 * S)),
            RunContinuation::Continue,
            "the grace"
        );
        assert_eq!(continuation(&scheduler, at(stop_ns + 5 * S + 1)), RunContinuation::CloseAll);
    }
    let scheduler = Scheduler::<()>::new(&SendingSettings { ends: Ends::At(s(7)), ..kept(1) });
    assert!(!scheduler.is_due_to_end(at(7 * S - 1)) && scheduler.is_due_to_end(at(7 * S)));
    assert_eq!(scheduler.next_moment(at(0)), Some(at(7 * S)), "it wakes the loop");
}

#[test]
fn a_connection_that_nothing_depends_on_may_be_silent_for_the_grace_alone() {
    let (timeout, grace) = (20 * S, 5 * S);
    for (is_open, is_ended, in_progress, readiness, expected) in [
        (true, false, 1, Readiness::Busy, (timeout, ConnectionClosing::Failed)),
        (true, true, 1, Readiness::Busy, (timeout, ConnectionClosing::Failed)),
        (false, false, 0, Readiness::Opening, (timeout, ConnectionClosing::Failed)),
        (false, true, 0, Readiness::Opening, (grace, ConnectionClosing::ByUs)),
        (true, false, 0, Readiness::Ending, (grace, ConnectionClosing::Failed)),
        (true, false, 0, Readiness::Exhausted, (grace, ConnectionClosing::Failed)),
        (true, true, 0, Readiness::Ending, (grace, ConnectionClosing::Failed)),
    ] {
        let mut scheduler = Scheduler::<()>::new(&kept(1));
        let slot = scheduler.reserve();
        scheduler.record_request(slot, None, at(0));
        if is_open {
            scheduler.record_greeting(slot);
        }
        if is_ended {
            scheduler.end(at(0));
        }
        let found = scheduler.silence_limit(slot, SilentConnection { in_progress, readiness });
        let (max_ns, then) = expected;
        let expected = SilenceLimit { max: Duration::from_nanos(max_ns), then };
        assert_eq!(found, expected, "{is_open} {is_ended} {in_progress} {readiness:?}");
    }
}
