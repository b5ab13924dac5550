//! Files of a room import each other in one direction.
use std::collections::{BTreeMap, BTreeSet};

use crate::names::{Modules, room_of};
use crate::tree::{Finding, Tree};

pub fn check(tree: &Tree) -> Vec<Finding> {
    let modules = Modules::of(tree);
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in tree.sources() {
        for mention in modules.mentions(file).iter().filter(|mention| !mention.is_only_exported) {
            let Some(other) = modules.file_of(&mention.names) else { continue };
            if other.name != file.name && room_of(other) == room_of(file) {
                uses.entry(&file.name).or_default().insert(&other.name);
            }
        }
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|file| (*file, reachable(file, &uses))).collect();
    let mut findings = Vec::new();
    for file in tree.sources() {
        let Some(from_here) = reached.get(&*file.name) else { continue };
        let is_back = |other: &&&str| reached.get(**other).is_some_and(|r| r.contains(&*file.name));
        let circle: Vec<&str> = from_here.iter().filter(is_back).copied().collect();
        if circle.is_empty() {
            continue;
        }
        let direct = &uses[&*file.name];
        let next: Vec<&str> = circle.iter().filter(|o| direct.contains(**o)).copied().collect();
        let message = format!(
            "is in a circle of imports, by way of {}: move what both need into a file of its own, \
             or pass it as an argument",
            next.join(", ")
        );
        findings.push(Finding::new(file, 1, message));
    }
    findings
}

fn reachable<'a>(from: &'a str, uses: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        for next in uses.get(file).into_iter().flatten() {
            if found.insert(*next) {
                open.push(next);
            }
        }
    }
    found.remove(from);
    found
}
