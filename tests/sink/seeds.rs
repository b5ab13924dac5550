//! The seeds of the fuzz targets, replayed through what the targets call.
#[path = "../../fuzz/targets.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sinkd::index::columns::{Columns, TextColumn};
use sinkd::index::format::{BLOCK_HEADER_BYTES, HEADER_BYTES, IndexEntry};
use sinkd::index::testkit;
use sinkd::mime::sent_time::SentTime;
use sinkd::smtp::deviation::{Deviation, Deviations};

use targets::TARGETS;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let stem = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    entries.map(|entry| stem(entry.unwrap().path())).collect()
}

/// A corpus has at least this number of seeds.
const SEEDS_MIN: usize = 4;

#[test]
fn every_seed_of_every_target_passes() {
    for target in TARGETS {
        let mut seeds = 0;
        for folder in target.seeds.iter().map(|name| fuzz().join("corpus").join(name)) {
            for name in names(&folder) {
                // The name of the seed that fails is the last one.
                println!("{}: {name}", target.name);
                (target.check)(&fs::read(folder.join(name)).unwrap());
                seeds += 1;
            }
        }
        assert!(seeds >= SEEDS_MIN, "{} has {seeds} seeds", target.name);
    }
}

#[test]
fn every_target_is_in_the_table_and_every_corpus_is_replayed() {
    let listed: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names(&fuzz().join("fuzz_targets")), listed);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
        let path = fuzz().join(format!("fuzz_targets/{}.rs", target.name));
        let call = format!("targets::check(\"{}\", bytes)", target.name);
        assert!(fs::read_to_string(path).unwrap().contains(&call), "{}", target.name);
    }
    let replayed: BTreeSet<String> =
        TARGETS.iter().flat_map(|target| target.seeds).map(|name| name.to_string()).collect();
    assert_eq!(names(&fuzz().join("corpus")), replayed);
}

/// Seeds of test data are made by a tool, so that they follow it.
#[test]
fn seeds_are_as_their_tool_makes_them() {
    let tool = fuzz().join("make_seeds.py");
    let output = Command::new("python3").arg(tool).arg("--check").output();
    // Nothing but Rust is needed for the tests; CI has Python.
    let Ok(output) = output else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn entry<'a>(slot: u32, text: &'a str) -> IndexEntry<'a> {
    let columns = Columns {
        message_bytes: 5000,
        reverse_path: text,
        forward_paths: TextColumn(text),
        from: TextColumn(text),
        to: TextColumn(text),
        subject: text,
        message_id: "<1@example.org>",
        has_attachment: slot.is_multiple_of(2),
        file_names: TextColumn("invoice.pdf\nb.txt"),
        listener: "mx-a",
        deviations: Deviations::only(Deviation::Blanks),
        sent: SentTime::At(1_795_248_000_123_000_000),
        ..Columns::default()
    };
    let sequence = slot.is_multiple_of(3).then_some(u64::from(slot));
    IndexEntry { slot, columns, sequence, is_whole: true, ..IndexEntry::default() }
}

/// Sidecars with their names, as seeds.
fn sidecars() -> Vec<(&'static str, Vec<u8>)> {
    let few: Vec<IndexEntry<'_>> = (0..3).map(|slot| entry(slot, "ann@example.org")).collect();
    let odd = IndexEntry { is_unreadable: true, ..IndexEntry::default() };
    let odd = [odd, IndexEntry { slot: 1, is_unparsed: true, ..entry(1, "Grüße") }];
    let whole = testkit::sidecar(&few);
    let cut = whole[..whole.len() - 5].to_vec();
    // The inside of a block, with its counts in front: see `check_sidecar`.
    let block = &whole[HEADER_BYTES + BLOCK_HEADER_BYTES..whole.len() - BLOCK_HEADER_BYTES];
    let inside = [&[3, 0, 3][..], block].concat();
    vec![
        ("whole", whole),
        ("cut", cut),
        ("odd", testkit::sidecar(&odd)),
        ("inside", inside),
        ("nothing", testkit::sidecar(&[])),
    ]
}

/// Run with `RENEW_SEEDS=1` after a change of the format.
#[test]
fn seeds_of_sidecars_have_the_format_of_today() {
    let folder = fuzz().join("corpus/sidecar");
    for (name, bytes) in sidecars() {
        let path = folder.join(name);
        if std::env::var_os("RENEW_SEEDS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        let found = fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert!(
            found == bytes,
            "{name}: RENEW_SEEDS=1 cargo test --test sink seeds writes it anew"
        );
    }
}
