//! Files of certificates: written whole, for their owner alone.
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A file: its name, and its text.
pub(super) type NamedText<'a> = (&'a str, String);

/// Makes `folder` with `files` in it, all at once: others see the folder with all of them or not at
/// all. Returns `false` if the folder exists already.
///
/// Costs a flush of each file.
pub(super) fn create(folder: &Path, files: &[NamedText<'_>]) -> io::Result<bool> {
    let parent = folder.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(parent)?;
    let owner_only = Permissions::from_mode(0o700);
    let new =
        tempfile::Builder::new().prefix("tls.new-").permissions(owner_only).tempdir_in(parent)?;
    files.iter().try_for_each(|(name, text)| write(new.path(), name, text))?;
    match fs::rename(new.path(), folder) {
        Ok(()) => {
            // It is not where its guard would look for it.
            let _: PathBuf = new.keep();
            File::open(parent)?.sync_all()?;
            Ok(true)
        }
        Err(_) if folder.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a file of `folder`, in place of one of its name: readers see the old text or the new one.
/// Its mode is 0600, as tempfile makes it.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    new.persist(folder.join(name)).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}
