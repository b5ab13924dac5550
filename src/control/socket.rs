//! The socket in the data folder: how it is made, and how it is found.
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Its name in the data folder.
pub const FILE_NAME: &str = "control.sock";

/// For the owner alone.
const MODE: u32 = 0o600;

/// Octets of a path that a socket can be bound to on every system.
const PATH_BYTES_MAX: usize = 103;

/// Why sinkd runs without a control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Something lies there that sinkd did not make.
    #[error("{path}: expected nothing or a socket, found another file", path = .0.display())]
    NotSocket(PathBuf),
    /// Another program listens there.
    #[error("{path}: another program listens on this socket", path = .0.display())]
    InUse(PathBuf),
    /// A call failed.
    #[error("{path}: cannot be made", path = path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

/// A way to the socket that is short enough for the system, however long the folder's path is.
struct Address {
    path: PathBuf,
    /// The path leads through it.
    _folder: Option<File>,
}

impl Address {
    fn of(folder: &Path) -> io::Result<Address> {
        let path = folder.join(FILE_NAME);
        if path.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(Address { path, _folder: None });
        }
        let folder = File::open(folder)?;
        let path = format!("/proc/self/fd/{}/{FILE_NAME}", folder.as_raw_fd()).into();
        Ok(Address { path, _folder: Some(folder) })
    }
}

/// The socket's file; removed when dropped, if it is still ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if !found.is_ok_and(|it| (it.dev(), it.ino()) == (self.device, self.inode)) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the socket was not removed");
        }
    }
}

/// Listens in `folder`, whose lock the caller holds: no other sinkd makes a socket there. What a
/// sinkd left that did not stop cleanly is replaced; anything else stays, and is an error.
pub(super) fn listen(folder: &Path) -> Result<(UnixListener, SocketFile), SocketError> {
    let path = folder.join(FILE_NAME);
    let io = |source| SocketError::Io { path: path.clone(), source };
    let address = Address::of(folder).map_err(io)?;
    make_way(&path, &address)?;
    let listener = UnixListener::bind(&address.path).map_err(io)?;
    // sinkd's umask has kept others away so far.
    fs::set_permissions(&path, Permissions::from_mode(MODE)).map_err(io)?;
    listener.set_nonblocking(true).map_err(io)?;
    let found = fs::symlink_metadata(&path).map_err(io)?;
    let (device, inode) = (found.dev(), found.ino());
    Ok((listener, SocketFile { path, device, inode }))
}

fn make_way(path: &Path, address: &Address) -> Result<(), SocketError> {
    let io = |source| SocketError::Io { path: path.to_owned(), source };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    if !found.file_type().is_socket() {
        return Err(SocketError::NotSocket(path.to_owned()));
    }
    match UnixStream::connect(&address.path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(io)
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(io(error)),
        _ => Err(SocketError::InUse(path.to_owned())),
    }
}

/// Connects to the socket in `folder`.
pub(super) fn connect(folder: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(&Address::of(folder)?.path)
}

/// Returns whether the socket in `folder` belongs to the owner of the folder, or of its lock. A
/// socket of another user is not the one of sinkd.
pub(super) fn is_of_owner(folder: &Path) -> io::Result<bool> {
    let socket = fs::symlink_metadata(folder.join(FILE_NAME))?;
    let is_of = |path: &Path| fs::metadata(path).is_ok_and(|it| it.uid() == socket.uid());
    // A sinkd may run as another user than the one that made the folder: its lock tells.
    let is_owned = is_of(folder) || is_of(&folder.join("lock"));
    Ok(socket.file_type().is_socket() && is_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_sinkd_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let (live, file) = listen(folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(is_of_owner(folder.path()).unwrap());
        connect(folder.path()).unwrap();
        let again = listen(folder.path());
        assert!(matches!(again, Err(SocketError::InUse(_))), "{again:?}");
        drop(live);
        std::mem::forget(file);
        let (_live, file) = listen(folder.path()).unwrap();
        connect(folder.path()).unwrap();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, "precious").unwrap();
        let refused = listen(folder.path());
        assert!(matches!(refused, Err(SocketError::NotSocket(_))), "{refused:?}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert!(!is_of_owner(folder.path()).unwrap());
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/nowhere", &path).unwrap();
        assert!(matches!(listen(folder.path()), Err(SocketError::NotSocket(_))));
    }

    #[test]
    fn what_another_process_put_in_its_place_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let (_live, file) = listen(folder.path()).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        drop(file);
        assert!(path.exists());
    }

    /// The path of a socket has 108 octets at most.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_path_of_the_folder_may_be_long() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a".repeat(200)).join("b".repeat(200));
        fs::create_dir_all(&folder).unwrap();
        let (listener, file) = listen(&folder).unwrap();
        let _client = connect(&folder).unwrap();
        listener.accept().unwrap();
        drop((listener, file));
        assert!(!folder.join(FILE_NAME).exists());
        assert!(connect(&folder).is_err());
    }
}
