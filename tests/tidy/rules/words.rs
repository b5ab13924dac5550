//! Words of code that are allowed only in certain files.
use crate::tree::{Finding, Tree};

/// Words, what to use instead, and the paths (below src) where they are allowed.
struct Banned {
    words: &'static [&'static str],
    instead: &'static str,
    places: &'static [&'static str],
}

const BANNED: &[Banned] = &[
    Banned {
        words: &["dbg!", "todo!", "unimplemented!"],
        instead: "finish it, or take it out",
        places: &[],
    },
    Banned {
        words: &["thread::sleep", "time::sleep"],
        instead: "wait for an event, or for a channel with a timeout",
        places: &["http/connection.rs"],
    },
    Banned {
        words: &["Instant::now"],
        instead: "take the time as an argument, or ask the clock of the room",
        places: &[
            "server/indexing.rs",
            "time/",
            "log/upkeep/recovery.rs",
            "log/threads/flusher.rs",
            "log/threads/provision.rs",
            "log/threads/sync.rs",
            "index/indexing/backlog.rs",
            "sender/clock.rs",
            "bin/",
        ],
    },
    Banned {
        words: &["SystemTime::now"],
        instead: "take the time as an argument: sinkd has one clock (time/process_clock.rs)",
        places: &["time/", "log/files/events.rs", "sender/clock.rs", "bin/"],
    },
    Banned { words: &["available_parallelism"], instead: "machine::cores", places: &["machine/"] },
    Banned {
        words: &[
            "TcpStream",
            "TcpListener",
            "UnixStream",
            "UnixListener",
            "UnixDatagram",
            "UdpSocket",
            "socket2",
        ],
        instead: "only server, sender, http and control have sockets: bytes in, bytes out",
        places: &["server/", "sender/", "http/", "control/"],
    },
    Banned {
        words: &["println!", "print!("],
        instead: "return it: only programs print",
        places: &["bin/", "stats/compare/simulation.rs"],
    },
    Banned {
        words: &["file.lock()?"],
        instead: "sinkd waits for no lock that any process can hold: try_lock, and do it later",
        places: &["log/files/events.rs", "index/sidecar/appender.rs"],
    },
    Banned {
        words: &["file.lock_shared()"],
        instead: "sinkd waits for no lock that any process can hold: try_lock_shared",
        places: &["log/files/map.rs"],
    },
    Banned {
        words: &["unsafe {"],
        instead: "use a safe door of log/files/map.rs or server/sys.rs",
        places: &["log/files/map.rs", "server/sys.rs"],
    },
    Banned {
        words: &["unsafe fn", "unsafe impl"],
        instead: "use a safe door of log/files/map.rs",
        places: &["log/files/map.rs"],
    },
    Banned {
        words: &[
            "AreOfUse",
            "is_of_use",
            "_TOLD_MAX",
            "fn accuse(",
            "fn go_on(",
            "fn hear(",
            "fn poke(",
            "fn tell(",
            "fn told(",
            "give_back(",
            "let_go(",
            "made_up(",
            "take_back(",
        ],
        instead: "name the action: report, notify, release, return_x, generate",
        places: &[],
    },
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        let path = file.name.trim_start_matches("src/");
        for banned in BANNED.iter().filter(|b| !b.places.iter().any(|p| path.starts_with(p))) {
            for word in banned.words {
                findings.extend(
                    lines_with(&file.code, word).map(|line| {
                        Finding::new(file, line, format!("{word}: {}", banned.instead))
                    }),
                );
            }
        }
        // A reminder to oneself is a comment.
        findings.extend(
            lines_with(&file.text, "FIXME")
                .map(|line| Finding::new(file, line, "FIXME: fix it, or file an issue")),
        );
    }
    findings
}

/// Tests wait for a condition, and never for time to pass.
pub fn sleeps(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| !file.name.starts_with("tools/")) {
        for word in ["thread::sleep", "time::sleep"] {
            findings.extend(lines_with(&file.tests, word).map(|line| {
                let message = "wait for an event, or move a made-up clock";
                Finding::new(file, line, format!("{word} in a test: {message}"))
            }));
        }
    }
    findings
}

/// Clients in tests have timeouts: a connection may lose its other end without being told.
pub fn clients(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_checked = |name: &str| name.starts_with("tests/") && name != "tests/common/mod.rs";
    for file in tree.rust().filter(|file| is_checked(&file.name)) {
        for word in ["TcpStream::connect(", "UnixStream::connect("] {
            findings.extend(lines_with(&file.tests, word).map(|line| {
                let message = "call connect of tests/common, which sets timeouts";
                Finding::new(file, line, format!("{word}): {message}"))
            }));
        }
    }
    findings
}

fn lines_with(text: &str, word: &str) -> impl Iterator<Item = usize> {
    let lines = text.lines().enumerate().filter(move |(_, line)| line.contains(word));
    lines.map(|(number, _)| number + 1).collect::<Vec<_>>().into_iter()
}
