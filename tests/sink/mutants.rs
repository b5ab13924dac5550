//! Mutants of the seeds of the fuzz targets: fuzzing without coverage, which needs no nightly
//! toolchain.
//!
//! `MUTANTS=N` tries N mutants per target instead of 50, and `MUTANTS_SEED=N` tries others. A mutant
//! that fails is kept in `fuzz/artifacts`.
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use crate::common::Dice;
use crate::seeds::targets::{TARGETS, Target};

/// Default number of mutants per target.
const MUTANTS: u64 = 50;
/// Maximum number of mutations of a mutant.
const MUTATIONS_MAX: usize = 6;
/// Maximum size of a mutant of small seeds, octets: some checks cut their input at every octet. Of
/// larger seeds, such as those of a segment, mutants may be as large as the largest.
const BYTES_MAX: usize = 4096;
/// Octets that mean something in a protocol, a header or a table of numbers.
const TELLING: &[u8] = b"\0\x01\x7F\x80\xFF\r\n.<>@:\"\\,;= ";

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Returns the seeds of a target, in the same order everywhere.
fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let folders = target.seeds.iter().map(|name| fuzz().join("corpus").join(name));
    let mut paths: Vec<PathBuf> = folders
        .flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    paths.sort_unstable();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Draws a range of `bytes` of at most `most` octets.
fn range(bytes: &[u8], most: usize, dice: &mut Dice) -> std::ops::Range<usize> {
    let from = dice.roll(bytes.len() + 1);
    from..(from + dice.roll(most + 1)).min(bytes.len())
}

/// Changes `bytes` in one way. `other`: another seed, from which octets can come.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.roll(bytes.len());
    match dice.roll(8) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.roll(8),
        1 if !bytes.is_empty() => bytes[at] = TELLING[dice.roll(TELLING.len())],
        2 => bytes.insert(at, TELLING[dice.roll(TELLING.len())]),
        3 => drop(bytes.drain(range(bytes, 16, dice))),
        4 => bytes.truncate(at),
        // A part that comes twice, as in a repeated header or command.
        5 => {
            let part = bytes[range(bytes, 64, dice)].to_vec();
            bytes.splice(at..at, part);
        }
        6 => {
            let part = other[range(other, 64, dice)].to_vec();
            bytes.splice(range(bytes, 64, dice), part);
        }
        // The beginning of one, and the end of another.
        _ => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[dice.roll(other.len() + 1)..]);
        }
    }
}

fn mutant(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.roll(seeds.len())].clone();
    for _ in 0..1 + dice.roll(MUTATIONS_MAX) {
        mutate(&mut bytes, &seeds[dice.roll(seeds.len())], dice);
    }
    let largest = seeds.iter().map(Vec::len).max().unwrap_or(0);
    bytes.truncate(largest.max(BYTES_MAX));
    bytes
}

/// Keeps a mutant as an input for its fuzz target.
fn keep(target: &Target, number: u64, bytes: &[u8]) -> PathBuf {
    let folder = fuzz().join("artifacts").join(target.name);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("mutant-{number}"));
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn mutants_of_the_seeds_break_no_property() {
    let mutants = number("MUTANTS").unwrap_or(MUTANTS);
    let seed = number("MUTANTS_SEED").unwrap_or(1);
    for (index, target) in TARGETS.iter().enumerate() {
        let seeds = seeds(target);
        let mut dice = Dice::new(seed.wrapping_add(index as u64) + 1);
        for number in 0..mutants {
            let bytes = mutant(&seeds, &mut dice);
            let run = catch_unwind(AssertUnwindSafe(|| (target.check)(&bytes)));
            if let Err(panic) = run {
                eprintln!(
                    "{}: it fails with {}",
                    target.name,
                    keep(target, number, &bytes).display()
                );
                resume_unwind(panic);
            }
        }
    }
}
