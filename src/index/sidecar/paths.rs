//! The places of sidecars: `index/00000001.idx` for segment 1.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the folder of the sidecars in a data folder: `index`. It may not exist.
pub fn folder(data: &Path) -> PathBuf {
    data.join("index")
}

/// Returns the path of the sidecar of segment `number`. The file may not exist.
pub fn path(data: &Path, number: u32) -> PathBuf {
    folder(data).join(format!("{number:08}.idx"))
}

/// Returns the numbers of the segments that have a sidecar, usable or not, ascending; none if the
/// index was deleted. Costs a listing.
///
/// Errors: the folder can't be read.
pub fn numbers(data: &Path) -> io::Result<Vec<u32>> {
    let entries = match fs::read_dir(folder(data)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".idx"));
        numbers.extend(stem.and_then(|stem| stem.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
