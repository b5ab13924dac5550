//! Every interleaving, and every outcome that the memory orders allow, of what a worker and
//! provisioning exchange through atomics: requests and wake-ups (src/log/exchange/gate.rs), and
//! which octets are populated (src/log/files/usable.rs). Loom runs them.
//!
//! Without any one of the four fences, or with a weaker acquire or release, a test here fails:
//! `weaken.py` checks that. Loom lets a swap read an older value than the last one, which the
//! language does not allow, so nothing here asserts that a swap is more than a load and a store.
#![allow(dead_code)]
#[path = "../../../src/log/exchange/gate.rs"]
mod gate;
#[path = "../../../src/log/files/usable.rs"]
mod usable;

/// What usable.rs imports.
mod log {
    pub(crate) mod format {
        pub(crate) const RECORDS_AT: u64 = 16 << 10;
    }
}

#[cfg(test)]
mod tests {
    use loom::sync::Arc;
    use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
    use loom::sync::atomic::{AtomicBool, AtomicU32};
    use loom::thread;

    use super::gate::Gate;
    use super::log::format::RECORDS_AT;
    use super::usable::{Usable, UsableMarks};

    fn gate() -> (Arc<Gate>, Arc<AtomicU32>) {
        let wakes = Arc::new(AtomicU32::new(0));
        let counted = wakes.clone();
        let wake = Box::new(move || {
            counted.fetch_add(1, Relaxed);
        });
        (Arc::new(Gate::new(wake)), wakes)
    }

    #[test]
    fn a_worker_sends_a_request_or_the_pending_one_sees_what_it_stored() {
        loom::model(|| {
            let (gate, _) = gate();
            assert!(gate.notify(), "a request is pending from now on");
            let worker = {
                let gate = gate.clone();
                thread::spawn(move || {
                    let request = gate.request_segment(7);
                    gate.notify_of(request)
                })
            };
            let seen = gate.acknowledge().record_bytes;
            let is_sent = worker.join().unwrap();
            assert!(is_sent || seen == Some(7), "the request is lost");
        });
    }

    #[test]
    fn a_worker_that_waits_sees_the_mark_or_is_woken() {
        loom::model(|| {
            let (gate, wakes) = gate();
            let mark = Arc::new(AtomicBool::new(false));
            let worker = {
                let (gate, mark) = (gate.clone(), mark.clone());
                thread::spawn(move || {
                    gate.wait();
                    mark.load(Acquire)
                })
            };
            mark.store(true, Release);
            gate.wake();
            let is_seen = worker.join().unwrap();
            assert!(is_seen || wakes.load(Relaxed) == 1, "the worker sleeps forever");
        });
    }

    #[test]
    fn a_worker_that_waits_is_woken_once() {
        loom::model(|| {
            let (gate, wakes) = gate();
            gate.wait();
            let other = {
                let gate = gate.clone();
                thread::spawn(move || gate.wake())
            };
            gate.wake();
            other.join().unwrap();
            assert_eq!(wakes.load(Relaxed), 1);
        });
    }

    #[test]
    fn usable_octets_are_populated() {
        loom::model(|| {
            const END: u64 = RECORDS_AT + (16 << 10);
            let marks = Arc::new(UsableMarks::new(Usable::nothing_of(END)));
            // Stand for the pages at the front and at the back.
            let (front, back) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let provisioning = {
                let (marks, front, back) = (marks.clone(), front.clone(), back.clone());
                thread::spawn(move || {
                    front.store(1, Relaxed);
                    marks.raise(RECORDS_AT + 4096);
                    back.store(1, Relaxed);
                    marks.lower(END - 4096);
                })
            };
            let usable = marks.load();
            if usable.front > RECORDS_AT {
                assert_eq!(front.load(Relaxed), 1);
            }
            if usable.back < END {
                assert_eq!(back.load(Relaxed), 1);
            }
            provisioning.join().unwrap();
        });
    }

    /// Asserts that a worker that sees a signal of provisioning also sees what was stored before it.
    fn check_signal(first: fn(&Gate), signal: fn(&Gate), is_seen: fn(&Gate) -> bool) {
        loom::model(move || {
            let (gate, _) = gate();
            first(&gate);
            let before = Arc::new(AtomicU32::new(0));
            let provisioning = {
                let (gate, before) = (gate.clone(), before.clone());
                thread::spawn(move || {
                    before.store(1, Relaxed);
                    signal(&gate);
                })
            };
            if is_seen(&gate) {
                assert_eq!(before.load(Relaxed), 1);
            }
            provisioning.join().unwrap();
        });
    }

    #[test]
    fn a_full_storage_is_seen_with_everything_before_it() {
        check_signal(|_| {}, Gate::signal_full, Gate::is_full);
    }

    #[test]
    fn room_is_seen_with_everything_before_it() {
        check_signal(Gate::signal_full, Gate::signal_room, |gate| !gate.is_full());
    }
}
