//! A harness for one client after another: it writes octets into a real socket in exactly the
//! pieces that a test chooses, and reads replies from the socket and messages from the log.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::{Auth, AuthSettings, ClientSettings, Config, StatisticsSettings, Tls};
use crate::log::reader::{Folder, Positions};
use crate::log::{LogSettings, MessageId, Retention, Slot};
use crate::smtp::data::unstuff;
use crate::smtp::deviation::Deviation;
use crate::smtp::envelope;
use crate::smtp::limits::{Protocol, SessionLimits, Syntax};
use crate::stats::Counter;
use crate::tls::CertificateFolder;
use crate::tls::by_hand::{ClientByHand, ClientOffer};

use super::by_hand::{Beginning, ByHandSink, Place, SocketEvent};

/// Size of the log's segments: small, so that sessions cross their ends.
const SEGMENT_BYTES: u64 = 64 << 10;
/// Size of the ring: more than a session stores.
const RING_BYTES: u64 = 1 << 20;
/// Limit on the rounds for one piece. If the sink needs more, it is in an endless loop.
const ROUNDS_MAX: usize = 100_000;

/// A message as the log's reader returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// The encoded envelope; see [`envelope::decode`].
    pub envelope: Vec<u8>,
    /// The payload in wire form.
    pub payload: Vec<u8>,
    /// Stuffed dots in the payload.
    pub dots: u32,
}

impl StoredMessage {
    /// Returns the message: the payload without stuffed dots.
    pub fn message(&self) -> Vec<u8> {
        if self.dots == 0 {
            return self.payload.clone();
        }
        unstuff(&self.payload).into_owned()
    }
}

/// For each kind of deviation, the number of accepted commands that had it.
pub type Tolerated = BTreeMap<Deviation, u64>;

/// Everything a client and a reader of the log can observe. It must be the same wherever the octets
/// are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The replies as read from the socket, except that the session's messages are renamed to
    /// `1:0`, `1:1`, ….
    pub replies: Vec<u8>,
    pub stored: Vec<StoredMessage>,
    /// Tolerated deviations, as the statistics count them.
    pub tolerated: Tolerated,
    pub closed: bool,
}

/// What the clients are trusted to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Nothing.
    None,
    /// Name another client by XCLIENT.
    Xclient,
    /// Authenticate as any user.
    Auth,
    /// Begin TLS, and authenticate as any user under it.
    Tls,
    /// Authenticate as any user, and only under TLS, which is required.
    TlsRequired,
}

/// The protocol of a client, and how strictly its syntax is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientDialect {
    pub protocol: Protocol,
    pub syntax: Syntax,
    pub trust: Trust,
}

impl ClientDialect {
    /// Returns each combination of protocol and syntax.
    pub fn all(trust: Trust) -> [ClientDialect; 4] {
        use Protocol::{Lmtp, Smtp};
        use Syntax::{Lenient, Strict};
        [(Smtp, Strict), (Smtp, Lenient), (Lmtp, Strict), (Lmtp, Lenient)]
            .map(|(protocol, syntax)| ClientDialect { protocol, syntax, trust })
    }
}

/// A sink called `sink.example` in a temporary folder, a ring of small segments.
///
/// It serves one client at a time; a session costs a few hundred microseconds.
pub struct OneByOne {
    sink: ByHandSink,
    folder: Folder,
    /// The positions up to which the log was read.
    seen: Positions,
    now: Duration,
    /// Counts that were not taken yet.
    counted: BTreeMap<Counter, u64>,
    _temporary: tempfile::TempDir,
}

impl OneByOne {
    /// Creates a sink with these limits, this syntax and this trust in its clients.
    pub fn new(limits: SessionLimits, syntax: Syntax, trust: Trust) -> OneByOne {
        let xclient_trusted = match trust {
            Trust::None | Trust::Auth | Trust::Tls | Trust::TlsRequired => Vec::new(),
            // Clients of Unix sockets are trusted if any network is.
            Trust::Xclient => vec![IpNet::new_assert(Ipv4Addr::LOCALHOST.into(), 32)],
        };
        let clients = ClientSettings { xclient_trusted, ..ClientSettings::default() };
        let config = Config { limits, syntax, clients, ..Config::default() };
        OneByOne::from_config(match trust {
            Trust::None | Trust::Xclient => config,
            Trust::Auth => Config { auth: Auth::Any.into(), ..config },
            Trust::Tls => {
                let auth = AuthSettings { is_tls_only: true, ..Auth::Any.into() };
                Config { auth, tls: Tls::Offered.into(), ..config }
            }
            Trust::TlsRequired => {
                Config { auth: Auth::Any.into(), tls: Tls::Required.into(), ..config }
            }
        })
    }

    /// Creates a sink with this configuration, except for its name.
    pub fn from_config(config: Config) -> OneByOne {
        // The folder is in memory if possible: nothing here depends on a disk.
        let temporary = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let temporary = temporary.expect("a temporary folder can be made");
        let config = own(config, temporary.path());
        let retention = Retention { bytes: Some(RING_BYTES), ..Retention::default() };
        let settings = LogSettings {
            segment_bytes_first: SEGMENT_BYTES,
            segment_bytes_max: SEGMENT_BYTES,
            retention,
            ..LogSettings::default()
        };
        let (sink, _) = ByHandSink::open(temporary.path(), &config, settings)
            .expect("a folder that was just made can be opened");
        let folder = Folder::open(temporary.path()).expect("and read");
        let seen = folder.positions();
        OneByOne {
            sink,
            folder,
            seen,
            now: Duration::from_secs(1),
            counted: BTreeMap::new(),
            _temporary: temporary,
        }
    }

    /// Connects a client, which is greeted.
    pub fn connect(&mut self, protocol: Protocol) -> Dialogue<'_> {
        self.connect_by(|sink, socket| sink.connect(socket, protocol))
    }

    /// Connects a client that begins with `beginning`.
    pub fn connect_with(&mut self, beginning: Beginning) -> Dialogue<'_> {
        self.connect_by(|sink, socket| sink.connect_with(socket, beginning))
    }

    /// Returns a client that trusts the CA of the sink.
    pub fn tls_client(&self) -> ClientByHand {
        self.tls_offer().client()
    }

    /// Returns an offer for clients that trust the CA of the sink and resume each other's sessions.
    pub fn tls_offer(&self) -> ClientOffer {
        let ca = CertificateFolder::in_data_folder(self._temporary.path()).ca_path();
        ClientOffer::trusting(&ca)
    }

    /// Puts `config` in force, as `sinkctl reload` does.
    pub fn reload(&mut self, config: Config) {
        self.sink.reload(&own(config, self._temporary.path()));
        self.next_second();
    }

    /// Prevents further handshakes from beginning, as if too many were in progress.
    pub fn fill_handshakes(&mut self) {
        self.sink.fill_handshakes();
    }

    /// Returns the counter's increase since the last call.
    pub fn take_counted(&mut self, counter: Counter) -> u64 {
        self.collect_counters();
        self.counted.remove(&counter).unwrap_or(0)
    }

    fn collect_counters(&mut self) {
        self.next_second();
        let counted = &mut self.counted;
        self.sink.take_recorded(|interval| {
            for counter in Counter::ALL {
                *counted.entry(*counter).or_default() += interval.counter(*counter);
            }
        });
    }

    fn connect_by(
        &mut self,
        connect: impl FnOnce(&mut ByHandSink, UnixStream) -> Option<Place>,
    ) -> Dialogue<'_> {
        self.check_at_rest();
        let (socket, theirs) = UnixStream::pair().expect("descriptors are left");
        for socket in [&socket, &theirs] {
            socket.set_nonblocking(true).expect("a socket can be nonblocking");
        }
        self.next_second();
        let place = connect(&mut self.sink, theirs).expect("a client stays for its greeting");
        let mut session = Dialogue {
            sink: self,
            socket: Some(socket),
            place,
            replies: Vec::new(),
            messages: 0,
            is_closed: false,
            tls: None,
            octets: Pieces::Whole,
            rounds: 0,
        };
        session.run_until_idle();
        session
    }

    /// Checks that the sink holds nothing for the last client.
    fn check_at_rest(&self) {
        assert_eq!(self.sink.open_connections(), 0, "the last client has left");
        self.sink.check_at_rest();
    }

    /// Runs a round in another second, in which the worker hands over its statistics.
    fn next_second(&mut self) {
        self.now += Duration::from_secs(1);
        self.sink.wake(self.now);
        self.sink.round();
    }

    fn take_tolerated(&mut self) -> Tolerated {
        self.collect_counters();
        let kinds = Deviation::ALL.into_iter().zip(Counter::TOLERATED);
        let counted =
            kinds.filter_map(|(kind, counter)| Some((kind, self.counted.remove(counter)?)));
        counted.filter(|(_, times)| *times > 0).collect()
    }

    /// Returns the messages stored since the last call, with their ids.
    fn take_stored(&mut self) -> Vec<(MessageId, StoredMessage)> {
        let news = self.folder.follow(&mut self.seen).expect("the folder can be listed");
        assert!(news.damage.is_empty(), "{:?}", news.damage);
        let mut slots = news.slots;
        // There is one worker, so the numbers rise.
        slots.sort_by_key(|slot| slot.id());
        slots.iter().map(|slot| (slot.id(), self.read(slot))).collect()
    }

    fn read(&self, slot: &Slot) -> StoredMessage {
        let segment = self.folder.segment(slot.id().segment).expect("it was just written");
        let mut record = Vec::new();
        let (envelope, payload) = segment.record(slot, &mut record).expect("it is whole");
        StoredMessage {
            envelope: envelope.to_vec(),
            payload: payload.to_vec(),
            dots: slot.facts().dots,
        }
    }
}

/// One client and its connection.
pub struct Dialogue<'a> {
    sink: &'a mut OneByOne,
    /// `None`: the client has left.
    socket: Option<UnixStream>,
    place: Place,
    replies: Vec<u8>,
    /// Messages stored so far.
    messages: usize,
    is_closed: bool,
    /// `None`: plain text.
    tls: Option<ClientByHand>,
    /// How encrypted octets are cut.
    octets: Pieces,
    /// Number of rounds so far.
    rounds: usize,
}

/// How encrypted octets are cut on their way to the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pieces {
    /// As they were encrypted.
    Whole,
    /// Octet by octet.
    Octets,
}

impl Dialogue<'_> {
    /// Sends the client's next octets. The sink reads them in one piece, as far as its buffers
    /// allow. Under TLS they are encrypted first. After the close they are lost.
    pub fn send(&mut self, piece: &[u8]) {
        let Some(tls) = self.tls.as_mut().filter(|_| !piece.is_empty()) else {
            return self.send_octets(piece);
        };
        tls.send(piece);
        self.flush();
    }

    /// Runs a handshake as far as possible. Errors are the client's.
    pub fn handshake(&mut self, octets: Pieces) -> Result<(), String> {
        let client = self.sink.tls_client();
        self.handshake_with(client, octets)
    }

    /// Runs a handshake of `client` as far as possible. Errors are the client's.
    pub fn handshake_with(&mut self, client: ClientByHand, octets: Pieces) -> Result<(), String> {
        assert!(self.tls.is_none(), "TLS begins once");
        let (mut client, early) = (client, std::mem::take(&mut self.replies));
        client.receive(&early);
        (self.tls, self.octets) = (Some(client), octets);
        self.flush();
        match self.tls.as_mut().and_then(ClientByHand::take_error) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Encrypts `content` into a record, without sending it.
    pub fn seal(&mut self, content: &[u8]) {
        if let Some(tls) = &mut self.tls {
            tls.send(content);
        }
    }

    /// Sends the records that `seal` creates in one piece. Returns the number of rounds that the
    /// sink needs.
    pub fn rounds_of(&mut self, seal: impl FnOnce(&mut Self)) -> usize {
        seal(self);
        let before = self.rounds;
        self.flush();
        self.rounds - before
    }

    /// Encrypts `content` and sends it with one octet changed.
    pub fn send_tampered(&mut self, content: &[u8]) {
        let Some(tls) = &mut self.tls else { return };
        tls.send(content);
        let mut octets = tls.take_octets();
        if let Some(octet) = octets.last_mut() {
            *octet ^= 1;
        }
        self.send_octets(&octets);
    }

    /// Returns whether the sink has sent close_notify.
    pub fn has_heard_close_notify(&self) -> bool {
        self.tls.as_ref().is_some_and(ClientByHand::has_heard_close_notify)
    }

    /// Puts `config` in force while the client is connected.
    pub fn reload(&mut self, config: Config) {
        self.sink.reload(config);
        self.run_until_idle();
    }

    /// Lets time pass.
    pub fn wait(&mut self, time: Duration) {
        self.sink.now += time;
        self.sink.sink.wake(self.sink.now);
        self.run_until_idle();
    }

    /// Sends the client's close_notify.
    pub fn close_tls(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close();
        }
        self.flush();
    }

    /// Sends what the client's TLS has queued.
    fn flush(&mut self) {
        loop {
            let Some(tls) = &mut self.tls else { return };
            let octets = tls.take_octets();
            match self.octets {
                _ if octets.is_empty() => return,
                Pieces::Whole => self.send_octets(&octets),
                Pieces::Octets => octets.chunks(1).for_each(|octet| self.send_octets(octet)),
            }
        }
    }

    /// Sends the client's next octets as they are.
    pub fn send_octets(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while !rest.is_empty() && !self.is_closed {
            let Some(socket) = &mut self.socket else { return };
            match socket.write(rest) {
                Ok(octets) => rest = &rest[octets..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The sink has closed; its earlier replies can still be read.
                Err(_) => rest = &[],
            }
            self.sink.sink.wake(self.sink.now);
            self.sink.sink.ready(self.place, SocketEvent::Plain);
            self.run_until_idle();
        }
    }

    /// Runs rounds until the sink waits for the client.
    fn run_until_idle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.rounds += 1;
            let sink = &mut self.sink.sink;
            sink.round();
            let is_provisioned = sink.wants_provisioning() && sink.provision(usize::MAX) > 0;
            let was_woken = sink.take_wake();
            let waits_for_room = !self.is_closed && sink.watches_writes(self.place);
            for place in sink.take_reported_again() {
                sink.ready(place, SocketEvent::Plain);
            }
            let has_read = self.read();
            let sink = &mut self.sink.sink;
            if has_read && waits_for_room {
                sink.ready(self.place, SocketEvent::Plain);
            } else if !is_provisioned && !was_woken && sink.wait_ms() != Some(0) {
                return;
            }
            sink.wake(self.sink.now);
        }
        panic!("the sink does not come to rest");
    }

    /// Reads what the sink has sent. Returns whether there was anything.
    fn read(&mut self) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        let mut octets = Vec::new();
        match socket.read_to_end(&mut octets) {
            Ok(_) => self.is_closed = true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.is_closed = true,
        }
        match &mut self.tls {
            None => self.replies.extend_from_slice(&octets),
            Some(tls) => {
                tls.receive(&octets);
                self.replies.extend(tls.take_content());
            }
        }
        !octets.is_empty()
    }

    /// Takes the replies since the last call.
    pub fn take_replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.replies)
    }

    /// Takes the messages stored since the last call.
    pub fn take_stored(&mut self) -> Vec<StoredMessage> {
        self.sink.take_stored().into_iter().map(|(_, stored)| stored).collect()
    }

    /// Returns whether the sink has closed the connection.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Returns what the session did since the last call. Checks that each message was acknowledged
    /// with its id.
    pub fn take_outcome(&mut self) -> Observed {
        let mut replies = self.take_replies();
        let mut stored = Vec::new();
        for (id, message) in self.sink.take_stored() {
            let name = format!(" {id}\r\n");
            let number = format!(" 1:{}\r\n", self.messages);
            let renamed = replace(&replies, name.as_bytes(), number.as_bytes());
            replies = renamed.unwrap_or_else(|| panic!("{id} is stored, and not acknowledged"));
            self.messages += 1;
            stored.push(message);
        }
        let tolerated = self.sink.take_tolerated();
        Observed { replies, stored, tolerated, closed: self.is_closed }
    }

    /// Disconnects the client. Checks that the sink no longer holds anything for it.
    pub fn leave(mut self) -> Observed {
        let is_open = self.sink.sink.open_connections() > 0;
        // Closing the socket would not suffice: a test in another thread that starts a program
        // briefly duplicates all descriptors.
        if let Some(socket) = self.socket.take() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        if is_open {
            self.sink.sink.wake(self.sink.now);
            self.sink.sink.ready(self.place, SocketEvent::Special);
            self.run_until_idle();
        }
        self.sink.check_at_rest();
        self.take_outcome()
    }
}

/// Sets what all configurations of a test have in common.
fn own(config: Config, data: &Path) -> Config {
    let stats = StatisticsSettings { is_recorded: true, ..config.stats };
    Config { hostname: "sink.example".into(), data: data.to_owned(), stats, ..config }
}

/// Replaces each `from` in `text` by `to`; `None`: there is no `from`.
fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    let mut parts = Vec::new();
    let mut rest = 0;
    for at in memchr::memmem::find_iter(text, from) {
        parts.extend_from_slice(&text[rest..at]);
        parts.extend_from_slice(to);
        rest = at + from.len();
    }
    parts.extend_from_slice(&text[rest..]);
    (rest > 0).then_some(parts)
}

/// Calls `run` with a sink that has these limits and this syntax. Each thread keeps its sink for
/// the next call.
pub fn with_sink<T>(
    limits: &SessionLimits,
    syntax: Syntax,
    run: impl FnOnce(&mut OneByOne) -> T,
) -> T {
    with_trusting_sink(limits, syntax, Trust::None, run)
}

/// Calls `run` with a sink that also trusts its clients as `trust` says.
pub fn with_trusting_sink<T>(
    limits: &SessionLimits,
    syntax: Syntax,
    trust: Trust,
    run: impl FnOnce(&mut OneByOne) -> T,
) -> T {
    type Kept = Vec<(SessionLimits, Syntax, Trust, OneByOne)>;
    thread_local!(static KEPT: RefCell<Kept> = const { RefCell::new(Vec::new()) });
    let kept = KEPT.with_borrow_mut(|kept| {
        let is_meant = |of: &(SessionLimits, Syntax, Trust, OneByOne)| {
            of.0 == *limits && (of.1, of.2) == (syntax, trust)
        };
        kept.iter().position(is_meant).map(|at| kept.swap_remove(at).3)
    });
    // A sink in which a check failed is not reused.
    let mut sink = kept.unwrap_or_else(|| OneByOne::new(limits.clone(), syntax, trust));
    let result = run(&mut sink);
    KEPT.with_borrow_mut(|kept| kept.push((limits.clone(), syntax, trust, sink)));
    result
}

/// Returns the outcome of `dialogue` when it is cut at each of `cuts`, which can be in any order
/// and repeat.
pub fn run_cut(
    dialect: ClientDialect,
    dialogue: &[u8],
    cuts: &[usize],
    limits: &SessionLimits,
) -> Observed {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (dialogue.len() + 1)).collect();
    cuts.push(dialogue.len());
    cuts.sort_unstable();
    with_trusting_sink(limits, dialect.syntax, dialect.trust, |sink| {
        let mut session = sink.connect(dialect.protocol);
        let mut from = 0;
        for cut in cuts {
            session.send(&dialogue[from..cut]);
            from = cut;
        }
        session.leave()
    })
}

/// Returns small limits, so that short inputs reach all of them.
pub fn small_limits(variant: u8) -> SessionLimits {
    SessionLimits {
        message_bytes_max: 200,
        recipients_max: 3,
        envelope_bytes_max: 400,
        command_line_bytes_max: 100,
        errors_max: (variant & 1 != 0).then_some(3),
        messages_max: (variant & 2 != 0).then_some(2),
    }
}

/// Checks, for the fuzz target `session`, that any octets, cut anywhere, cause no panic, and lead
/// to the same replies and messages as in one piece.
///
/// `bytes`: variant of the limits (and 4 or 8 if clients are trusted), number of cuts (modulo 8),
/// two octets a cut, then the dialogue.
pub fn check_session(bytes: &[u8]) {
    let [variant, cuts, rest @ ..] = bytes else { return };
    let Some((cuts, dialogue)) = rest.split_at_checked(2 * usize::from(cuts % 8)) else { return };
    let cuts: Vec<usize> =
        cuts.chunks_exact(2).map(|pair| usize::from(pair[0]) | usize::from(pair[1]) << 8).collect();
    let limits = small_limits(*variant);
    let trust = match variant & 12 {
        0 => Trust::None,
        4 => Trust::Xclient,
        _ => Trust::Auth,
    };
    for dialect in ClientDialect::all(trust) {
        let whole = run_cut(dialect, dialogue, &[], &limits);
        assert_eq!(
            run_cut(dialect, dialogue, &cuts, &limits),
            whole,
            "{dialect:?}, cut at {cuts:?}"
        );
        if dialogue.len() <= 512 {
            let every_octet: Vec<usize> = (0..dialogue.len()).collect();
            let found = run_cut(dialect, dialogue, &every_octet, &limits);
            assert_eq!(found, whole, "{dialect:?}, octet by octet");
        }
        check_deviations(&whole, dialect.syntax);
    }
}

/// Checks that the deviations in envelopes were counted, and that a strict sink tolerated none.
fn check_deviations(outcome: &Observed, syntax: Syntax) {
    assert!(syntax == Syntax::Lenient || outcome.tolerated.is_empty());
    for stored in &outcome.stored {
        let decoded = envelope::decode(&stored.envelope);
        let decoded = decoded.expect("what the session encodes can be decoded");
        for kind in decoded.deviations.kinds() {
            assert!(outcome.tolerated.contains_key(&kind), "{kind:?} is stored, and not counted");
        }
    }
}
