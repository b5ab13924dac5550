//! The paths and names of a data folder's segments and their files.
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the folder of the segments.
pub(crate) fn segments_folder(folder: &Path) -> PathBuf {
    folder.join("segments")
}

/// Returns the path, such as `segments/00000001.seg`.
pub(crate) fn segment_path(folder: &Path, number: u32) -> PathBuf {
    segments_folder(folder).join(format!("{number:08}.seg"))
}

/// Returns the path of a dedicated segment that is not complete.
pub(crate) fn part_path(folder: &Path, number: u32) -> PathBuf {
    segments_folder(folder).join(format!("{number:08}.part"))
}

/// Parses the number in a segment's file name: at least eight digits, then `.seg`.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg")?;
    let is_ours = digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_digit());
    let number = is_ours.then(|| digits.parse().ok()).flatten()?;
    // Only one name is valid for each number.
    (format!("{number:08}") == digits && number > 0).then_some(number)
}

/// Returns the segment files of a folder, ordered by number.
pub(crate) fn segment_files(folder: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(segments_folder(folder))? {
        let entry = entry?;
        if let Some(number) = entry.file_name().to_str().and_then(segment_number) {
            files.push((number, entry.path()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Returns the segments of a folder that have flags.
pub(crate) fn flagged(folder: &Path) -> io::Result<HashSet<u32>> {
    present(folder).map(|present| present.flagged)
}

/// The contents of the folder of segments.
#[derive(Debug, Default)]
pub(crate) struct Present {
    pub segments: HashSet<u32>,
    /// Segments that have flags.
    pub flagged: HashSet<u32>,
}

/// Lists the folder of segments.
pub(crate) fn present(folder: &Path) -> io::Result<Present> {
    let mut present = Present::default();
    for entry in std::fs::read_dir(segments_folder(folder))? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        present.segments.extend(segment_number(name));
        present.flagged.extend(flags_number(name));
    }
    Ok(present)
}

/// Parses the number in the name of a file of flags.
pub(crate) fn flags_number(name: &str) -> Option<u32> {
    let stem = name.strip_suffix(".flags")?;
    segment_number(&format!("{stem}.seg"))
}
