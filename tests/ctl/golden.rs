//! Golden files: the programs' output, stored as Markdown next to the tests.
//!
//! `UPDATE_GOLDEN=1 cargo test --test ctl golden` rewrites them. In a review, read the diff as a
//! user would.
use std::path::{Path, PathBuf};

/// Returns the path of a file below tests/ctl.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ctl").join(name)
}

/// Compares `found` with the golden file, or writes the file if requested. Returns the difference.
pub fn check(path: &Path, found: &str) -> Option<String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, found).unwrap();
        return None;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    if expected == found {
        return None;
    }
    let differs = expected.lines().zip(found.lines()).position(|(a, b)| a != b);
    let at = differs.unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("(the end)").to_owned();
    let (expected, found) = (line(&expected), line(found));
    let (name, line) = (path.display(), at + 1);
    Some(format!("{name}:{line}:\n  expected {expected}\n  found    {found}\n"))
}
