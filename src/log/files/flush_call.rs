//! The calls that make a file's content and name survive a power loss.
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

type Call = dyn Fn(&File) -> io::Result<()> + Send + Sync;

/// The calls that make a file's content, and the names in a folder, survive a power loss.
#[derive(Clone)]
pub struct FlushCall {
    file: Arc<Call>,
    folder: Arc<Call>,
}

impl FlushCall {
    /// Uses `call` instead of fdatasync.
    #[doc(hidden)]
    pub fn new(call: impl Fn(&File) -> io::Result<()> + Send + Sync + 'static) -> FlushCall {
        FlushCall { file: Arc::new(call), folder: Arc::new(File::sync_all) }
    }

    /// Uses `call` instead of fsync on a folder.
    #[doc(hidden)]
    pub fn folders(
        self,
        call: impl Fn(&File) -> io::Result<()> + Send + Sync + 'static,
    ) -> FlushCall {
        FlushCall { folder: Arc::new(call), ..self }
    }

    pub(crate) fn flush(&self, file: &File) -> io::Result<()> {
        (self.file)(file)
    }

    /// Flushes the folder that contains `path`, so that the name survives a power loss.
    pub(crate) fn flush_name(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
        (self.folder)(&File::open(folder)?)
    }
}

impl Default for FlushCall {
    fn default() -> FlushCall {
        FlushCall::new(File::sync_data)
    }
}

impl fmt::Debug for FlushCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlushCall")
    }
}
