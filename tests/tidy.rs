//! Style rules that a test can check: import levels, lengths, documentation, banned words.
use std::fs;
use std::path::{Path, PathBuf};

const LINE_CHARS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;

/// Room, and the rooms it may import: the table in ARCHITECTURE.md.
const ROOMS: &[(&str, &[&str])] = &[
    ("smtp", &[]),
    ("log", &[]),
    ("mime", &[]),
    ("index", &["log", "smtp", "mime"]),
    ("config", &["smtp", "log", "index"]),
    ("stats", &[]),
    ("plot", &[]),
    ("sender", &["smtp", "log", "stats"]),
    ("server", &["smtp", "log", "config", "stats", "index"]),
    ("http", &["config", "stats", "server"]),
];

/// Words that may stand in certain files only.
const BANNED: &[(&str, &[&str])] = &[
    ("dbg!", &[]),
    ("todo!", &[]),
    ("unimplemented!", &[]),
    ("FIXME", &[]),
    ("thread::sleep", &[]),
    (
        "Instant::now",
        &[
            "server/clock.rs",
            "server/index.rs",
            "log/ahead.rs",
            "log/clock.rs",
            "log/flush.rs",
            "log/provision.rs",
            "log/prune.rs",
            "log/recovery.rs",
            "log/sync.rs",
            "stats/hub.rs",
            "index/backlog.rs",
            "sender/clock.rs",
            "bin/",
        ],
    ),
    // sinkd waits for no lock that any process can hold: these are of sinkctl alone.
    ("file.lock()?", &["log/events.rs", "index/appender.rs"]),
    ("file.lock_shared()", &["log/reader/mapped.rs"]),
    ("unsafe {", &["log/map.rs", "server/sys.rs"]),
    ("unsafe fn", &["log/map.rs"]),
    ("unsafe impl", &["log/map.rs"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Every source file: its path below src, its text, and the text above its tests.
fn files() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            let is_tests = name.ends_with("tests.rs");
            let code = if is_tests { "" } else { text.split("#[cfg(test)]\nmod ").next().unwrap() };
            let code = code.to_owned();
            (name, text, code)
        })
        .collect()
}

fn complain(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let mut faults = Vec::new();
    for (name, _, code) in files() {
        let room = name.split('/').next().unwrap().trim_end_matches(".rs");
        let Some((_, allowed)) = ROOMS.iter().find(|(r, _)| *r == room) else { continue };
        for (other, _) in ROOMS {
            let reaches = [format!("crate::{other}::"), format!("crate::{other};")];
            if room != *other
                && !allowed.contains(other)
                && reaches.iter().any(|r| code.contains(r.as_str()))
            {
                faults.push(format!("{name}: {room} may not know {other}"));
            }
        }
    }
    complain(faults);
}

#[test]
fn every_room_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let room = name.trim_end_matches(".rs");
        let known = ROOMS.iter().any(|(r, _)| *r == room) || ["lib", "bin"].contains(&room);
        assert!(known, "src/{name} is no room of the table");
    }
}

#[test]
fn lines_and_files_are_short() {
    let mut faults = Vec::new();
    for (name, text, code) in files() {
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > LINE_CHARS_MAX && !name.ends_with("config/table.rs") {
                faults.push(format!("{name}:{}: {} characters", number + 1, line.chars().count()));
            }
        }
        if code.lines().count() > FILE_LINES_MAX {
            faults.push(format!("{name}: {} lines", code.lines().count()));
        }
    }
    complain(faults);
}

/// A function begins with a line that has `fn ` and ends with the closing brace of its indentation.
#[test]
fn functions_are_short() {
    let mut faults = Vec::new();
    for (name, _, code) in files() {
        let lines: Vec<&str> = code.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let head = line.trim_start();
            let is_function = ["fn ", "pub fn ", "pub(super) fn ", "pub(crate) fn ", "unsafe fn "]
                .iter()
                .any(|p| head.starts_with(p));
            let rest = lines[start..].join("\n");
            let is_declaration = rest.find(';') < rest.find('{');
            if !is_function || is_declaration {
                continue;
            }
            let end = format!("{}}}", " ".repeat(indent));
            let Some(length) = lines[start..].iter().position(|l| *l == end) else { continue };
            let excused = lines[start..start + 5.min(lines.len() - start)]
                .iter()
                .any(|l| l.contains("Long on purpose:"));
            if length > FUNCTION_LINES_MAX && !excused {
                faults.push(format!("{name}:{}: {length} lines", start + 1));
            }
        }
    }
    complain(faults);
}

#[test]
fn every_file_says_what_it_is() {
    let faults = files()
        .into_iter()
        .filter(|(_, text, _)| !text.starts_with("//! "))
        .map(|(name, _, _)| format!("{name}: no //! line"))
        .collect();
    complain(faults);
}

#[test]
fn banned_words_stand_only_where_they_may() {
    let mut faults = Vec::new();
    for (name, _, code) in files() {
        for (word, places) in BANNED {
            let may = places.iter().any(|p| name.starts_with(p));
            for (number, line) in code.lines().enumerate() {
                let line = line.split("//").next().unwrap();
                if !may && line.contains(word) {
                    faults.push(format!("{name}:{}: {word}", number + 1));
                }
            }
        }
    }
    complain(faults);
}

/// A chain of errors is printed cause by cause. An error that passes its cause on (by a field called
/// `source`, or one with `#[from]` or `#[source]`) must not say it as well: the chain would repeat it.
#[test]
fn an_error_says_its_cause_or_passes_it_on_and_never_both() {
    let mut faults = Vec::new();
    for (name, _, code) in files() {
        for (at, _) in code.match_indices("#[error(") {
            let rest = &code[at..];
            let sentence_ends = rest.find(")]\n").map_or(rest.len(), |end| end + 3);
            let (sentence, variant) = rest.split_at(sentence_ends);
            let variant = &variant[..variant.find("#[error(").unwrap_or(variant.len())];
            let variant = &variant[..variant.find("\n}").unwrap_or(variant.len())];
            let is_passed_on = variant.contains("#[from]") || variant.contains("#[source]");
            let says_first = ["{0}", "{0:"].iter().any(|word| sentence.contains(word));
            if sentence.contains("{source") || (is_passed_on && says_first) {
                let line = code[..at].matches('\n').count() + 1;
                faults.push(format!("{name}:{line}: {}", sentence.trim_end()));
            }
        }
    }
    complain(faults);
}

#[test]
fn every_unsafe_block_gives_its_reason() {
    let mut faults = Vec::new();
    for (name, text, _) in files() {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let is_unsafe = line.contains("unsafe {") || line.contains("unsafe impl");
            let reason =
                lines[number.saturating_sub(8)..number].iter().any(|l| l.contains("SAFETY:"));
            if is_unsafe && !line.trim_start().starts_with("//") && !reason {
                faults.push(format!("{name}:{}: unsafe without SAFETY", number + 1));
            }
        }
    }
    complain(faults);
}

/// Third column of the tables in docs/conformance.md and docs/pitfalls.md: a test function, or a
/// golden dialogue.
#[test]
fn tests_named_in_the_documents_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    for folder in ["src", "tests"] {
        let mut found = Vec::new();
        sources(&root.join(folder), &mut found);
        found.iter().for_each(|path| code.push_str(&fs::read_to_string(path).unwrap()));
    }
    let mut faults = Vec::new();
    for document in ["docs/conformance.md", "docs/pitfalls.md"] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        for row in text.lines().filter(|l| l.starts_with("| ")) {
            let tests = row.trim_end_matches('|').rsplit('|').next().unwrap();
            for name in tests.split('`').skip(1).step_by(2) {
                let is_dialogue = ["", "client/"].iter().any(|folder| {
                    root.join(format!("tests/dialogues/{folder}{name}.txt")).exists()
                });
                if !code.contains(&format!("fn {name}(")) && !is_dialogue {
                    faults.push(format!("{document}: no test '{name}'"));
                }
            }
        }
    }
    complain(faults);
}
