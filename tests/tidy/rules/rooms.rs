//! Imports go in one direction between rooms.
use std::collections::BTreeSet;

use crate::code::line_of;
use crate::names::{Modules, room_of};
use crate::tree::{Finding, Tree};

/// The map of the rooms, with the table of allowed imports.
const MAP: &str = include_str!("../../../ARCHITECTURE.md");

/// A row of the table: a room, and the rooms it may import.
struct Room<'a> {
    name: &'a str,
    imports: Vec<&'a str>,
}

/// Returns the rooms of the library. The programs have a row, too: they may import everything.
fn rooms() -> Vec<Room<'static>> {
    let rooms = rooms_of(MAP);
    assert!(rooms.len() > 10, "the table of rooms in ARCHITECTURE.md cannot be read");
    for import in rooms.iter().flat_map(|room| &room.imports) {
        assert!(rooms.iter().any(|room| room.name == *import), "no room is called {import}");
    }
    rooms
}

fn rooms_of(map: &str) -> Vec<Room<'_>> {
    let (_, rest) = map.split_once("\n## Rooms\n").expect("the map has a table of rooms");
    let rows = rest.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.filter_map(room).collect()
}

fn room(row: &str) -> Option<Room<'_>> {
    let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
    let name = cells.next()?.trim_matches('`').trim_end_matches('/');
    let imports = match cells.last()? {
        "nothing of ours" => Vec::new(),
        list => list.split(", ").collect(),
    };
    (!name.contains('/')).then_some(Room { name, imports })
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    let modules = Modules::of(tree);
    let rooms = rooms();
    let mut findings = Vec::new();
    for file in tree.sources() {
        let room = room_of(file);
        let Some(known) = rooms.iter().find(|known| known.name == room) else { continue };
        for mention in modules.mentions(file) {
            let Some(other) = mention.names.first() else { continue };
            let is_room = rooms.iter().any(|known| known.name == other);
            if is_room && other != room && !known.imports.contains(&other.as_str()) {
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

/// Checks that every room is in the table.
pub fn table(tree: &Tree) -> Vec<Finding> {
    let rooms = rooms();
    let mut findings = Vec::new();
    for file in tree.sources() {
        let room = room_of(file);
        let is_known = rooms.iter().any(|known| known.name == room);
        if !is_known && !file.name.starts_with("src/bin/") && file.name != "src/lib.rs" {
            let message = format!(
                "{room} is not a room: add it to the table in ARCHITECTURE.md, or move the file \
                 into a room"
            );
            findings.push(Finding::new(file, 1, message));
        }
    }
    findings
}

/// Checks that every import that the table allows is in use: an unused permission lets a
/// new import in without a decision.
pub fn permissions(tree: &Tree) -> Vec<Finding> {
    let Some(map) = tree.files.iter().find(|file| file.name == "ARCHITECTURE.md") else {
        return Vec::new();
    };
    let modules = Modules::of(tree);
    let mut used = BTreeSet::new();
    for file in tree.sources() {
        let mentions = modules.mentions(file).into_iter();
        used.extend(
            mentions.filter_map(|mention| Some((room_of(file), mention.names.into_iter().next()?))),
        );
    }
    let mut findings = Vec::new();
    for room in rooms_of(&map.text).iter().filter(|room| room.imports != ["all"]) {
        for import in &room.imports {
            if !used.contains(&(room.name, (*import).to_owned())) {
                let row = format!("| `{}/` |", room.name);
                let at = map.text.find(&row).unwrap_or_default();
                let message = format!("no file of {} imports {import}: take it out", room.name);
                findings.push(Finding::new(map, line_of(&map.text, at), message));
            }
        }
    }
    findings
}
