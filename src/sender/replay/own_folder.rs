//! Finds out whether the target is the sinkd that writes the replayed folder. Each message sent
//! would then become another message there.
//!
//! Linux shows which process holds the lock of the folder, and on which sockets that process
//! listens. It can't show other network namespaces, proxies in between, or other machines that
//! mount the folder.
use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use crate::sender::ResolvedAddress;

/// Whether the target writes the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnFolder {
    /// The process that writes the folder listens on the target address.
    Yes {
        /// The id of the process.
        pid: u32,
    },
    /// No process writes the folder, or the process does not listen on the address.
    No,
    /// A process may be writing the folder, but we have no permission to see its sockets.
    Unknown {
        /// The id of the process.
        pid: u32,
    },
}

/// Returns whether the process that writes `folder` listens on `address`.
pub fn writes_into(folder: &Path, address: &ResolvedAddress) -> OwnFolder {
    if !is_local(address) {
        return OwnFolder::No;
    }
    let lock = folder.join("lock");
    let pid = fs::read_to_string(&lock).ok().and_then(|text| text.trim().parse().ok());
    let Some(pid): Option<u32> = pid else { return OwnFolder::No };
    let process = PathBuf::from(format!("/proc/{pid}"));
    if !process.exists() {
        return OwnFolder::No;
    }
    let Some(files) = open_files(&process) else { return OwnFolder::Unknown { pid } };
    // The process id may have been reused by another process.
    let lock = lock.canonicalize().unwrap_or(lock);
    if !files.contains(&lock) {
        return OwnFolder::No;
    }
    let sockets: HashSet<u64> = files.iter().filter_map(|file| socket(file)).collect();
    let is_there = listening(&process, address).iter().any(|inode| sockets.contains(inode));
    if is_there { OwnFolder::Yes { pid } } else { OwnFolder::No }
}

/// Returns whether the address belongs to this machine: only then can a socket be bound to it.
/// Nothing is sent.
fn is_local(address: &ResolvedAddress) -> bool {
    match address {
        ResolvedAddress::Unix(_) => true,
        ResolvedAddress::Tcp(address) => UdpSocket::bind((address.ip(), 0)).is_ok(),
    }
}

/// Returns the open files of a process; `None` if we have no permission.
fn open_files(process: &Path) -> Option<HashSet<PathBuf>> {
    let entries = fs::read_dir(process.join("fd")).ok()?;
    Some(entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).collect())
}

/// Parses `socket:[1234]`.
fn socket(file: &Path) -> Option<u64> {
    file.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Returns the inodes of the sockets that listen on an address, in the network namespace of a
/// process.
fn listening(process: &Path, address: &ResolvedAddress) -> Vec<u64> {
    let table = |name: &str| fs::read_to_string(process.join("net").join(name)).unwrap_or_default();
    match address {
        ResolvedAddress::Tcp(address) => {
            let tables = [table("tcp"), table("tcp6")];
            tables.iter().flat_map(|table| tcp_listeners(table, *address)).collect()
        }
        ResolvedAddress::Unix(path) => {
            let there = process.join("cwd");
            let wanted = path.canonicalize().unwrap_or_else(|_| path.clone());
            let is_wanted = |path: &str| there.join(path).canonicalize().is_ok_and(|p| p == wanted);
            unix_sockets(&table("unix"), is_wanted)
        }
    }
}

/// Parses /proc/net/tcp or tcp6: `sl local_address rem_address st ... inode` (proc_net_tcp.txt).
fn tcp_listeners(table: &str, address: SocketAddr) -> Vec<u64> {
    const LISTEN: &str = "0A";
    let serves_address = |listener: SocketAddr| {
        let (ip, wanted) = (listener.ip().to_canonical(), address.ip().to_canonical());
        // Linux treats a connection to the unspecified address as one to loopback.
        let is_same = ip == wanted || ip.is_unspecified() || wanted.is_unspecified();
        is_same && listener.port() == address.port()
    };
    let rows = table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (listener, state) = (columns.get(1)?, columns.get(3)?);
        let is_listening = *state == LISTEN && serves_address(socket_address(listener)?);
        is_listening.then(|| columns.get(9)?.parse().ok()).flatten()
    });
    rows.collect()
}

/// Parses `0100007F:0401`: words of four octets in native byte order, and the port.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = ip.as_bytes().chunks(8).map(|word| {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        Some(word.to_ne_bytes())
    });
    let octets: Vec<u8> = words.collect::<Option<Vec<_>>>()?.concat();
    let ip = match octets.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Parses /proc/net/unix: `Num RefCount Protocol Flags Type St Inode Path`.
fn unix_sockets(table: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<u64> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace();
        let inode = columns.nth(6)?;
        // A path may contain spaces.
        let path = line.split_once(inode)?.1.trim_start();
        (!path.is_empty() && is_wanted(path)).then(|| inode.parse().ok()).flatten()
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    #[test]
    fn tables_of_the_kernel_are_read() {
        // Only the columns up to `inode` are parsed.
        let row = |local: &str, state: &str, inode: u32| {
            format!("0: {local} 00000000:0000 {state} 0:0 00:0 00000000 1000 0 {inode}\n")
        };
        let table = [
            "  sl  local_address rem_address   st tx_queue ... inode\n".to_owned(),
            row("0100007F:0401", "0A", 11),
            row("00000000:0402", "0A", 12),
            row("0100007F:0403", "01", 13),
            row("00000000000000000000000001000000:0401", "0A", 14),
            "4: bad".to_owned(),
        ]
        .concat();
        for (address, expected) in [
            ("127.0.0.1:1025", &[11][..]),
            ("[::ffff:127.0.0.1]:1025", &[11]),
            ("0.0.0.0:1025", &[11, 14]),
            ("[::1]:1025", &[14]),
            ("127.0.0.2:1025", &[]),
            ("127.0.0.2:1026", &[12]),
            ("127.0.0.1:1027", &[]), // a connection
        ] {
            assert_eq!(tcp_listeners(&table, address.parse().unwrap()), expected, "{address}");
        }
        let table = "Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 21 /run/a b.sock
0000000000000000: 00000002 00000000 00010000 0001 01 22";
        assert_eq!(unix_sockets(table, |path| path == "/run/a b.sock"), [21]);
    }

    #[test]
    fn the_process_that_holds_the_lock_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = ResolvedAddress::Tcp(tcp.local_addr().unwrap());
        assert_eq!(writes_into(folder.path(), &address), OwnFolder::No); // no lock
        let lock = fs::File::create(folder.path().join("lock")).unwrap();
        let pid = std::process::id();
        fs::write(folder.path().join("lock"), format!("{pid}\n")).unwrap();
        assert_eq!(writes_into(folder.path(), &address), OwnFolder::Yes { pid });
        let unix = folder.path().join("a socket");
        let listener = UnixListener::bind(&unix).unwrap();
        assert_eq!(
            writes_into(folder.path(), &ResolvedAddress::Unix(unix.clone())),
            OwnFolder::Yes { pid }
        );
        drop((tcp, listener));
        assert_eq!(writes_into(folder.path(), &address), OwnFolder::No);
        assert_eq!(writes_into(folder.path(), &ResolvedAddress::Unix(unix)), OwnFolder::No);
        drop(lock);
    }
}
