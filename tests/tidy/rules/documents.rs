//! Documents name only things that exist.
use std::path::Path;

use crate::code::functions;
use crate::tree::{File, Finding, Tree};

/// Files of these kinds belong to the repository wherever they are named.
const KINDS: [&str; 6] = [".rs", ".md", ".py", ".sh", ".cjs", ".pl"];
/// A path with one of these beginnings is a path of the repository.
const FOLDERS: [&str; 6] = ["src/", "tests/", "docs/", "tools/", "fuzz/", "benches/"];

fn documents(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| file.name.ends_with(".md"))
}

/// Checks links and paths in backticks in documents, and documents named by comments.
pub fn paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in documents(tree) {
        for (number, line) in file.text.lines().enumerate() {
            let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
            let quoted = line.split('`').skip(1).step_by(2);
            let missing = links
                .filter(|link| !link.is_empty() && !link.contains("://") && !link.contains('@'))
                .filter(|link| !is_link(tree, file, link))
                .chain(quoted.filter(|path| is_path(path)).filter(|path| !is_there(tree, path)));
            findings.extend(missing.map(|path| {
                let message = format!("{path} is not there: name what is, or take it out");
                Finding::new(file, number + 1, message)
            }));
        }
    }
    for file in tree.rust().filter(|file| !file.name.starts_with("tests/tidy/")) {
        for (number, line) in file.text.lines().enumerate() {
            let Some((_, comment)) = line.split_once("//") else { continue };
            let words = comment.split([' ', '`', '(', ')', ',', ';', ':', '"']);
            let named = words.map(|word| word.trim_end_matches('.'));
            let missing = named.filter(|word| word.ends_with(".md") && !is_there(tree, word));
            findings.extend(missing.map(|path| {
                let message = format!("{path} is not there: name what is, or take it out");
                Finding::new(file, number + 1, message)
            }));
        }
    }
    findings
}

fn is_path(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let is_ours = KINDS.iter().any(|kind| text.ends_with(kind))
        || FOLDERS.iter().any(|folder| text.starts_with(folder));
    // An absolute path is the user's, and NAME is a placeholder.
    is_ours && text.chars().all(is_plain) && !text.starts_with('/') && !text.contains("NAME")
}

/// Returns whether the path exists, from the root or as the end of a path: documents write `run.rs`
/// and `turn/run.rs`.
fn is_there(tree: &Tree, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let suffix = format!("/{path}");
    let folder = format!("{path}/");
    tree.files.iter().any(|file| {
        file.name == path
            || file.name.ends_with(&suffix)
            || file.name.starts_with(&folder)
            || file.name.contains(&format!("{suffix}/"))
    })
}

/// Returns whether the path exists relative to the document.
fn is_link(tree: &Tree, document: &File, link: &str) -> bool {
    let folder = Path::new(&document.name).parent().unwrap();
    let mut parts: Vec<&str> = folder.iter().filter_map(|part| part.to_str()).collect();
    for part in link.split('/').filter(|part| !matches!(*part, "." | "")) {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    let folder = format!("{path}/");
    tree.files.iter().any(|file| file.name == path || file.name.starts_with(&folder))
}

/// Checks the last column of the tables of these documents: test functions, or golden dialogues.
pub fn named_tests(tree: &Tree) -> Vec<Finding> {
    let tests: Vec<String> = tree
        .rust()
        .filter(|file| !file.name.starts_with("tests/tidy/code"))
        .flat_map(|file| functions(&file.tests))
        .map(|function| function.name)
        .collect();
    let is_test = |name: &str| {
        let is_dialogue = ["", "client/"].iter().any(|folder| {
            let path = format!("tests/dialogues/{folder}{name}.txt");
            tree.files.iter().any(|file| file.name == path)
        });
        is_dialogue || tests.iter().any(|test| test == name)
    };
    let mut findings = Vec::new();
    let names = ["docs/conformance.md", "docs/pitfalls.md"];
    for file in tree.files.iter().filter(|file| names.contains(&&*file.name)) {
        for (number, row) in file.text.lines().enumerate().filter(|(_, l)| l.starts_with("| ")) {
            let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
            let missing = cell.split('`').skip(1).step_by(2).filter(|name| !is_test(name));
            findings.extend(missing.map(|name| {
                let message =
                    format!("no test is called '{name}': write it, or name the one there is");
                Finding::new(file, number + 1, message)
            }));
        }
    }
    findings
}

/// Checks the lines of the walkthrough that name places: "`src/a.rs`, `Type::function`, `function`;
/// …". Each function must be in the file named before it, and the file must have methods of its
/// type.
pub fn named_functions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for document in tree.files.iter().filter(|file| file.name == "docs/walkthrough.md") {
        let places = document.text.lines().enumerate().filter(|(_, l)| l.starts_with("`src/"));
        for (number, line) in places {
            let mut place = None;
            for name in line.split('`').skip(1).step_by(2) {
                if name.starts_with("src/") {
                    place = tree.files.iter().find(|file| file.name == name);
                } else if !place.is_some_and(|file| has_function(file, name)) {
                    let message = format!("no function {name} in the file named before it");
                    findings.push(Finding::new(document, number + 1, message));
                }
            }
        }
    }
    findings
}

/// `name` is a function, or a method with its type.
fn has_function(file: &File, name: &str) -> bool {
    let (of, name) = name.split_once("::").map_or((None, name), |(of, name)| (Some(of), name));
    let is_of = |line: &str, of| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        line.starts_with("impl") && words.any(|word| word == of)
    };
    functions(&file.code).iter().any(|function| function.name == name)
        && of.is_none_or(|of| file.code.lines().any(|line| is_of(line, of)))
}

/// The line length of prose in documents. Tables and code are as long as they are.
const PROSE_CHARS_MAX: usize = 120;

/// Checks the length of lines of prose, outside golden files.
pub fn widths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in documents(tree).filter(|file| !file.name.starts_with("tests/")) {
        let mut is_code = false;
        for (number, line) in file.text.lines().enumerate() {
            is_code ^= line.trim_start().starts_with("```");
            let is_prose =
                !is_code && !["|", "#", "<", "    "].iter().any(|it| line.starts_with(it));
            let length = line.chars().count();
            if is_prose && length > PROSE_CHARS_MAX {
                let message = format!("{length} characters: break the line at {PROSE_CHARS_MAX}");
                findings.push(Finding::new(file, number + 1, message));
            }
        }
    }
    findings
}
