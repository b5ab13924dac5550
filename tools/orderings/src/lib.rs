//! Every interleaving, and every outcome that the memory orders allow, of the two exchanges in
//! src/log/exchange/gate.rs between a worker and provisioning. Loom runs them.
//!
//! Without any one of the four fences, or with a weaker order of `full`, a test here fails. Loom
//! lets a swap read an older value than the last one, which the language does not allow, so nothing
//! here asserts that a swap is more than a load and a store.
#![allow(dead_code)]
#[path = "../../../src/log/exchange/gate.rs"]
mod gate;

#[cfg(test)]
mod tests {
    use loom::sync::Arc;
    use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
    use loom::sync::atomic::{AtomicBool, AtomicU32};
    use loom::thread;

    use super::gate::Gate;

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
                    gate.request_segment(7);
                    gate.notify()
                })
            };
            gate.acknowledge();
            let seen = gate.need();
            let is_sent = worker.join().unwrap();
            assert!(is_sent || seen == 7, "the request is lost");
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
    fn a_full_storage_is_seen_with_everything_before_it() {
        loom::model(|| {
            let (gate, _) = gate();
            let before = Arc::new(AtomicU32::new(0));
            let provisioning = {
                let (gate, before) = (gate.clone(), before.clone());
                thread::spawn(move || {
                    before.store(1, Relaxed);
                    gate.signal_full();
                })
            };
            if gate.is_full() {
                assert_eq!(before.load(Relaxed), 1);
            }
            provisioning.join().unwrap();
        });
    }
}
