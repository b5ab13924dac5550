//! Checks whether a path is a data folder.
use std::path::Path;

use crate::analysis::error::AnalysisError;
use crate::log::reader::Folder;

/// Returns whether the folder has this subfolder.
fn has(path: &Path, part: &str) -> bool {
    path.join(part).is_dir()
}

/// Checks that `path` is a folder with segments or statistics. Errors: it is not.
pub fn ensure_data_folder(path: &Path) -> Result<(), AnalysisError> {
    let owned = || path.to_owned();
    if has(path, "segments") || has(path, "stats") {
        Ok(())
    } else if path.is_dir() {
        Err(AnalysisError::Foreign(owned()))
    } else if path.exists() {
        Err(AnalysisError::File(owned()))
    } else {
        Err(AnalysisError::NoFolder(owned()))
    }
}

/// Checks that `path` is a data folder with statistics. Errors: it is not.
pub fn ensure_statistics(path: &Path) -> Result<(), AnalysisError> {
    ensure_data_folder(path)?;
    if has(path, "stats") { Ok(()) } else { Err(AnalysisError::NoStatistics(path.to_owned())) }
}

/// Opens the log of a data folder. Reads 8 KiB per segment.
///
/// Errors: `path` is not a data folder, has no segments, or can't be read.
pub fn open_folder(path: &Path) -> Result<Folder, AnalysisError> {
    Folder::open(path).map_err(|source| match ensure_data_folder(path) {
        Err(error) => error,
        Ok(()) if !has(path, "segments") => AnalysisError::NoSegments(path.to_owned()),
        Ok(()) => AnalysisError::segments(path)(source),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_missing_folder_and_a_wrong_one_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("file"), "x").unwrap();
        fs::create_dir_all(path("foreign/other")).unwrap();
        fs::create_dir_all(path("records/stats")).unwrap();
        fs::create_dir_all(path("silent/segments")).unwrap();
        let opened = |name: &str| open_folder(&path(name)).map(drop);
        assert!(matches!(opened("missing"), Err(AnalysisError::NoFolder(_))));
        assert!(matches!(opened("file"), Err(AnalysisError::File(_))));
        assert!(matches!(opened("foreign"), Err(AnalysisError::Foreign(_))));
        assert!(matches!(opened("records"), Err(AnalysisError::NoSegments(_))));
        assert!(opened("silent").is_ok());
        let recorded = |name: &str| ensure_statistics(&path(name));
        assert!(matches!(recorded("missing"), Err(AnalysisError::NoFolder(_))));
        assert!(matches!(recorded("foreign"), Err(AnalysisError::Foreign(_))));
        assert!(matches!(recorded("silent"), Err(AnalysisError::NoStatistics(_))));
        assert!(recorded("records").is_ok());
    }

    #[test]
    fn an_error_names_the_folder_and_what_was_found() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("missing");
        let error = open_folder(&path).unwrap_err().sentence();
        let rest = "no such folder";
        assert_eq!(error, format!("{}: {rest}", path.display()));
    }
}
