//! System calls that the standard library doesn't wrap.
use std::time::Duration;

/// Returns whether an error of `accept` means that descriptors or memory have run out, which is
/// temporary.
pub fn is_out_of_descriptors(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// How long accepting pauses when descriptors have run out or a listener fails, unless a connection
/// closes first.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Runs the calling thread only when no other thread wants the processor (sched(7), `SCHED_IDLE`),
/// with the lowest priority of that class.
#[cfg(all(target_os = "linux", not(sinkd_portable)))]
pub fn run_when_idle() {
    // The kernel's `struct sched_param`. This is the system call itself because musl's function of
    // this name always fails with ENOSYS.
    let priority: libc::c_int = 0;
    let (call, thread) = (libc::SYS_sched_setscheduler, 0);
    // SAFETY: 0 is the calling thread; the pointer is to `priority`, which is only read.
    let result = unsafe { libc::syscall(call, thread, libc::SCHED_IDLE, &raw const priority) };
    if result != 0 {
        let error = std::io::Error::last_os_error();
        tracing::warn!(%error, "the index cannot be given a low priority");
    }
    // On Linux, each thread has its own nice value. It is the fallback where the kernel refuses
    // SCHED_IDLE.
    let _ = rustix::process::setpriority_process(None, 19);
}

/// Does nothing: here, indexing only pauses while the workers are busy.
#[cfg(any(sinkd_portable, not(target_os = "linux")))]
pub fn run_when_idle() {}

/// The kernel's figures for a TCP connection or listener (tcp(7), `struct tcp_info`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// Smoothed round-trip time of segments that we sent, µs. Includes the peer's delay of its
    /// acknowledgements.
    pub rtt_us: u64,
    /// Minimum round-trip time, µs: the network alone.
    pub rtt_min_us: u64,
    /// Segments that we retransmitted.
    pub retransmits: u64,
    /// Segments with data that we received.
    pub segments_in: u64,
    /// Segments that arrived out of order: an earlier one was lost or delayed.
    pub out_of_order: u64,
    /// For a listener: connections waiting to be accepted.
    pub accept_queue: u64,
}

/// Octets of `struct tcp_info` that are requested. An older kernel returns fewer, and missing
/// fields are 0.
#[cfg(all(target_os = "linux", not(sinkd_portable)))]
const TCP_INFO_BYTES: usize = 240;

/// Returns the kernel's figures; `None` if it has none for this socket. Costs one system call,
/// about 0.3 µs.
#[cfg(all(target_os = "linux", not(sinkd_portable)))]
pub fn tcp_info(socket: std::os::fd::BorrowedFd<'_>) -> Option<TcpInfo> {
    use std::os::fd::AsRawFd;
    let mut info = [0u8; TCP_INFO_BYTES];
    let mut length = TCP_INFO_BYTES as libc::socklen_t;
    // SAFETY: the pointers are to `info` and `length`, which outlive the call. `length` holds the
    // size of `info`, and the kernel writes no more than that. The descriptor is borrowed.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    (result == 0).then(|| parse_tcp_info(&info))
}

/// Returns `None`: this build doesn't use the system call, which only Linux has.
#[cfg(any(sinkd_portable, not(target_os = "linux")))]
pub fn tcp_info(_: std::os::fd::BorrowedFd<'_>) -> Option<TcpInfo> {
    None
}

/// Parses by the offsets of linux/tcp.h, a structure that only grows at its end.
#[cfg(all(target_os = "linux", not(sinkd_portable)))]
fn parse_tcp_info(info: &[u8; TCP_INFO_BYTES]) -> TcpInfo {
    let at = |offset: usize| {
        let four = info[offset..offset + 4].try_into().expect("four octets");
        u64::from(u32::from_ne_bytes(four))
    };
    TcpInfo {
        accept_queue: at(24),
        rtt_us: at(68),
        retransmits: at(100),
        rtt_min_us: at(148),
        segments_in: at(152),
        out_of_order: at(224),
    }
}

#[cfg(all(test, target_os = "linux", not(sinkd_portable)))]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn the_kernel_reports_round_trips_segments_and_the_accept_queue() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(tcp_info(listener.as_fd()).unwrap().accept_queue, 3);
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(tcp_info(listener.as_fd()).unwrap().accept_queue, 2);
        for _ in 0..5 {
            clients[0].write_all(b"x").unwrap();
            server.read_exact(&mut [0]).unwrap();
            server.write_all(b"y").unwrap();
            clients[0].read_exact(&mut [0]).unwrap();
        }
        let info = tcp_info(server.as_fd()).unwrap();
        assert_eq!((info.segments_in, info.retransmits, info.out_of_order), (5, 0, 0));
        assert!(info.rtt_min_us <= info.rtt_us && info.rtt_us < 10_000_000, "{info:?}");
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(tcp_info(one.as_fd()), None);
    }
}
