//! `--save`: saves the parts of a message as files.
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use sinkd::mime::page::ByContentId;
use sinkd::mime::part::{Part, PartKind, Parts, parts};
use sinkd::wording::printable;

use super::file_name::file_name;
use crate::base::outcome::{Finding, Out};

/// Maximum number of files whose names differ only in a number.
const SAME_NAME_MAX: usize = 10_000;

/// Writes the parts of the message, a forwarded message as one file, and prints the paths. In HTML,
/// `cid:` links to images of the message are replaced by their file names.
pub fn run(folder: &Path, message: &[u8], out: &mut Out) -> anyhow::Result<Finding> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let taken = parts(message);
    let by_id = ByContentId::of(&taken);
    let mut paths: Vec<Option<PathBuf>> = vec![None; taken.parts.len()];
    // HTML comes last, when the names of its images are known.
    let (pages, others): (Vec<_>, Vec<_>) =
        taken.parts.iter().enumerate().partition(|(_, part)| is_page(part));
    for (at, part) in others.into_iter().chain(pages) {
        if part.kind == PartKind::Multipart || is_inside_a_message(&taken, part) {
            continue;
        }
        let (path, mut file) = create(folder, &file_name(part, at + 1))?;
        let content = if is_page(part) {
            by_id
                .rewritten(&part.content(), &mut |at| paths[at].as_deref().and_then(address))
                .into()
        } else {
            part.content()
        };
        file.write_all(&content).with_context(|| path.display().to_string())?;
        paths[at] = Some(path);
    }
    for path in paths.iter().flatten() {
        writeln!(out, "{}", printable(&path.display().to_string()))?;
    }
    Ok(Finding::Done)
}

fn is_page(part: &Part<'_>) -> bool {
    part.kind == PartKind::Leaf && part.is_html()
}

/// Returns a relative URL of a file, for links in HTML: its name, with special characters encoded.
fn address(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let mut address = String::from("./");
    for octet in name.bytes() {
        if octet.is_ascii_alphanumeric() || b"-_.".contains(&octet) {
            address.push(char::from(octet))
        } else {
            write!(address, "%{octet:02X}").expect("a string takes all")
        }
    }
    Some(address)
}

/// Returns whether a part belongs to a forwarded message, whose file contains it.
fn is_inside_a_message(taken: &Parts<'_>, part: &Part<'_>) -> bool {
    let mut around = std::iter::successors(part.parent, |at| taken.parts[*at].parent);
    around.any(|at| taken.parts[at].kind == PartKind::Message)
}

/// Creates a new file: `a.pdf`, or else `a-2.pdf` and so on. Existing files stay unchanged, and
/// links are not followed.
fn create(folder: &Path, name: &str) -> anyhow::Result<(PathBuf, File)> {
    for number in 1..=SAME_NAME_MAX {
        let path = folder.join(numbered(name, number));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    anyhow::bail!("{}: already {SAME_NAME_MAX} files with this name", folder.join(name).display())
}

fn numbered(name: &str, number: usize) -> String {
    match (number, name.rfind('.').filter(|dot| *dot > 0)) {
        (1, _) => name.to_owned(),
        (_, Some(dot)) => format!("{}-{number}{}", &name[..dot], &name[dot..]),
        (_, None) => format!("{name}-{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("a.txt"), "old").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("a-2.txt")).unwrap();
        let (path, mut file) = create(&inside, "a.txt").unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(path, inside.join("a-3.txt"));
        assert_eq!(fs::read(inside.join("a.txt")).unwrap(), b"old");
        assert!(!outside.exists());
        assert_eq!(numbered("a", 2), "a-2");
        assert_eq!(numbered("a.tar.gz", 3), "a.tar-3.gz");
    }
}
