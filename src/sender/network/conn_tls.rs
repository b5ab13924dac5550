//! The TLS of one connection: first the handshake, then records.
//!
//! ```text
//! socket ─▶ held ─▶ records, opened where they lie ─▶ session
//! socket ◀─ sealed ◀─ records of up to 16 KiB ◀─ slices of the session
//! ```
//!
//! Octets of the session count as written once their whole record has been written, because the
//! target can't read them earlier.
use std::collections::VecDeque;
use std::io::{self, IoSlice};

use super::stream::TargetStream;
use crate::time::MonotonicUs;
use crate::tls::{
    CONTENT_BYTES_MAX, ClientHandshake, ClientStep, Connector, Failure, Opened, Records, Secured,
    SessionKind,
};

/// Octets sealed at once: a few records, so that a large message is not held in memory twice.
const BATCH_BYTES_MAX: usize = 4 * CONTENT_BYTES_MAX;

/// Buffers shared by the connections of a thread; only one connection at a time seals.
#[derive(Debug, Default)]
pub struct SealingBuffers {
    /// Small slices, joined to fill a record.
    joined: Vec<u8>,
    sealed: Vec<u8>,
}

/// The stage of TLS on a connection.
enum Layer {
    Handshake(ClientHandshake),
    Records(Box<Records>),
    /// TLS was closed or has failed; nothing more can be sealed.
    Closed,
}

/// The TLS of one connection.
pub struct TargetTls {
    layer: Layer,
    /// Received octets of an incomplete record.
    held: Vec<u8>,
    /// Octets to write, and how many of them are already written.
    sealed: Vec<u8>,
    out: usize,
    /// For each record in `sealed`: its end there, and the number of session octets in it.
    records: VecDeque<(usize, usize)>,
    /// When the handshake began.
    started_us: MonotonicUs,
}

/// Whether octets were sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealing {
    /// They were.
    Done,
    /// None: the handshake is in progress.
    AfterHandshake,
}

/// The end of a handshake. From now on there are records.
pub struct HandshakeEnd {
    /// For example `TLSv1.3`.
    pub version: &'static str,
    pub kind: SessionKind,
    /// Content that arrived with the end of the handshake.
    pub early: Vec<u8>,
    /// When the handshake began.
    pub started_us: MonotonicUs,
}

/// The result of reading the next record.
pub enum ReceivedRecord {
    /// The handshake is done.
    Secured(HandshakeEnd),
    /// Content, at this place in the buffer.
    Content(std::ops::Range<usize>),
    /// No complete record; its beginning is kept.
    Nothing,
    /// The target sent close_notify.
    Closed,
}

impl TargetTls {
    /// Begins the handshake; its first message is ready to be written.
    pub fn begin(connector: &Connector, now_us: MonotonicUs) -> Result<TargetTls, Failure> {
        let mut tls = TargetTls {
            layer: Layer::Handshake(ClientHandshake::new(connector)?),
            held: Vec::new(),
            sealed: Vec::new(),
            out: 0,
            records: VecDeque::new(),
            started_us: now_us,
        };
        tls.next(&mut [], &mut 0)?;
        Ok(tls)
    }

    /// Returns whether the handshake is in progress.
    pub fn is_handshaking(&self) -> bool {
        matches!(self.layer, Layer::Handshake(_))
    }

    /// Returns whether sealed octets wait to be written.
    pub fn has_sealed(&self) -> bool {
        self.out < self.sealed.len()
    }

    /// Copies the held octets to the beginning of `buffer`, and returns their number; the next read
    /// goes after them. They stay held until [`TargetTls::release_held`].
    pub fn lend_held(&self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let held = self.held.len();
        if held >= buffer.len() {
            // Messages of a handshake can be longer than records.
            return Err(Failure::TooLong);
        }
        buffer[..held].copy_from_slice(&self.held);
        Ok(held)
    }

    /// Releases the held octets, after a read was appended to them.
    pub fn release_held(&mut self) {
        self.held.clear();
    }

    /// Reads the next record in `buffer` from `at` on, and advances `at` past it. After an error,
    /// TLS is closed.
    pub fn next(&mut self, buffer: &mut [u8], at: &mut usize) -> Result<ReceivedRecord, Failure> {
        match std::mem::replace(&mut self.layer, Layer::Closed) {
            Layer::Handshake(handshake) => self.advance(handshake, buffer, at),
            Layer::Records(records) => self.open(records, buffer, at),
            Layer::Closed => Err(Failure::CutOff),
        }
    }

    fn open(
        &mut self,
        mut records: Box<Records>,
        buffer: &mut [u8],
        at: &mut usize,
    ) -> Result<ReceivedRecord, Failure> {
        let received = loop {
            match records.open(&mut buffer[*at..]) {
                Ok(Opened::Content { place, octets }) => {
                    let content = *at + place.start..*at + place.end;
                    *at += octets;
                    break ReceivedRecord::Content(content);
                }
                Ok(Opened::Nothing { octets }) => *at += octets,
                Ok(Opened::Incomplete) => break self.hold(buffer, at),
                Ok(Opened::Closed) => break ReceivedRecord::Closed,
                Err(failure) => {
                    records.alert(failure, &mut self.sealed);
                    return Err(failure);
                }
            }
        };
        self.layer = Layer::Records(records);
        Ok(received)
    }

    fn advance(
        &mut self,
        handshake: ClientHandshake,
        buffer: &mut [u8],
        at: &mut usize,
    ) -> Result<ReceivedRecord, Failure> {
        let (used, step) = handshake.advance(&mut buffer[*at..], &mut self.sealed);
        *at += used;
        match step? {
            ClientStep::Done(secured) => {
                let Secured { records, version, kind, early } = *secured;
                self.layer = Layer::Records(Box::new(records));
                let started_us = self.started_us;
                Ok(ReceivedRecord::Secured(HandshakeEnd { version, kind, early, started_us }))
            }
            ClientStep::Blocked(handshake) => {
                self.layer = Layer::Handshake(handshake);
                Ok(self.hold(buffer, at))
            }
        }
    }

    /// Keeps an incomplete record.
    fn hold(&mut self, buffer: &[u8], at: &mut usize) -> ReceivedRecord {
        self.held.extend_from_slice(&buffer[*at..]);
        *at = buffer.len();
        ReceivedRecord::Nothing
    }

    /// Seals octets of `slices`, up to one batch. No sealed octets may be pending.
    ///
    /// Errors: TLS is closed, or a key was used up.
    pub fn seal(
        &mut self,
        slices: &[IoSlice<'_>],
        room: &mut SealingBuffers,
    ) -> Result<Sealing, Failure> {
        assert!(!self.has_sealed(), "records leave in their order");
        let records = match &mut self.layer {
            Layer::Records(records) => records,
            Layer::Handshake(_) => return Ok(Sealing::AfterHandshake),
            Layer::Closed => return Err(Failure::CutOff),
        };
        if self.sealed.capacity() == 0 {
            self.sealed = std::mem::take(&mut room.sealed);
        }
        room.joined.clear();
        let mut batch_bytes_rest = BATCH_BYTES_MAX;
        for slice in slices {
            let piece = &slice[..slice.len().min(batch_bytes_rest)];
            batch_bytes_rest -= piece.len();
            // Commands and small messages share a record; slices that fill a record are not copied
            // first.
            if room.joined.len() + piece.len() > CONTENT_BYTES_MAX {
                push(records, &room.joined, &mut self.sealed, &mut self.records)?;
                room.joined.clear();
            }
            if piece.len() > CONTENT_BYTES_MAX {
                push(records, piece, &mut self.sealed, &mut self.records)?
            } else {
                room.joined.extend_from_slice(piece)
            }
        }
        push(records, &room.joined, &mut self.sealed, &mut self.records)?;
        Ok(Sealing::Done)
    }

    /// Writes once. Returns the number of session octets in the records that are now completely
    /// written.
    pub fn write(
        &mut self,
        stream: &mut TargetStream,
        room: &mut SealingBuffers,
    ) -> io::Result<usize> {
        let written = stream.write(&[IoSlice::new(&self.sealed[self.out..])])?;
        self.out += written;
        let mut octets = 0;
        while let Some((_, of_session)) = self.records.pop_front_if(|(end, _)| *end <= self.out) {
            octets += of_session;
        }
        if !self.has_sealed() {
            let mut empty = std::mem::take(&mut self.sealed);
            empty.clear();
            self.out = 0;
            if empty.capacity() > room.sealed.capacity() {
                room.sealed = empty;
            }
        }
        Ok(octets)
    }

    /// Sends close_notify to the target, if the socket accepts it.
    pub fn close(&mut self, stream: &mut TargetStream) {
        if let Layer::Records(mut records) = std::mem::replace(&mut self.layer, Layer::Closed) {
            records.close(&mut self.sealed);
        }
        if self.has_sealed() {
            let _ = stream.write(&[IoSlice::new(&self.sealed[self.out..])]);
        }
    }
}

/// Seals `content`, and records where each record ends.
fn push(
    records: &mut Records,
    content: &[u8],
    sealed: &mut Vec<u8>,
    ends: &mut VecDeque<(usize, usize)>,
) -> Result<(), Failure> {
    let mut before = 0;
    records.seal(content, sealed, |octets, end| {
        ends.push_back((end, octets - before));
        before = octets;
    })
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::tls::{
        Acceptor, CertificateFolder, ClientCertificates, Handshake, HandshakeStep, ServerTrust,
        SessionReuse,
    };

    /// The target's end of a connection.
    struct Target {
        socket: UnixStream,
        records: Records,
        unread: Vec<u8>,
    }

    impl Target {
        /// Returns the content of all complete records.
        fn content(&mut self) -> Vec<u8> {
            read_all(&mut self.socket, &mut self.unread);
            let (mut content, mut at) = (Vec::new(), 0);
            loop {
                match self.records.open(&mut self.unread[at..]).unwrap() {
                    Opened::Content { place, octets } => {
                        content.extend_from_slice(&self.unread[at..][place]);
                        at += octets;
                    }
                    Opened::Nothing { octets } => at += octets,
                    Opened::Incomplete => break,
                    Opened::Closed => panic!("it is open"),
                }
            }
            self.unread.drain(..at);
            content
        }
    }

    fn read_all(socket: &mut UnixStream, unread: &mut Vec<u8>) {
        let mut buffer = [0; 4096];
        loop {
            match socket.read(&mut buffer) {
                Ok(0) => panic!("it is open"),
                Ok(n) => unread.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Returns a connection whose handshake is done, over a socket with little room.
    fn established() -> (TargetTls, TargetStream, Target) {
        let folder = tempfile::tempdir().unwrap();
        let now = crate::time::ProcessClock::get().unix_ns().as_duration();
        let kept = CertificateFolder::in_data_folder(folder.path());
        let identity = kept.identity(&["localhost".into()], now).unwrap();
        let acceptor = Acceptor::new(&identity, &ClientCertificates::Off).unwrap();
        let trust = ServerTrust::Anyone;
        let connector = Connector::new("localhost", &trust, None, SessionReuse::Never).unwrap();
        let (ours, mut socket) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket2::SockRef::from(&ours).set_send_buffer_size(1).unwrap();
        let mut stream = TargetStream::Unix(mio::net::UnixStream::from_std(ours));
        let mut tls = TargetTls::begin(&connector, MonotonicUs::START).unwrap();
        let mut server = Some(Handshake::new(&acceptor).unwrap());
        let (mut unread, mut records) = (Vec::new(), None);
        let mut buffer = vec![0; 1 << 16];
        while records.is_none() || tls.is_handshaking() {
            while tls.has_sealed() {
                assert_eq!(tls.write(&mut stream, &mut SealingBuffers::default()).unwrap(), 0);
                read_all(&mut socket, &mut unread);
            }
            if let Some(handshake) = server.take() {
                let mut out = Vec::new();
                let (used, step) = handshake.advance(&mut unread, &mut out);
                unread.drain(..used);
                socket.write_all(&out).unwrap();
                match step.unwrap() {
                    HandshakeStep::Blocked(handshake) => server = Some(handshake),
                    HandshakeStep::Done(done) => records = Some(done.records),
                }
            }
            let held = tls.lend_held(&mut buffer).unwrap();
            let Ok(n) = stream.read(&mut buffer[held..]) else { continue };
            tls.release_held();
            tls.next(&mut buffer[..held + n], &mut 0).unwrap();
        }
        let records = records.unwrap();
        (tls, stream, Target { socket, records, unread })
    }

    #[test]
    fn octets_are_out_when_their_record_is() {
        let (mut tls, mut stream, mut target) = established();
        let mut room = SealingBuffers::default();
        let large: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        let pieces: [&[u8]; 5] = [b"MAIL\r\n", b"DATA\r\n", &large, b".\r\n", &large[..16_384]];
        let all = pieces.concat();
        let (mut counted, mut found) = (0, Vec::new());
        while counted < all.len() {
            if !tls.has_sealed() {
                let mut skipped = counted;
                let rest = pieces.map(|piece| {
                    let skip = skipped.min(piece.len());
                    skipped -= skip;
                    IoSlice::new(&piece[skip..])
                });
                assert_eq!(tls.seal(&rest, &mut room).unwrap(), Sealing::Done);
            }
            counted += tls.write(&mut stream, &mut room).unwrap();
            found.extend(target.content());
            assert_eq!(counted, found.len(), "what is out can be read, and nothing else");
        }
        assert!(found == all);
        assert!(room.sealed.capacity() > 0, "room is given back");
    }

    #[test]
    fn nothing_is_sealed_or_opened_after_the_end() {
        let (mut tls, _stream, _target) = established();
        // A record that cannot be read closes TLS, with an alert.
        assert!(tls.next(&mut [0; 64], &mut 0).is_err());
        tls.sealed.clear();
        let sealed = tls.seal(&[IoSlice::new(b"NOOP")], &mut SealingBuffers::default());
        assert_eq!(sealed, Err(Failure::CutOff));
        assert!(tls.next(&mut [], &mut 0).is_err());
    }

    #[test]
    fn the_end_is_told() {
        let (mut tls, mut stream, mut target) = established();
        tls.close(&mut stream);
        read_all(&mut target.socket, &mut target.unread);
        assert_eq!(target.records.open(&mut target.unread).unwrap(), Opened::Closed);
    }
}
