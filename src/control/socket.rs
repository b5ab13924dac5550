//! The socket in the data folder: creating it and connecting to it.
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Name of the socket in the data folder.
pub const FILE_NAME: &str = "control.sock";

/// Only the owner can connect.
const MODE: u32 = 0o600;

/// Limit on the length of a socket's path that holds on every system.
const PATH_BYTES_MAX: usize = 103;

/// Why sinkd runs without a control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// There is another kind of file in its place.
    #[error("{path}: expected nothing or a socket, found another file", path = .0.display())]
    NotSocket(PathBuf),
    /// Another program listens on the socket.
    #[error("{path}: another program listens on this socket", path = .0.display())]
    InUse(PathBuf),
    /// A system call failed, such as binding on a file system without sockets.
    #[error("{path}: cannot be created", path = path.display())]
    Io {
        /// The socket: `control.sock` in the data folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// A path to the socket that is short enough for the system, however long the folder's path is.
struct Address {
    path: PathBuf,
    /// The path leads through this descriptor.
    _folder: Option<File>,
}

impl Address {
    fn in_folder(folder: &Path) -> io::Result<Address> {
        let path = folder.join(FILE_NAME);
        if path.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(Address { path, _folder: None });
        }
        let folder = File::open(folder)?;
        let path = format!("/proc/self/fd/{}/{FILE_NAME}", folder.as_raw_fd()).into();
        Ok(Address { path, _folder: Some(folder) })
    }
}

/// The socket's file. Dropping this removes the file if it is still the same one.
#[derive(Debug)]
pub(super) struct ControlSocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for ControlSocketFile {
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

/// Listens in `folder`. The caller holds the folder's lock, so no other sinkd creates a socket
/// there. The socket of a sinkd that did not stop cleanly is replaced; any other file stays and is
/// an error.
pub(super) fn listen(folder: &Path) -> Result<(UnixListener, ControlSocketFile), SocketError> {
    let path = folder.join(FILE_NAME);
    let io = |source| SocketError::Io { path: path.clone(), source };
    let address = Address::in_folder(folder).map_err(io)?;
    remove_stale_socket(&path, &address)?;
    let listener = UnixListener::bind(&address.path).map_err(io)?;
    // Until here, sinkd's umask has kept other users from connecting.
    fs::set_permissions(&path, Permissions::from_mode(MODE)).map_err(io)?;
    listener.set_nonblocking(true).map_err(io)?;
    let found = fs::symlink_metadata(&path).map_err(io)?;
    let (device, inode) = (found.dev(), found.ino());
    Ok((listener, ControlSocketFile { path, device, inode }))
}

fn remove_stale_socket(path: &Path, address: &Address) -> Result<(), SocketError> {
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

/// Connects to the socket in `folder`, however long the path of the folder is.
pub(super) fn connect(folder: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(&Address::in_folder(folder)?.path)
}

/// Returns whether the socket in `folder` belongs to the owner of the folder or of its lock. A
/// socket of another user isn't sinkd's.
pub(super) fn belongs_to_owner(folder: &Path) -> io::Result<bool> {
    let socket = fs::symlink_metadata(folder.join(FILE_NAME))?;
    let is_of = |path: &Path| fs::metadata(path).is_ok_and(|it| it.uid() == socket.uid());
    // sinkd may run as a user other than the one that created the folder. Then it owns the lock.
    let is_owned = is_of(folder) || is_of(&folder.join("lock"));
    Ok(socket.file_type().is_socket() && is_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_socket_of_a_dead_sinkd_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let (live, file) = listen(folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(belongs_to_owner(folder.path()).unwrap());
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
    fn a_file_that_is_not_a_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, "precious").unwrap();
        let refused = listen(folder.path());
        assert!(matches!(refused, Err(SocketError::NotSocket(_))), "{refused:?}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert!(!belongs_to_owner(folder.path()).unwrap());
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/nowhere", &path).unwrap();
        assert!(matches!(listen(folder.path()), Err(SocketError::NotSocket(_))));
    }

    #[test]
    fn a_file_that_replaced_the_socket_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let (_live, file) = listen(folder.path()).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        drop(file);
        assert!(path.exists());
    }

    /// Linux limits the path of a socket to 108 octets.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_path_of_the_folder_can_be_long() {
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
