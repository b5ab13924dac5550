//! A sink that serves one client after another, without threads.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use super::dialect::Trust;
use super::observed::{StoredMessage, Tolerated};
use crate::config::{Auth, AuthSettings, ClientSettings, Config, StatisticsSettings, Tls};
use crate::log::reader::{Folder, Positions};
use crate::log::{LogSettings, MessageId, Retention, Slot};
use crate::server::by_hand::ByHandSink;
use crate::smtp::limits::{SessionLimits, Syntax};
use crate::stats::Counter;
use crate::tls::CertificateFolder;
use crate::tls::by_hand::{ClientByHand, ClientOffer};

/// Size of the log's segments: small, so that sessions cross their ends.
const SEGMENT_BYTES: u64 = 64 << 10;
/// Size of the ring: more than a session stores.
const RING_BYTES: u64 = 1 << 20;
/// A sink called `sink.example`, with a ring of small segments in a temporary folder.
///
/// It serves one client at a time; a session costs a few hundred microseconds.
pub struct OneByOne {
    pub(super) sink: ByHandSink,
    folder: Folder,
    /// The positions up to which the log was read.
    seen: Positions,
    pub(super) now: Duration,
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

    /// Creates a sink with this configuration, except for its name and folder; statistics are on.
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

    /// Checks that the sink holds nothing for the last client.
    pub(super) fn check_at_rest(&self) {
        assert_eq!(self.sink.open_connections(), 0, "the last client has left");
        self.sink.check_at_rest();
    }

    /// Runs a round in another second, in which the worker hands over its statistics.
    pub(super) fn next_second(&mut self) {
        self.now += Duration::from_secs(1);
        self.sink.wake(self.now);
        self.sink.round();
    }

    pub(super) fn take_tolerated(&mut self) -> Tolerated {
        self.collect_counters();
        let kinds = Counter::TOLERATED.iter();
        let counted =
            kinds.filter_map(|(kind, counter)| Some((*kind, self.counted.remove(counter)?)));
        counted.filter(|(_, times)| *times > 0).collect()
    }

    /// Returns the messages stored since the last call, with their ids.
    pub(super) fn take_stored(&mut self) -> Vec<(MessageId, StoredMessage)> {
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

/// Sets what all configurations of a test have in common.
fn own(config: Config, data: &Path) -> Config {
    let stats = StatisticsSettings { is_recorded: true, ..config.stats };
    Config { hostname: "sink.example".into(), data: data.to_owned(), stats, ..config }
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
