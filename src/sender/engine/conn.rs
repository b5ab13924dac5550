//! A connection to the target: its socket, its session, and TLS between them.
use std::io::{self, IoSlice};
use std::time::Duration;

use super::connection_end::ConnectionEnd;
use crate::sender::network::{
    HandshakeEnd, ReceivedRecord, Sealing, TargetEvent, TargetStream, TargetTls,
};
use crate::sender::recording::{ConnectionFailure, SendLedger};
use crate::sender::scheduling::Readiness;
use crate::sender::settings::{SendingTls, TlsStart};
use crate::sender::source::DueMessage;
use crate::smtp::client::{ClientSession, OutgoingMail};
use crate::stats::{Counter, Metric};
use crate::time::MonotonicUs;
use crate::tls::Failure;

/// Maximum number of slices in one write.
const SLICES_MAX: usize = 64;
/// Usual number of slices; preparing the maximum each time would cost more than the write itself.
const SLICES_FEW: usize = 8;
/// Octets written for one connection before the others get their turn.
const TURN_BYTES_MAX: usize = 1 << 20;

/// Whether the connection needs another turn without a further event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnNeeds {
    Event,
    Again,
}

/// What a call on the socket achieved.
enum SocketProgress {
    /// This many octets were read or written; 0 if the target closed its side.
    Octets(usize),
    /// A signal interrupted the call.
    Interrupted,
    /// Nothing, until the socket reports an event.
    Blocked,
}

/// What protects a connection.
enum Protection {
    /// Nothing, and TLS is not planned.
    None,
    /// Nothing until the handshake, which will have these settings.
    Planned(SendingTls),
    /// TLS, from the beginning of its handshake.
    Tls(Box<TargetTls>),
}

pub struct TargetConn {
    stream: TargetStream,
    pub session: ClientSession<DueMessage>,
    protection: Protection,
    is_connected: bool,
    /// When the connection was requested.
    requested_us: MonotonicUs,
    /// When octets were last sent or received.
    active_us: MonotonicUs,
    /// Number of slices in the last write, as an estimate for the next one.
    pieces: usize,
}

impl TargetConn {
    pub fn new(
        stream: TargetStream,
        session: ClientSession<DueMessage>,
        plan: Option<SendingTls>,
        now_us: MonotonicUs,
    ) -> TargetConn {
        let (requested_us, active_us) = (now_us, now_us);
        let protection = plan.map_or(Protection::None, Protection::Planned);
        let (is_connected, pieces) = (false, 0);
        TargetConn { stream, session, protection, is_connected, requested_us, active_us, pieces }
    }

    /// Returns whether the session was ever open for messages.
    pub fn has_opened(&self) -> bool {
        self.session.is_open()
    }

    /// Returns what the connection can do now.
    #[inline(always)]
    pub fn readiness(&self) -> Readiness {
        let session = &self.session;
        if session.is_exhausted() {
            Readiness::Exhausted
        } else if session.can_start() {
            Readiness::Ready
        } else if !session.is_open() {
            Readiness::Opening
        } else if session.is_quitting() {
            Readiness::Ending
        } else {
            Readiness::Busy
        }
    }

    /// Handles an event: reads octets and feeds them to the session.
    pub fn ready(
        &mut self,
        event: TargetEvent,
        scratch: &mut [u8],
        ledger: &mut SendLedger,
    ) -> Result<(), ConnectionEnd> {
        if !self.is_connected && !self.connected(ledger)? {
            return Ok(());
        }
        if event.is_readable {
            self.read(event, scratch, ledger)?;
        }
        Ok(())
    }

    fn connected(&mut self, ledger: &mut SendLedger) -> Result<bool, ConnectionEnd> {
        let is_connected = self.stream.is_connected()?;
        if is_connected {
            let now_us = ledger.now_us();
            self.is_connected = true;
            self.active_us = now_us;
            self.session.connected(now_us);
            ledger.tally.connections += 1;
            ledger.recorder.add(Counter::Connections, 1);
            ledger.recorder.record(Metric::Connect, now_us.us_since(self.requested_us));
            if let Protection::Planned(plan) = &self.protection
                && plan.start == TlsStart::AtOnce
            {
                self.protection = begin_tls(plan, now_us)?;
            }
        }
        Ok(is_connected)
    }

    /// Returns whether a handshake is under way.
    pub fn is_handshaking(&self) -> bool {
        matches!(&self.protection, Protection::Tls(tls) if tls.is_handshaking())
    }

    fn read(
        &mut self,
        event: TargetEvent,
        buffer: &mut [u8],
        ledger: &mut SendLedger,
    ) -> Result<(), ConnectionEnd> {
        if let Protection::Tls(_) = self.protection {
            return self.read_sealed(event, buffer, ledger);
        }
        loop {
            let result = self.stream.read(buffer);
            match self.progress(result)? {
                SocketProgress::Octets(0) => return Err(self.end_after_close()),
                SocketProgress::Octets(n) => {
                    self.active_us = ledger.now_us();
                    self.feed(&buffer[..n], ledger)?;
                    if let Protection::Planned(plan) = &self.protection
                        && self.session.wants_handshake()
                    {
                        self.protection = begin_tls(plan, ledger.now_us())?;
                        return self.read_sealed(event, buffer, ledger);
                    }
                    // On Linux, a short read has emptied the socket (epoll(7)).
                    if n < buffer.len()
                        && !event.is_ended
                        && cfg!(all(target_os = "linux", not(sinkd_portable)))
                    {
                        return Ok(());
                    }
                }
                SocketProgress::Blocked => return Ok(()),
                SocketProgress::Interrupted => {}
            }
        }
    }

    fn feed(&mut self, octets: &[u8], ledger: &mut SendLedger) -> Result<(), ConnectionEnd> {
        self.session.lend(&mut ledger.buffers.write);
        self.session.feed(octets, ledger.now_us(), ledger);
        if self.session.is_closed() { Err(self.end_after_close()) } else { Ok(()) }
    }

    fn read_sealed(
        &mut self,
        event: TargetEvent,
        buffer: &mut [u8],
        ledger: &mut SendLedger,
    ) -> Result<(), ConnectionEnd> {
        loop {
            let Protection::Tls(tls) = &mut self.protection else { return Ok(()) };
            let held = tls.lend_held(buffer)?;
            let result = self.stream.read(&mut buffer[held..]);
            match self.progress(result)? {
                SocketProgress::Octets(0) => return Err(self.end_without_close_notify()),
                SocketProgress::Octets(n) => {
                    self.active_us = ledger.now_us();
                    self.release_held();
                    let requested = buffer.len() - held;
                    self.open(&mut buffer[..held + n], ledger)?;
                    if n < requested
                        && !event.is_ended
                        && cfg!(all(target_os = "linux", not(sinkd_portable)))
                    {
                        return Ok(());
                    }
                }
                SocketProgress::Blocked => return Ok(()),
                SocketProgress::Interrupted => {}
            }
        }
    }

    fn release_held(&mut self) {
        if let Protection::Tls(tls) = &mut self.protection {
            tls.release_held();
        }
    }

    /// Returns what a call on the socket achieved, or how the connection ended if it failed.
    #[inline(always)]
    fn progress(&self, result: io::Result<usize>) -> Result<SocketProgress, ConnectionEnd> {
        match result {
            Ok(octets) => Ok(SocketProgress::Octets(octets)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(SocketProgress::Blocked),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(SocketProgress::Interrupted),
            Err(_) if self.is_handshaking() => Err(Failure::CutOff.into()),
            Err(e) => Err(e.into()),
        }
    }

    /// Returns how the connection ended if the target closed the socket below TLS.
    fn end_without_close_notify(&self) -> ConnectionEnd {
        if self.is_handshaking() {
            Failure::CutOff.into()
        } else {
            ConnectionEnd::Failed(ConnectionFailure::NoCloseNotify)
        }
    }

    /// Opens the records that were read, and feeds their content to the session.
    fn open(&mut self, buffer: &mut [u8], ledger: &mut SendLedger) -> Result<(), ConnectionEnd> {
        let mut at = 0;
        loop {
            let Protection::Tls(tls) = &mut self.protection else { return Ok(()) };
            match tls.next(buffer, &mut at)? {
                ReceivedRecord::Nothing => return Ok(()),
                ReceivedRecord::Closed => return Err(self.end_after_close()),
                ReceivedRecord::Secured(secured) => self.secured(secured, ledger)?,
                ReceivedRecord::Content(place) => self.feed(&buffer[place], ledger)?,
            }
        }
    }

    /// Completes the handshake: the session begins, or starts over.
    fn secured(&mut self, end: HandshakeEnd, ledger: &mut SendLedger) -> Result<(), ConnectionEnd> {
        ledger.secured(end.started_us, end.version, end.kind);
        if self.session.wants_handshake() {
            self.session.lend(&mut ledger.buffers.write);
            self.session.secured();
        } else {
            self.session.connected(ledger.now_us())
        }
        self.feed(&end.early, ledger)
    }

    /// Returns how the connection ended if the target closed its side.
    fn end_after_close(&self) -> ConnectionEnd {
        match self.session.fault() {
            Some(fault) => ConnectionEnd::Failed(fault.into()),
            None if self.session.is_closed() || !self.session.waits() => ConnectionEnd::Clean,
            None => ConnectionEnd::Failed(ConnectionFailure::RepliesMissing),
        }
    }

    /// Starts a message in the session.
    pub fn start(&mut self, due: DueMessage, mut mail: Box<OutgoingMail>, ledger: &mut SendLedger) {
        ledger.record_start(&due);
        let unix_ns = ledger.unix_ns();
        ledger.supply.source.begin(unix_ns, &mut mail);
        self.session.lend(&mut ledger.buffers.write);
        self.session.start(due, mail, ledger.now_us(), ledger);
    }

    /// Writes pending octets until the socket is full.
    pub fn flush(&mut self, ledger: &mut SendLedger) -> Result<TurnNeeds, ConnectionEnd> {
        if let Protection::Tls(_) = self.protection {
            return self.flush_sealed(ledger);
        }
        let mut written = 0;
        while self.is_connected && self.session.has_output() {
            if written > TURN_BYTES_MAX {
                return Ok(TurnNeeds::Again);
            }
            let result =
                if self.pieces < SLICES_FEW { self.write_few() } else { self.write_many() };
            match self.progress(result)? {
                SocketProgress::Octets(octets) => {
                    written += octets;
                    self.mark_written(octets, ledger);
                }
                SocketProgress::Blocked => break,
                SocketProgress::Interrupted => {}
            }
        }
        self.session.return_buffer(&mut ledger.buffers.write);
        Ok(TurnNeeds::Event)
    }

    /// Does what `flush` does, under TLS: writes sealed octets before it seals more.
    fn flush_sealed(&mut self, ledger: &mut SendLedger) -> Result<TurnNeeds, ConnectionEnd> {
        let mut written = 0;
        while let Protection::Tls(tls) = &mut self.protection {
            if tls.has_sealed() {
                let result = tls.write(&mut self.stream, &mut ledger.buffers.sealing);
                match self.progress(result)? {
                    SocketProgress::Octets(octets) => {
                        written += octets;
                        self.mark_written(octets, ledger);
                    }
                    SocketProgress::Blocked => break,
                    SocketProgress::Interrupted => {}
                }
                continue;
            }
            if !self.session.has_output() {
                break;
            }
            if written > TURN_BYTES_MAX {
                return Ok(TurnNeeds::Again);
            }
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let pieces = self.session.slices(&mut slices);
            if tls.seal(&slices[..pieces], &mut ledger.buffers.sealing)? == Sealing::AfterHandshake
            {
                break;
            }
        }
        self.session.return_buffer(&mut ledger.buffers.write);
        Ok(TurnNeeds::Event)
    }

    #[inline(always)]
    fn mark_written(&mut self, octets: usize, ledger: &mut SendLedger) {
        let now_us = ledger.now_us();
        self.session.mark_written(octets, now_us, ledger);
        self.active_us = now_us;
    }

    #[inline(always)]
    fn write_few(&mut self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES_FEW];
        self.pieces = self.session.slices(&mut slices);
        if self.pieces == SLICES_FEW {
            return self.write_many();
        }
        self.stream.write(&slices[..self.pieces])
    }

    #[inline(never)]
    fn write_many(&mut self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        self.pieces = self.session.slices(&mut slices);
        self.stream.write(&slices[..self.pieces])
    }

    /// Returns whether nothing was sent or received for longer than `max`, while something is
    /// expected of the target.
    pub fn is_stalled(&self, now_us: MonotonicUs, max: Duration) -> bool {
        let waits = !self.is_connected || self.session.waits() || self.is_handshaking();
        waits && now_us.since(self.active_us) > max
    }

    /// Ends the connection, over which `started` messages were begun: reports the outcome of
    /// messages in progress, and records the session.
    pub fn close(&mut self, started: u64, ledger: &mut SendLedger) {
        if let Protection::Tls(tls) = &mut self.protection {
            tls.close(&mut self.stream);
        }
        self.session.lost(ledger);
        if self.is_connected {
            ledger.recorder.add(Counter::Closed, 1);
            ledger.recorder.record(Metric::SessionMessages, started);
            let session_us = ledger.now_us().us_since(self.requested_us);
            ledger.recorder.record(Metric::Session, session_us);
        }
    }
}

/// Begins the handshake that was planned.
#[cold]
fn begin_tls(plan: &SendingTls, now_us: MonotonicUs) -> Result<Protection, ConnectionEnd> {
    let tls = TargetTls::begin(&plan.connector, now_us)?;
    Ok(Protection::Tls(Box::new(tls)))
}
