//! Imports go in one direction between rooms.
use crate::code::line_of;
use crate::names::{Modules, room_of};
use crate::tree::{Finding, Tree};

/// Room, and the rooms it may import: the table in ARCHITECTURE.md.
const ROOMS: &[(&str, &[&str])] = &[
    ("smtp", &[]),
    ("log", &[]),
    ("mime", &[]),
    ("index", &["log", "smtp", "mime"]),
    ("config", &["smtp", "log", "index"]),
    ("wording", &[]),
    ("stats", &["wording"]),
    ("plot", &["wording"]),
    ("analysis", &["smtp", "log", "mime", "index", "stats", "plot", "wording"]),
    ("sender", &["smtp", "log", "stats", "wording"]),
    ("server", &["smtp", "log", "config", "stats", "index"]),
    ("http", &["config", "stats"]),
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let modules = Modules::of(tree);
    let mut findings = Vec::new();
    for file in tree.sources() {
        let room = room_of(file);
        let Some((_, allowed)) = ROOMS.iter().find(|(known, _)| *known == room) else { continue };
        for mention in modules.mentions(file) {
            let Some(other) = mention.names.first() else { continue };
            let is_room = ROOMS.iter().any(|(known, _)| known == other);
            if is_room && other != room && !allowed.contains(&other.as_str()) {
                let message = format!(
                    "{room} may not know {other} (table in ARCHITECTURE.md): let the caller pass \
                     what is needed, or move the code to a room that knows both"
                );
                findings.push(Finding::new(file, line_of(&file.code, mention.at), message));
            }
        }
    }
    findings
}

/// Every room is in the table.
pub fn table(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        let room = room_of(file);
        let is_known = ROOMS.iter().any(|(known, _)| *known == room);
        if !is_known && !file.name.starts_with("src/bin/") && file.name != "src/lib.rs" {
            let message = format!(
                "{room} is not a room: add it to the table here and in \
                                   ARCHITECTURE.md, or move the file into a room"
            );
            findings.push(Finding::new(file, 1, message));
        }
    }
    findings
}
