//! Folders: one style of doors, and in rooms with a table of folders in ARCHITECTURE.md, imports only
//! of folders above.
use crate::code::line_of;
use crate::names::{Modules, module_of};
use crate::tree::{File, Finding, Tree};

/// The map, with a table for each room whose folders are ordered.
const MAP: &str = include_str!("../../../ARCHITECTURE.md");
/// The beginning of the header of such a table; the name of the room follows.
const HEADER: &str = "| folder of `";

/// A room, and its folders from the lowest to the highest.
struct Order {
    room: &'static str,
    folders: Vec<&'static str>,
}

fn orders() -> Vec<Order> {
    let found: Vec<Order> = MAP.split(HEADER).skip(1).filter_map(order).collect();
    assert!(!found.is_empty(), "no table of folders in ARCHITECTURE.md can be read");
    found
}

fn order(table: &'static str) -> Option<Order> {
    let (room, _) = table.split_once("/`")?;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let folders = rows.filter_map(|row| row.split('`').nth(1));
    Some(Order { room, folders: folders.map(|folder| folder.trim_end_matches('/')).collect() })
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    let modules = Modules::of(tree);
    let orders = orders();
    let mut findings = Vec::new();
    for file in tree.sources() {
        let Some(names) = module_of(file) else { continue };
        let [room, folder, ..] = names.as_slice() else { continue };
        let Some(order) = orders.iter().find(|order| order.room == room) else { continue };
        let rank = |folder: &str| order.folders.iter().position(|known| *known == folder);
        let Some(own) = rank(folder) else { continue };
        for mention in modules.mentions(file) {
            let [other_room, other, ..] = mention.names.as_slice() else { continue };
            if other_room == room && rank(other).is_some_and(|rank| rank > own) {
                let message = format!(
                    "{room}/{folder} may not import {room}/{other}, which is below it in the \
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
