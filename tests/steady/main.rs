//! Counts what a message costs in the steady state: allocations, copied octets, system calls, page
//! faults.
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod counting;
#[cfg(target_os = "linux")]
mod sealed;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use tempfile::tempdir;

/// Sends `messages` of 2 KB on one connection, one command per round trip, reusing its own buffers.
fn send(stream: &mut TcpStream, messages: usize, body: &[u8]) {
    let mut talk = |octets: &[u8], code: &[u8]| {
        stream.write_all(octets).unwrap();
        let reply = common::read_reply(stream).unwrap();
        assert!(reply.starts_with(code), "{}", String::from_utf8_lossy(&reply));
    };
    for _ in 0..messages {
        talk(b"MAIL FROM:<sender@example.org> SIZE=2048\r\n", b"250");
        talk(b"RCPT TO:<recipient@example.com>\r\n", b"250");
        talk(b"DATA\r\n", b"354");
        talk(body, b"250");
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let mut stream = common::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    assert!(common::read_reply(&mut stream).unwrap().starts_with(b"220 "));
    stream.write_all(b"EHLO client.example\r\n").unwrap();
    assert!(common::read_reply(&mut stream).unwrap().starts_with(b"250"));
    stream
}

fn message() -> Vec<u8> {
    [&b"Subject: steady\r\n\r\n"[..], &b"0123456789abcdef0123456789abcd\r\n".repeat(60), b".\r\n"]
        .concat()
}

#[cfg(target_os = "linux")]
mod counted {
    use super::common::trace::{detach, hold, resume, stop, stopped, thread_named};
    use super::counting::{Counts, OnlyServer};
    use super::*;
    use std::collections::HashMap;
    use std::path::PathBuf;

    use sinkd::config::storage::{StoreMode, add_rule};
    use sinkd::config::{Config, ListenAddress, StorageSettings};
    use sinkd::index::{self, When};
    use sinkd::server::{Server, StopStage};

    #[test]
    fn no_allocation_per_message() {
        for when in [When::Off, When::Lazy, When::Eager] {
            count_allocations(StoreMode::Full, &[], when);
        }
        count_allocations(StoreMode::Headers, &[], When::default());
        let rules = ["*.com=envelope/3", "example.org=none"];
        count_allocations(StoreMode::Nothing, &rules, When::default());
    }

    fn count_allocations(store: StoreMode, rules: &[&str], when: When) {
        let data = tempdir().unwrap();
        let mut storage = StorageSettings { mode: store, ..StorageSettings::default() };
        rules.iter().for_each(|rule| add_rule(&mut storage.rules, rule).unwrap());
        let config = Config {
            storage,
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            data: data.path().into(),
            workers: Some(1),
            index: index::IndexSettings { when, ..index::IndexSettings::default() },
            ..Config::default()
        };
        let only = OnlyServer::lock();
        let server = Server::start(&config).unwrap().server;
        let ListenAddress::Tcp(address) = server.listeners()[0].address else {
            panic!("a TCP address")
        };
        let mut stream = connect(address);
        let body = message();
        send(&mut stream, 100, &body);
        // Few enough to stay in the first segment, as creating the next one may allocate.
        let Counts { allocations, .. } = only.count(|| send(&mut stream, 1000, &body));
        assert!(allocations <= 10, "{allocations} for 1000 messages, store {store}, {when:?}");
        server.stop().begin(StopStage::AtOnce);
        server.join();
    }

    /// Returns the number of minor page faults so far (proc(5), field 10 of stat).
    fn faults(pid: u32, thread: i32) -> u64 {
        let path = PathBuf::from(format!("/proc/{pid}/task/{thread}/stat"));
        let stat = std::fs::read_to_string(path).unwrap();
        let fields = stat.rsplit(')').next().unwrap();
        fields.split_whitespace().nth(7).unwrap().parse().unwrap()
    }

    #[test]
    fn the_worker_takes_at_most_one_page_fault_per_20_messages() {
        let data = tempdir().unwrap();
        let sink = common::Sink::start(data.path(), &["--workers", "1"]);
        let mut stream = connect(sink.addresses[0]);
        let body = message();
        send(&mut stream, 200, &body);
        let thread = thread_named(sink.pid(), "worker-0");
        let before = faults(sink.pid(), thread);
        // About 6 MB: more than was populated at the start, so provisioning must keep ahead.
        send(&mut stream, 3000, &body);
        let taken = faults(sink.pid(), thread) - before;
        assert!(taken <= 150, "{taken} page faults for 3000 messages");
    }

    /// Counts the system calls of one thread with ptrace(2) while `load` runs.
    pub fn system_calls(thread: i32, load: impl FnOnce() + Send) -> HashMap<u64, u64> {
        let mut calls = HashMap::new();
        std::thread::scope(|scope| {
            hold(thread);
            resume(thread);
            let load = scope.spawn(load);
            let mut entering = true;
            while !load.is_finished() {
                let Some(status) = stopped(thread) else {
                    std::thread::yield_now();
                    continue;
                };
                if libc::WSTOPSIG(status) == libc::SIGTRAP | 0x80 {
                    if entering {
                        *calls.entry(call_number(thread)).or_insert(0) += 1;
                    }
                    entering = !entering;
                }
                resume(thread);
            }
            load.join().unwrap();
            stop(thread);
            detach(thread);
        });
        calls
    }

    #[cfg(target_arch = "x86_64")]
    fn call_number(thread: i32) -> u64 {
        // SAFETY: the kernel fills `registers`, a plain struct of integers.
        unsafe {
            let mut registers: libc::user_regs_struct = std::mem::zeroed();
            libc::ptrace(libc::PTRACE_GETREGS, thread, 0, &mut registers);
            registers.orig_rax
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_message_costs_one_receive_and_one_send_per_round_trip_and_none_for_storage() {
        for index in ["off", "lazy", "eager"] {
            count_calls(index);
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn count_calls(index: &str) {
        let data = tempdir().unwrap();
        let sink = common::Sink::start(data.path(), &["--workers", "1", "--index", index]);
        let mut stream = connect(sink.addresses[0]);
        let body = message();
        send(&mut stream, 50, &body);
        let thread = thread_named(sink.pid(), "worker-0");
        const MESSAGES: usize = 300;
        let calls = system_calls(thread, || {
            send(&mut stream, MESSAGES, &body);
        });
        let per_message =
            |number: i64| *calls.get(&(number as u64)).unwrap_or(&0) as f64 / MESSAGES as f64;
        let receives = per_message(libc::SYS_recvfrom) + per_message(libc::SYS_read);
        let sends = per_message(libc::SYS_sendto) + per_message(libc::SYS_write);
        let waits = per_message(libc::SYS_epoll_wait) + per_message(libc::SYS_epoll_pwait);
        let all = calls.values().sum::<u64>() as f64 / MESSAGES as f64;
        // Four round trips: MAIL, RCPT, DATA, payload.
        assert!((3.9..4.1).contains(&receives), "{receives} receives a message: {calls:?}");
        assert!((3.9..4.1).contains(&sends), "{sends} sends a message: {calls:?}");
        assert!(all - receives - sends - waits < 0.2, "{all} system calls a message: {calls:?}");
        // A system call to wake the index or a thread that waits for a lock would appear among
        // these.
        let wakes = per_message(libc::SYS_futex) + per_message(libc::SYS_sched_yield);
        assert!(wakes < 0.05, "{wakes} of others a message, index {index}: {calls:?}");
    }
}
