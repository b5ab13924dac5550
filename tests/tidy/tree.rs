//! The files that the rules read: the repository, or a fixture.
use std::fs;
use std::path::Path;

use crate::code::{masked, without_tests};

/// A file. `code` and `tests` are as long as `text`, so that lines have the same numbers.
pub struct File {
    /// Path from the root of the repository.
    pub name: String,
    pub text: String,
    /// Rust without comments, strings and tests; empty for other files and for test files.
    pub code: String,
    /// The test code of the file, without comments and strings.
    pub tests: String,
}

/// A violation: its location, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub file: String,
    pub line: usize,
    pub message: String,
}

impl Finding {
    pub fn new(file: &File, line: usize, message: impl Into<String>) -> Finding {
        Finding { file: file.name.clone(), line, message: message.into() }
    }
}

pub struct Tree {
    pub files: Vec<File>,
}

const FOLDERS: [&str; 6] = ["src", "tests", "docs", "fuzz", "benches", "tools"];
/// Folders that are built, fetched or generated; fixtures break the rules on purpose.
const LEFT_OUT: [&str; 7] =
    ["target", ".cache", "fixtures", "__pycache__", "corpus", "artifacts", "node_modules"];

impl Tree {
    pub fn of_repository() -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut names = Vec::new();
        for folder in FOLDERS {
            list(root, folder, &mut names);
        }
        for entry in fs::read_dir(root).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.push(".ci/run".into());
        names.sort();
        let files = names.into_iter().map(|name| {
            // Mail in foreign charsets is listed but not read.
            let text = fs::read_to_string(root.join(&name)).unwrap_or_default();
            (name, text)
        });
        Tree::new(files)
    }

    /// Reads a fixture: files, each preceded by a line `=== NAME`.
    pub fn of_fixture(text: &str) -> Tree {
        let parts = text.split("=== ").skip(1);
        Tree::new(parts.map(|part| {
            let (name, text) = part.split_once('\n').unwrap();
            (name.to_owned(), text.to_owned())
        }))
    }

    fn new(files: impl Iterator<Item = (String, String)>) -> Tree {
        let mut test_files = Vec::new();
        let mut files: Vec<File> = files
            .map(|(name, text)| {
                if !name.ends_with(".rs") {
                    return File { name, text, code: String::new(), tests: String::new() };
                }
                let (code, tests, modules) = without_tests(&masked(&text));
                let folder = folder_of_modules(&name);
                test_files.extend(modules.into_iter().map(|module| format!("{folder}/{module}")));
                File { name, text, code, tests }
            })
            .collect();
        for file in &mut files {
            let is_listed = test_files.iter().any(|module| {
                let rest = file.name.strip_prefix(module.as_str());
                rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            });
            let is_rust = file.name.ends_with(".rs");
            let is_test = is_listed || file.name.starts_with("tests/");
            if is_rust && (is_test || file.name.ends_with("tests.rs")) {
                file.tests = masked(&file.text);
                file.code = String::new();
            }
        }
        Tree { files }
    }

    /// Files below `src` whose code is not only tests.
    pub fn sources(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.name.starts_with("src/"))
    }

    /// All Rust files.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.name.ends_with(".rs"))
    }
}

/// Returns the folder of the modules that a file declares.
pub fn folder_of_modules(name: &str) -> &str {
    let stem = name.trim_end_matches(".rs");
    match stem.rsplit_once('/') {
        Some((folder, "mod" | "lib" | "main")) => folder,
        _ => stem,
    }
}

fn list(root: &Path, folder: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if LEFT_OUT.contains(&&*name) {
            continue;
        }
        let path = format!("{folder}/{name}");
        if entry.file_type().unwrap().is_dir() {
            list(root, &path, names);
        } else {
            names.push(path);
        }
    }
}
