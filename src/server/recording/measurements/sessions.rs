//! Recording of connections and sessions, from their admission to their end.
use crate::stats::{Counter, Metric, Recorder, SessionSecond};
use crate::tls::{Agreed, Failure, TLS_1_2, TLS_1_3};

use super::Measurements;
use crate::server::connection::Conn;
use crate::server::sys::TcpInfo;

impl Measurements {
    /// Counts a connection that was admitted after its PROXY header was read.
    #[cold]
    pub fn identified(&mut self, conn: &Conn) {
        let Some(recorder) = &mut self.recorder else { return };
        let counter = if conn.is_session { Counter::Proxied } else { Counter::HealthChecks };
        recorder.add(counter, 1);
    }

    /// Records a completed TLS handshake, which took `us`.
    #[cold]
    pub fn secured(&mut self, us: u64, agreed: &Agreed) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.record(Metric::Handshake, us);
        recorder.add(Counter::TlsHandshakes, 1);
        recorder.add(Counter::TlsResumed, u64::from(agreed.is_resumed));
        recorder.add(Counter::Tls12, u64::from(agreed.version == TLS_1_2));
        recorder.add(Counter::Tls13, u64::from(agreed.version == TLS_1_3));
    }

    /// Counts a failure of TLS, during or after the handshake.
    #[cold]
    pub fn tls_failed(&mut self, failure: Failure) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::from(failure), 1);
    }

    /// Counts a connection whose octets between STARTTLS and the handshake were discarded.
    #[cold]
    pub fn discarded(&mut self, octets: usize) {
        let Some(recorder) = self.recorder.as_mut().filter(|_| octets > 0) else { return };
        recorder.add(Counter::TlsDiscarded, 1);
    }

    /// Counts a client that was named by XCLIENT and greeted.
    #[cold]
    pub fn named(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::Xclient, 1);
    }

    /// Changes the client of the session of `conn`, in which nothing has been submitted.
    #[cold]
    pub fn renamed(&mut self, conn: &mut Conn) {
        let Some(recorder) = self.recorder.as_mut().filter(|_| conn.is_session) else { return };
        let key = conn.key();
        recorder.rename_session(&mut conn.statistics.hint, key);
    }

    /// Counts a client that the lists of the listener at this index don't admit.
    #[cold]
    pub fn denied(&mut self, listener: usize) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::Denied, 1);
        if let Some(listener) = recorder.listener(listener) {
            listener.denied += 1;
        }
    }

    /// Counts a connection to a proxied listener that was closed without a reply: no valid header
    /// came, or the peer's network is not trusted.
    #[cold]
    pub fn proxy_refused(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::ProxyRefused, 1);
    }

    /// Counts a new connection, if it is a session.
    pub fn opened(&mut self, conn: &mut Conn) {
        let Some(recorder) = self.recorder.as_mut().filter(|_| conn.is_session) else { return };
        recorder.add(Counter::Connections, 1);
        if let Some(listener) = recorder.listener(conn.session.listener_index()) {
            listener.connections += 1;
        }
        conn.statistics.hint = recorder.begin_session(conn.key()).unwrap_or_default();
    }

    /// Counts a connection that was greeted with 421.
    #[cold]
    pub fn turned_away(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::TurnedAway, 1);
    }

    /// Counts an open connection that sinkd ends with 421, for a reason other than the client's
    /// commands.
    #[cold]
    pub fn dismissed(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::Dismissed, 1);
    }

    /// Records the end of a connection.
    pub fn closed(&mut self, conn: &mut Conn) {
        self.session_over(conn);
        let Some(recorder) = self.recorder.as_mut().filter(|_| conn.is_session) else { return };
        if let Some(info) = round_trips(recorder, conn) {
            recorder.add(Counter::Retransmits, info.retransmits);
            recorder.add(Counter::SegmentsIn, info.segments_in);
            recorder.add(Counter::OutOfOrder, info.out_of_order);
        }
    }

    /// Records the end of a session, usually together with its connection.
    pub fn session_over(&mut self, conn: &mut Conn) {
        let Some(recorder) = self.recorder.as_mut().filter(|_| conn.is_session) else { return };
        let us = recorder.round_us();
        if let Some(session) = session(recorder, conn) {
            session.end(us);
        }
        recorder.add(Counter::Closed, 1);
        recorder.add(Counter::ClosedMessages, u64::from(conn.session.messages()));
        recorder.record(Metric::SessionMessages, u64::from(conn.session.messages()));
        recorder.record(Metric::Session, self.wake_us.us_since(conn.times.opened_us));
    }
}

/// Records the round-trip times of a connection, as the kernel reports them.
pub(super) fn round_trips(recorder: &mut Recorder, conn: &Conn) -> Option<TcpInfo> {
    let info = conn.socket.tcp_info()?;
    recorder.record(Metric::Rtt, info.rtt_us);
    recorder.record(Metric::RttMin, info.rtt_min_us);
    Some(info)
}

/// Returns the record of the session of `conn` in the current second. `None`: too many sessions are
/// active.
#[inline]
pub(super) fn session<'a>(
    recorder: &'a mut Recorder,
    conn: &mut Conn,
) -> Option<&'a mut SessionSecond> {
    let (hint, id) = (conn.statistics.hint, conn.id.session);
    if recorder.find_session(hint, id).is_none() {
        let key = conn.key();
        return recorder.add_session(&mut conn.statistics.hint, key);
    }
    recorder.find_session(hint, id)
}
