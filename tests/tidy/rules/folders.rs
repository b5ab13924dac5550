//! Folders: one style of doors, and in rooms with a table of folders in ARCHITECTURE.md, imports only
//! of folders above.
use crate::code::line_of;
use crate::names::{Modules, module_of};
use crate::tree::{File, Finding, Tree};

/// The map, with a table for each room whose folders are ordered.
const MAP: &str = include_str!("../../../ARCHITECTURE.md");
/// The beginning of the header of such a table; the name of the room follows.
const HEADER: &str = "| folder of `";

/// A room, and its parts from the lowest to the highest: folders, or files beside them.
struct Order {
    /// The path of the room below `src`, as in `log` or `bin/sinkctl`.
    room: &'static str,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Named(&'static str),
    /// A row without a name: every part that no other row names. These don't import each other.
    EveryOther,
}

fn orders() -> Vec<Order> {
    let found: Vec<Order> = MAP.split(HEADER).skip(1).filter_map(order).collect();
    assert!(!found.is_empty(), "no table of folders in ARCHITECTURE.md can be read");
    found
}

fn order(table: &'static str) -> Option<Order> {
    let (room, _) = table.split_once("/`")?;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let part = |row: &'static str| {
        let cell = row.split('|').nth(1).unwrap_or_default();
        let name = cell.split('`').nth(1);
        let name = name.map(|name| name.trim_end_matches('/').trim_end_matches(".rs"));
        name.map_or(Part::EveryOther, Part::Named)
    };
    Some(Order { room, parts: rows.map(part).collect() })
}

impl Order {
    /// Returns the names of a module below the room.
    fn inside<'a>(&self, names: &'a [String]) -> Option<&'a [String]> {
        let room: Vec<&str> = self.room.split('/').collect();
        let is_inside = names.len() > room.len() && names.iter().zip(&room).all(|(a, b)| a == b);
        is_inside.then(|| &names[room.len()..])
    }

    /// Returns the place of a part in the table.
    fn rank(&self, name: &str, tree: &Tree) -> Option<usize> {
        let named =
            self.parts.iter().position(|part| matches!(part, Part::Named(known) if *known == name));
        named.or_else(|| {
            let path = format!("src/{}/{name}", self.room);
            let is_part = |file: &File| {
                let rest = file.name.strip_prefix(&path);
                rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            };
            let other = self.parts.iter().position(|part| *part == Part::EveryOther);
            other.filter(|_| tree.sources().any(is_part))
        })
    }
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    let modules = Modules::of(tree);
    let orders = orders();
    let mut findings = Vec::new();
    for file in tree.sources() {
        let Some(names) = module_of(file) else { continue };
        let Some(order) = orders.iter().find(|order| order.inside(&names).is_some()) else {
            continue;
        };
        let Some([part, ..]) = order.inside(&names) else { continue };
        let Some(own) = order.rank(part, tree) else { continue };
        for mention in modules.mentions(file) {
            let Some([other, ..]) = order.inside(&mention.names) else { continue };
            let is_below = |rank| rank > own || rank == own && other != part;
            if order.rank(other, tree).is_some_and(is_below) {
                let room = order.room;
                let message = format!(
                    "{room}/{part} may not import {room}/{other}, which is not above it in the \
                     table in ARCHITECTURE.md: let the caller pass what is needed"
                );
                findings.push(Finding::new(file, line_of(&file.code, mention.at), message));
            }
        }
    }
    findings
}

/// The door of a folder is its `mod.rs`, not a file beside it: a reader looks in one place.
pub fn doors(tree: &Tree) -> Vec<Finding> {
    let has_folder = |file: &&File| {
        let folder = file.name.strip_suffix(".rs").map(|stem| format!("{stem}/"));
        folder.is_some_and(|folder| tree.files.iter().any(|it| it.name.starts_with(&folder)))
    };
    let beside = tree.files.iter().filter(has_folder);
    let message = |file: &File| format!("move it to {}/mod.rs", file.name.trim_end_matches(".rs"));
    beside.map(|file| Finding::new(file, 1, message(file))).collect()
}
