//! SIGKILL at random moments of a load: acknowledged ⊆ stored ⊆ completely sent, byte for byte and
//! without duplicates, over many starts on one folder.
use crate::common;

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Dice, Sink, id_of, sinkctl};
use tempfile::tempdir;

const ROUNDS: usize = 12;
const SENDERS: usize = 6;

/// The senders' view, over all rounds.
#[derive(Default)]
struct Known {
    /// Id in the reply, and the payload that it acknowledges.
    acknowledged: HashMap<String, Vec<u8>>,
    /// Payloads whose last octet was handed to the kernel.
    sent: HashSet<Vec<u8>>,
}

#[test]
fn acknowledged_mail_is_stored_and_stored_mail_was_completely_sent() {
    let data = tempdir().unwrap();
    let known = Mutex::new(Known::default());
    for round in 0..ROUNDS {
        let workers = if round % 2 == 0 { "1" } else { "2" };
        let durability = ["process", "message", "20ms"][round % 3];
        let flags = ["--workers", workers, "--durability", durability];
        let sink = Sink::start(data.path(), &flags);
        let mut dice = Dice::number(round as u64 + 1);
        let enough = 1 + dice.roll(300);
        let acknowledged = AtomicUsize::new(0);
        let address = sink.addresses[0];
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let (known, acknowledged) = (&known, &acknowledged);
                let seed = (round * SENDERS + sender) as u64 + 100;
                scope.spawn(move || send_until_killed(address, seed, known, acknowledged));
            }
            common::until("enough messages", || acknowledged.load(Ordering::Relaxed) >= enough);
            sink.kill();
        });
        // Check before anything has been repaired, and again after.
        compare(data.path(), &known.lock().unwrap());
    }
    Sink::start(data.path(), &[]).stop();
    compare(data.path(), &known.lock().unwrap());
    let (_, errors, code) = sinkctl(data.path(), &["verify"]);
    assert_eq!(code, 0, "{errors}");
}

fn send_until_killed(
    address: SocketAddr,
    seed: u64,
    known: &Mutex<Known>,
    acknowledged: &AtomicUsize,
) {
    let mut dice = Dice::number(seed);
    let Ok(mut stream) = common::connect(address) else { return };
    let mut talk = |octets: &[u8]| -> Option<String> {
        stream.write_all(octets).ok()?;
        let reply = common::read_reply(&mut stream).ok()?;
        String::from_utf8(reply).ok().filter(|reply| reply.ends_with("\r\n"))
    };
    let mut hello = || {
        talk(b"")?;
        talk(b"EHLO x\r\n")
    };
    if hello().is_none() {
        return;
    }
    for n in 0.. {
        let payload = payload(&mut dice, seed, n);
        let mut deliver = || {
            talk(b"MAIL FROM:<a@example.org>\r\n")?;
            talk(b"RCPT TO:<b@example.org>\r\n")?;
            if n % 3 == 0 {
                let chunk = format!("BDAT {} LAST\r\n", payload.len());
                known.lock().unwrap().sent.insert(payload.clone());
                return talk(&[chunk.as_bytes(), &payload].concat());
            }
            talk(b"DATA\r\n")?;
            known.lock().unwrap().sent.insert(payload.clone());
            talk(&[&payload[..], b".\r\n"].concat())
        };
        let Some(reply) = deliver() else { return };
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
        let id = id_of(reply.trim_end());
        let before = known.lock().unwrap().acknowledged.insert(id, payload);
        assert!(before.is_none(), "an id was given twice: {reply}");
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns a payload: mostly small, some beyond the staging buffers, a few with a segment of their
/// own.
fn payload(dice: &mut Dice, seed: u64, n: usize) -> Vec<u8> {
    let size = match dice.roll(150) {
        0 => 4_300_000 + dice.roll(100_000),
        1..=6 => 100_000 + dice.roll(300_000),
        7..=30 => 20_000 + dice.roll(60_000),
        _ => dice.roll(4000),
    };
    let mut payload = format!("Subject: {seed} {n}\r\n\r\n").into_bytes();
    while payload.len() < size {
        payload.extend_from_slice(format!("{} {n} {}\r\n", payload.len(), seed).as_bytes());
    }
    payload
}

fn compare(data: &Path, known: &Known) {
    let stored = stored(data);
    for (id, payload) in &known.acknowledged {
        let found = stored.get(id).unwrap_or_else(|| panic!("{id} was acknowledged and is lost"));
        assert!(found == payload, "{id} is stored with other octets than it was sent with");
    }
    let mut seen = HashSet::new();
    for (id, payload) in &stored {
        assert!(known.sent.contains(payload), "{id} was never sent as a whole");
        assert!(seen.insert(payload), "{id} is stored twice");
    }
}

/// Every message in the folder, by id.
fn stored(data: &Path) -> HashMap<String, Vec<u8>> {
    let messages = common::messages(data).into_iter();
    messages.map(|(slot, payload)| (slot.id().to_string(), payload)).collect()
}
