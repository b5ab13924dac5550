//! Writing files of certificates atomically, readable only by their owner.
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The name and the text of a file.
pub(super) type NamedText<'a> = (&'a str, String);

/// Creates `folder` with `files` in it, atomically: others see the complete folder or none. Returns
/// `false` if the folder already exists.
///
/// Flushes each file and both folders.
pub(super) fn create(folder: &Path, files: &[NamedText<'_>]) -> io::Result<bool> {
    let parent = folder.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(parent)?;
    let owner_only = Permissions::from_mode(0o700);
    let new =
        tempfile::Builder::new().prefix("tls.new-").permissions(owner_only).tempdir_in(parent)?;
    files.iter().try_for_each(|(name, text)| write(new.path(), name, text))?;
    match fs::rename(new.path(), folder) {
        Ok(()) => {
            // The folder was moved away, so its guard has nothing to remove.
            let _: PathBuf = new.keep();
            File::open(parent)?.sync_all()?;
            Ok(true)
        }
        Err(_) if folder.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a file of `folder`, replacing an existing one atomically: readers see the old text or the
/// new one. Its mode is 0600, the default of tempfile.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    new.persist(folder.join(name)).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}
