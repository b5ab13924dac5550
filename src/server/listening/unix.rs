//! Listening Unix sockets: creating them, and removing their files.
use std::fs::{self, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::bind_error::ListenError;
use crate::config::ListenAddress;

/// Owner and group may connect: the file's group and the folder's permissions control who can.
const SOCKET_MODE: u32 = 0o660;
/// How many times a starting sinkd tries to lock the folder while another one creates a socket
/// there: 2 s in total, a hundred times as long as that takes.
const CLAIM_TRIES: u32 = 400;
const CLAIM_EVERY: Duration = Duration::from_millis(5);

/// The file of a socket that this process created. Dropping this removes the file if it is still
/// the same one.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    stamp: Stamp,
}

/// Device, inode and modification time: an inode number can be reused.
#[derive(Debug, PartialEq, Eq)]
struct Stamp([i64; 4]);

impl Stamp {
    fn read(path: &Path) -> io::Result<Stamp> {
        let found = fs::symlink_metadata(path)?;
        Ok(Stamp([found.dev() as i64, found.ino() as i64, found.mtime(), found.mtime_nsec()]))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if Stamp::read(&self.path).ok().as_ref() != Some(&self.stamp) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the socket was not removed");
        }
    }
}

/// Listens at `path`. Replaces a socket file that has no listener; anything else at `path` is an
/// error and stays.
pub fn listen(path: &Path, backlog: i32) -> Result<(UnixListener, SocketFile), ListenError> {
    let io = |source| ListenError::Io { address: ListenAddress::Unix(path.to_owned()), source };
    // From the check of the existing file until `listen` below, no other sinkd may do the same: it
    // would mistake our socket, which doesn't listen yet, for a stale one.
    let _claim = claim_folder(path)?;
    remove_stale_socket(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(io)?;
    socket.bind(&SockAddr::unix(path).map_err(io)?).map_err(|source| match source.kind() {
        // Another process got there first.
        ErrorKind::AddrInUse => {
            ListenError::InUse { address: ListenAddress::Unix(path.to_owned()) }
        }
        _ => io(source),
    })?;
    let file = SocketFile { path: path.to_owned(), stamp: Stamp::read(path).map_err(io)? };
    // No client can connect before the `listen` below.
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE)).map_err(io)?;
    socket.set_nonblocking(true).map_err(io)?;
    socket.listen(backlog).map_err(io)?;
    Ok((std::os::fd::OwnedFd::from(socket).into(), file))
}

/// Locks the folder of `path` while the returned file is open.
///
/// Any process can hold that lock, so this fails after [`CLAIM_TRIES`] attempts.
fn claim_folder(path: &Path) -> Result<fs::File, ListenError> {
    let io = |source| ListenError::Io { address: ListenAddress::Unix(path.to_owned()), source };
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let claim = fs::File::open(folder).map_err(io)?;
    for _ in 0..CLAIM_TRIES {
        match claim.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let _ = crossbeam_channel::after(CLAIM_EVERY).recv();
            }
            // The file system has no locks: two simultaneous starts can then race.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(claim),
        }
    }
    Err(ListenError::FolderLocked { folder: folder.to_owned() })
}

/// Removes the socket file at `path`, if a dead server left it there.
fn remove_stale_socket(path: &Path) -> Result<(), ListenError> {
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
        // It has no listener. Connecting to a datagram socket fails with another error, so that
        // file stays.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(io)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(io(error)),
        _ => Err(ListenError::InUse { address: ListenAddress::Unix(path.to_owned()) }),
    }
}

/// Tries to connect without blocking: a live server with a full queue must not delay the start.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_socket_of_a_dead_server_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let (live, file) = listen(&path, 16).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        let again = listen(&path, 16);
        assert!(matches!(again, Err(ListenError::InUse { .. })), "{again:?}");
        // The server is dead: its file remains.
        drop(live);
        std::mem::forget(file);
        assert!(path.exists());
        let (_live, file) = listen(&path, 16).unwrap();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn exactly_one_of_several_simultaneous_starts_gets_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = folder.path().join(format!("s{round}"));
            // The file of a dead server: the race is for removing it.
            drop(UnixListener::bind(&path).unwrap());
            let starts: Vec<_> = (0..4)
                .map(|_| {
                    let path = path.clone();
                    std::thread::spawn(move || listen(&path, 16))
                })
                .collect();
            let results: Vec<_> = starts.into_iter().map(|s| s.join().unwrap()).collect();
            assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "{results:?}");
            assert!(probe(&path).is_ok(), "the socket file is the winner's");
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
