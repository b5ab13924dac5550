//! Style rules that a test can check. See rules/mod.rs for the list, and ratchet.txt for existing
//! violations.
mod code;
mod names;
mod ratchet;
mod rules;
mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rules::RULES;
use tree::Tree;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tidy").join(name)
}

#[test]
fn the_repository_follows_every_rule_except_for_ratcheted_violations() {
    let tree = Tree::of_repository();
    let found = RULES.iter().map(|rule| (rule.name, (rule.check)(&tree)));
    let path = folder("ratchet.txt");
    let bounds = ratchet::read(&fs::read_to_string(&path).unwrap());
    let (complaints, now) = ratchet::complaints(found, &bounds);
    if std::env::var_os("RENEW_RATCHET").is_some() {
        fs::write(&path, ratchet::written(&now)).unwrap();
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Returns the lines of a fixture that a rule must find, as file and line.
fn marked(tree: &Tree) -> BTreeSet<(String, usize)> {
    let mut lines = BTreeSet::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            if line.contains("~RED") {
                lines.insert((file.name.clone(), number + 1));
            }
        }
    }
    lines
}

#[test]
fn each_rule_finds_the_marked_lines_of_its_red_fixture_and_none_in_its_green_one() {
    let mut wrong = Vec::new();
    for rule in RULES {
        for color in ["red", "green"] {
            let path = folder("fixtures").join(format!("{}.{color}", rule.name));
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            let tree = Tree::of_fixture(&text);
            let found = (rule.check)(&tree).into_iter().map(|f| (f.file, f.line));
            let found: BTreeSet<_> = found.collect();
            let expected = marked(&tree);
            if found != expected || found.is_empty() != (color == "green") {
                wrong.push(format!("{path:?}: found {found:?}, marked {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
