//! Unix sockets to listen on: made, shared by the workers, removed again.
use std::fs::{self, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::bind_error::ListenError;
use crate::config::ListenAddress;

/// Owner and group may connect; the group and the folder's permissions control who else can.
const SOCKET_MODE: u32 = 0o660;
/// How often a start asks for the lock of the folder while another one makes a socket there: 2 s in
/// all, a hundred times what that takes.
const CLAIM_TRIES: u32 = 400;
const CLAIM_EVERY: Duration = Duration::from_millis(5);

/// The file of a socket that we made; removed when dropped, if it is still ours.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    stamp: Stamp,
}

/// Device, inode, and when it was made: an inode's number may have been given again.
#[derive(Debug, PartialEq, Eq)]
struct Stamp([i64; 4]);

impl Stamp {
    fn of(path: &Path) -> io::Result<Stamp> {
        let found = fs::symlink_metadata(path)?;
        Ok(Stamp([found.dev() as i64, found.ino() as i64, found.mtime(), found.mtime_nsec()]))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if Stamp::of(&self.path).ok().as_ref() != Some(&self.stamp) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the socket was not removed");
        }
    }
}

/// Listens at `path`. A socket file without a listener is replaced; anything else at `path` is an
/// error, and stays.
pub fn listen(path: &Path, backlog: i32) -> Result<(UnixListener, SocketFile), ListenError> {
    let io = |source| ListenError::Io { address: ListenAddress::Unix(path.to_owned()), source };
    // Between the look at what lies there and our `listen` no other sinkd may do the same: it
    // would take our socket, which does not listen yet, for a dead one.
    let _claim = claim_folder(path)?;
    make_way(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(io)?;
    socket.bind(&SockAddr::unix(path).map_err(io)?).map_err(|source| match source.kind() {
        // Another process was faster.
        ErrorKind::AddrInUse => {
            ListenError::InUse { address: ListenAddress::Unix(path.to_owned()) }
        }
        _ => io(source),
    })?;
    let file = SocketFile { path: path.to_owned(), stamp: Stamp::of(path).map_err(io)? };
    // Before any client can connect: that needs the `listen` below.
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE)).map_err(io)?;
    socket.set_nonblocking(true).map_err(io)?;
    socket.listen(backlog).map_err(io)?;
    Ok((std::os::fd::OwnedFd::from(socket).into(), file))
}

/// Locks the folder of `path` for as long as the result lives.
///
/// Any process may hold that lock, so after [`CLAIM_TRIES`] this is an error.
fn claim_folder(path: &Path) -> Result<fs::File, ListenError> {
    let io = |source| ListenError::Io { address: ListenAddress::Unix(path.to_owned()), source };
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let claim = fs::File::open(folder).map_err(io)?;
    for _ in 0..CLAIM_TRIES {
        match claim.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let _ = crossbeam_channel::after(CLAIM_EVERY).recv();
            }
            // A file system without locks: what is left is a race at the start.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(claim),
        }
    }
    Err(ListenError::FolderLocked { folder: folder.to_owned() })
}

/// Removes what a dead server left at `path`.
fn make_way(path: &Path) -> Result<(), ListenError> {
    let io = |source| ListenError::Io { address: ListenAddress::Unix(path.to_owned()), source };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    if !found.file_type().is_socket() {
        return Err(ListenError::NoSocket { path: path.to_owned() });
    }
    match probe(path) {
        // No listener. A datagram socket is refused with another error, and stays.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(io)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(io(error)),
        _ => Err(ListenError::InUse { address: ListenAddress::Unix(path.to_owned()) }),
    }
}

/// Connects without waiting: a live server whose queue is full must not hold us up.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_server_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let (live, file) = listen(&path, 16).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        let again = listen(&path, 16);
        assert!(matches!(again, Err(ListenError::InUse { .. })), "{again:?}");
        // Dead: the file stays behind.
        drop(live);
        std::mem::forget(file);
        assert!(path.exists());
        let (_live, file) = listen(&path, 16).unwrap();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn of_starts_at_the_same_moment_exactly_one_gets_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = folder.path().join(format!("s{round}"));
            // What a dead server left: the race is about who removes it.
            drop(UnixListener::bind(&path).unwrap());
            let starts: Vec<_> = (0..4)
                .map(|_| {
                    let path = path.clone();
                    std::thread::spawn(move || listen(&path, 16))
                })
                .collect();
            let results: Vec<_> = starts.into_iter().map(|s| s.join().unwrap()).collect();
            assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "{results:?}");
            assert!(probe(&path).is_ok(), "the winner's socket is the one that lies there");
        }
    }

    #[test]
    fn a_folder_that_stays_locked_is_an_error_and_not_a_hang() {
        let folder = tempfile::tempdir().unwrap();
        let holder = fs::File::open(folder.path()).unwrap();
        holder.lock().unwrap();
        let refused = listen(&folder.path().join("s"), 16);
        assert!(matches!(refused, Err(ListenError::FolderLocked { .. })), "{refused:?}");
    }

    #[test]
    fn a_file_that_is_not_a_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "precious").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&file, &link, &folder.path().to_owned()] {
            let refused = listen(path, 16);
            assert!(matches!(refused, Err(ListenError::NoSocket { .. })), "{refused:?}");
            assert!(refused.unwrap_err().to_string().contains(&*path.to_string_lossy()));
        }
        assert_eq!(fs::read(&file).unwrap(), b"precious");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_socket_of_another_process_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let (_live, file) = listen(&path, 16).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn a_path_that_is_too_long_is_an_error_that_names_it() {
        let path = PathBuf::from(format!("/tmp/{}", "x".repeat(200)));
        let error = listen(&path, 16).unwrap_err().to_string();
        assert!(error.contains("xxx"), "{error}");
    }
}
