//! A simulated sink, its clients and its clock: each step is chosen at random.
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sinkd::config::{Auth, Config, Tls};
use sinkd::log::{Durability, FlushCall, LogSettings, Space};
use sinkd::server::StopStage;
use sinkd::server::by_hand::{Beginning, ByHandSink, QueuedClient, SocketEvent, WorkerPlace};
use sinkd::smtp::client::Protocol;
use sinkd::smtp::envelope;
use sinkd::smtp::extension::Extension;
use sinkd::stats::{Counter, Interval};
use sinkd::time::MonotonicUs;
use sinkd::tls::CertificateFolder;
use sinkd::tls::by_hand::ClientOffer;

use crate::check;
use crate::client::{Client, Did, Message, Outcomes};
use crate::common::Dice;
use crate::fault::Fault;

/// Time without any event after which the world counts as stuck: longer than any fault that ends on
/// its own.
const STILL_MAX: Duration = Duration::from_secs(300);
/// Steps of a run: far more than any run needs.
const STEPS_MAX: u32 = 200_000;
/// Maximum number of kills in a run.
const KILLS_MAX: u32 = 3;
/// A message is smaller than one of these sizes (octets), chosen at random: most are small, and
/// each way of a payload into the log is covered.
const SIZES: [usize; 16] = [
    10, 200, 200, 200, 3_000, 3_000, 3_000, 3_000, 3_000, 3_000, 3_000, 20_000, 70_000, 70_000,
    200_000, 700_000,
];
/// Limits on connections, in all and per client, in runs where they are tight.
const CONNECTIONS_MAX: u32 = 4;
const CONNECTIONS_PER_CLIENT_MAX: u32 = 2;
/// Number of addresses that clients connect from.
const ADDRESSES: usize = 3;
/// Maximum number of lines kept of the story of a run.
const STORY_LINES_MAX: usize = 5_000;

/// The conditions of a run, all derived from its seed.
pub struct Conditions {
    pub seed: u64,
    durability: Durability,
    faults: Vec<Fault>,
    workers: usize,
    /// Whether statistics are recorded.
    is_recorded: bool,
    /// Whether some clients use TLS.
    has_tls: bool,
}

impl Conditions {
    /// Selects from `faults`, by `seed`, those that can happen in this run.
    pub fn drawn(seed: u64, durability: Durability, faults: &[Fault]) -> Conditions {
        let mut dice = Dice::new(seed);
        let drawn = faults.iter().copied().filter(|_| dice.roll(3) > 0).collect();
        // A handshake takes as long as a thousand steps, so most runs use no TLS.
        let has_tls = dice.roll(8) == 0;
        let workers = 1 + dice.roll(3);
        let is_recorded = dice.roll(2) == 0;
        Conditions { seed, durability, faults: drawn, workers, is_recorded, has_tls }
    }
}

/// What the statistics of all seconds and workers add up to.
#[derive(Debug, Default)]
struct Recorded {
    messages: u64,
    connections: u64,
    closed: u64,
}

impl Recorded {
    fn add(&mut self, second: &Interval) {
        self.messages += second.counter(Counter::Messages);
        self.connections += second.counter(Counter::Connections);
        self.closed += second.counter(Counter::Closed);
    }
}

pub struct World {
    conditions: Conditions,
    dice: Dice,
    folder: tempfile::TempDir,
    sink: Option<ByHandSink>,
    clients: Vec<Client>,
    /// Number of clients that have connected so far.
    connections: u64,
    /// The events that the kernel has pending for each place.
    events: BTreeMap<WorkerPlace, SocketEvent>,
    now: Duration,
    messages: BTreeMap<u64, Message>,
    to_begin: u64,
    outcomes: Outcomes,
    recorded: Recorded,
    /// Time until which provisioning is not served.
    stuck_until: Duration,
    full_until: Duration,
    /// Time until which accepting finds no descriptors.
    short_until: Duration,
    space: Arc<AtomicU64>,
    flush_fails: Arc<AtomicBool>,
    is_stopping: bool,
    kills: u32,
    story: Vec<String>,
}

/// Creates a folder in memory if possible: nothing here depends on a disk, and a thousand folders
/// are created and removed.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Returns one of the addresses that clients connect from.
fn address(at: usize) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 1 + at as u8).into()
}

impl World {
    pub fn new(conditions: Conditions) -> World {
        let mut dice = Dice::new(conditions.seed ^ 0x5EED);
        let to_begin = 1 + dice.roll(40) as u64;
        World {
            conditions,
            dice,
            folder: folder(),
            sink: None,
            clients: Vec::new(),
            connections: 0,
            events: BTreeMap::new(),
            now: Duration::ZERO,
            messages: BTreeMap::new(),
            to_begin,
            outcomes: Outcomes::default(),
            recorded: Recorded::default(),
            stuck_until: Duration::ZERO,
            full_until: Duration::ZERO,
            short_until: Duration::ZERO,
            space: Arc::new(AtomicU64::new(u64::MAX)),
            flush_fails: Arc::default(),
            is_stopping: false,
            kills: 0,
            story: Vec::new(),
        }
    }

    /// Returns the story of the run so far.
    pub fn story(&self) -> &[String] {
        &self.story
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        if self.story.len() == STORY_LINES_MAX {
            self.story.drain(..STORY_LINES_MAX / 2);
        }
        self.story.push(format!("{:9.3} s  {what}", self.now.as_secs_f64()));
    }

    fn has(&self, fault: Fault) -> bool {
        self.conditions.faults.contains(&fault)
    }

    fn now_us(&self) -> MonotonicUs {
        MonotonicUs::START.saturating_add(self.now)
    }

    fn sink(&mut self) -> &mut ByHandSink {
        self.sink.as_mut().expect("it was started")
    }

    fn config(&self) -> Config {
        let mut config = Config::default();
        config.limits.message_bytes_max = 2 << 20;
        config.timeouts.command = Duration::from_secs(30);
        config.timeouts.data = Duration::from_secs(20);
        config.timeouts.storage_wait = Duration::from_secs(2);
        config.stop.grace = Duration::from_secs(3);
        config.stats.is_recorded = self.conditions.is_recorded;
        config.auth.mode = Auth::Any;
        if self.conditions.has_tls {
            (config.tls.mode, config.data) = (Tls::Offered, self.folder.path().to_owned());
        }
        if self.has(Fault::FewConnections) {
            config.clients.connections_max = Some(CONNECTIONS_MAX);
            config.clients.connections_per_client_max = Some(CONNECTIONS_PER_CLIENT_MAX);
        }
        if self.has(Fault::FewBuffers) {
            config.memory.buffer_bytes = 64 << 10;
        }
        config
    }

    /// Other settings come in force: ones under which every client can still send its mail.
    fn reload(&mut self) {
        let mut config = self.config();
        config.hostname = format!("name{}.example", self.dice.roll(9));
        config.limits.recipients_max = 100 + self.dice.roll(100) as u32;
        let optional = [
            Extension::Pipelining,
            Extension::Size,
            Extension::Chunking,
            Extension::EnhancedStatusCodes,
            Extension::Limits,
            Extension::Help,
        ];
        config.without = optional.into_iter().filter(|_| self.dice.roll(2) == 0).collect();
        self.sink().reload(&config);
        self.note(format_args!("the settings change: without {:?}", config.without));
    }

    fn start(&mut self) {
        let (fails, most) = (self.flush_fails.clone(), self.space.clone());
        let flush = FlushCall::new(move |_| {
            if fails.load(Ordering::Relaxed) { Err(io::Error::other("made up")) } else { Ok(()) }
        });
        let (config, is_tight) = (self.config(), self.has(Fault::FewBuffers));
        let settings = LogSettings {
            segment_bytes_first: 128 << 10,
            segment_bytes_max: 512 << 10,
            dedicated_segment_bytes_over: 256 << 10,
            dedicated_segments_max: if is_tight { 2 } else { 64 },
            region_bytes_max: if is_tight { 1 << 20 } else { 64 << 20 },
            durability: self.conditions.durability,
            flush: flush.folders(|_| Ok(())),
            space: Space { at_most: Some(most) },
            ..LogSettings::default()
        };
        let (workers, folder) = (self.conditions.workers, self.folder.path());
        let sink = ByHandSink::with_workers(workers, folder, &config, settings);
        self.sink = Some(sink.unwrap().0);
        self.note(format_args!("sinkd starts with {workers} workers"));
    }

    pub fn run(&mut self) {
        self.start();
        let mut moved_at = self.now;
        for step in 0.. {
            assert!(step < STEPS_MAX, "it does not come to its end");
            let has_moved = self.step();
            if has_moved {
                moved_at = self.now;
            } else if self.is_done() {
                break;
            }
            assert!(self.now < moved_at + STILL_MAX, "no progress, and the run is not done");
            self.let_time_pass(has_moved);
        }
        self.finish();
    }

    fn is_done(&self) -> bool {
        if self.sink.as_ref().is_some_and(ByHandSink::is_done) {
            return true;
        }
        let is_idle = |client: &Client| client.is_gone() || client.session.in_progress() == 0;
        let nothing_left = self.to_begin == 0 || self.is_stopping;
        nothing_left && self.clients.iter().all(is_idle)
    }

    /// Runs a round of some workers, with random actions of the clients, the disk and the fault
    /// injection. Returns whether anything has changed.
    fn step(&mut self) -> bool {
        let mut has_moved = self.clients_act();
        self.fate();
        let now = self.now;
        let mut awake = self.sink().running_workers();
        let are_all = awake.len() == 1 || self.dice.roll(4) == 0;
        awake.retain(|_| are_all || self.dice.roll(3) > 0);
        awake.iter().for_each(|worker| self.sink().wake_worker(*worker, now));
        has_moved |= self.deliver_events(&awake);
        has_moved |= self.serve_log();
        if self.now >= self.short_until {
            self.sink().set_descriptors(None);
        }
        for worker in awake {
            if self.dice.roll(4) > 0 {
                has_moved |= self.sink().take_wake_of(worker);
            }
            self.sink().round_of(worker);
        }
        self.take_recorded();
        for (number, place) in self.sink().take_places() {
            has_moved = true;
            self.note_accepted(number, place);
        }
        for place in self.sink().take_reported_again() {
            self.events.entry(place).or_insert(SocketEvent::Plain);
        }
        self.forget_closed();
        self.check_limits();
        has_moved
    }

    fn take_recorded(&mut self) {
        let sink = self.sink.as_ref().expect("it was started");
        sink.take_recorded(|second| self.recorded.add(second));
    }

    /// Forgets the places of connections that the sink has closed: others may be given them, while
    /// a stalled client does not notice.
    fn forget_closed(&mut self) {
        let sink = self.sink.as_ref().expect("it was started");
        for client in &mut self.clients {
            client.place = client.place.filter(|place| sink.is_open(*place));
        }
    }

    /// Checks that no more connections are open than the limits allow.
    fn check_limits(&mut self) {
        if !self.has(Fault::FewConnections) {
            return;
        }
        assert!(self.sink().open_connections() <= CONNECTIONS_MAX as usize);
        for at in 0..ADDRESSES {
            let is_served =
                |client: &&Client| client.address == address(at) && client.place.is_some();
            let served = self.clients.iter().filter(is_served).count();
            assert!(served <= CONNECTIONS_PER_CLIENT_MAX as usize, "{served} of one address");
        }
    }

    fn clients_act(&mut self) -> bool {
        let mut has_moved = false;
        // Clients connect during a stop, too.
        if (self.to_begin > 0 || self.is_stopping) && self.dice.roll(8) == 0 {
            has_moved |= self.connect();
        }
        for at in 0..self.clients.len() {
            has_moved |= self.act(at);
        }
        self.clients.retain(|client| !client.is_gone());
        has_moved
    }

    fn connect(&mut self) -> bool {
        const CLIENTS_MAX: usize = 12;
        if self.clients.len() >= CLIENTS_MAX {
            return false;
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        // A small buffer lets replies find no room; a large one lets a turn exceed a round.
        let (ours, theirs) = (socket2::Socket::from(ours), socket2::Socket::from(theirs));
        theirs.set_send_buffer_size(4608).unwrap();
        ours.set_send_buffer_size(1 << 20).unwrap();
        let ours = UnixStream::from(ours);
        let protocol = if self.dice.roll(5) == 0 { Protocol::Lmtp } else { Protocol::Smtp };
        let number = self.connections;
        self.connections += 1;
        let is_sealed =
            self.conditions.has_tls && protocol == Protocol::Smtp && self.dice.roll(2) == 0;
        let beginning = if is_sealed { Beginning::Tls } else { Beginning::Greeting };
        let address = address(self.dice.roll(ADDRESSES));
        let client = envelope::Client::Tcp((address, 1024).into());
        let client = QueuedClient { number, socket: theirs.into(), client };
        self.sink().queue(client, (protocol, beginning));
        let options = Client::options(protocol, &mut self.dice);
        self.note(format_args!("client {number} connects, {beginning:?} first: {options:?}"));
        let mut client = Client::new(number, (ours, address), options, self.now_us());
        if is_sealed {
            let ca = CertificateFolder::in_data_folder(self.folder.path()).ca_path();
            client = client.under(ClientOffer::trusting(&ca).client());
        }
        self.clients.push(client);
        true
    }

    /// Notes that a client was accepted. Its input so far becomes an event, and so does the end of
    /// its connection.
    fn note_accepted(&mut self, number: u64, place: WorkerPlace) {
        self.events.insert(place, SocketEvent::Plain);
        if let Some(earlier) = self.clients.iter_mut().find(|client| client.place == Some(place)) {
            earlier.place = None;
        }
        if let Some(client) = self.clients.iter_mut().find(|client| client.number == number) {
            client.place = Some(place);
        }
        self.note(format_args!("client {number} is accepted: {place:?}"));
    }

    fn act(&mut self, at: usize) -> bool {
        let (now, now_us) = (self.now, self.now_us());
        if now < self.clients[at].silent_until {
            return false;
        }
        self.begin_messages(at);
        let piece = [1, 7, 100, 4096, 70_000, 1 << 20][self.dice.roll(6)];
        let mut did = Vec::new();
        let client = &mut self.clients[at];
        did.push(client.write(piece, now_us, &mut self.outcomes));
        if now >= client.deaf_until {
            did.push(client.read(piece.min(4096), now_us, &mut self.outcomes));
        }
        let (number, place) = (client.number, client.place);
        if client.is_gone() {
            self.note(format_args!("the connection of client {number} has ended"));
        }
        self.notice(place, &did)
    }

    /// Queues the events that the kernel would report to the sink.
    fn notice(&mut self, place: Option<WorkerPlace>, did: &[Did]) -> bool {
        for did in did {
            let Some(place) = place else { break };
            match did {
                Did::Nothing => {}
                Did::Wrote => drop(self.events.entry(place).or_insert(SocketEvent::Plain)),
                Did::Read if self.sink().watches_writes(place) => {
                    self.events.entry(place).or_insert(SocketEvent::Plain);
                }
                Did::Read => {}
                Did::Left => drop(self.events.insert(place, SocketEvent::Special)),
            }
        }
        did.iter().any(|did| *did != Did::Nothing)
    }

    fn begin_messages(&mut self, at: usize) {
        while self.to_begin > 0 && !self.is_stopping && self.clients[at].session.can_start() {
            if self.clients[at].begun > 0 && self.dice.roll(6) == 0 {
                self.clients[at].session.quit();
                return;
            }
            let number = self.messages.len() as u64;
            let most = SIZES[self.dice.roll(SIZES.len())];
            let recipients = [1, 3, 60][self.dice.roll(3)];
            let message = Message {
                number,
                body_bytes: self.dice.roll(most),
                recipients: 1 + self.dice.roll(recipients),
            };
            self.to_begin -= 1;
            self.messages.insert(number, message);
            let now_us = self.now_us();
            self.clients[at].start(message, now_us, &mut self.outcomes);
            let client = self.clients[at].number;
            self.note(format_args!("client {client} begins {message:?}"));
        }
        if self.to_begin == 0 {
            self.clients[at].session.quit();
        }
    }

    fn deliver_events(&mut self, awake: &[usize]) -> bool {
        let (mut has_moved, running) = (false, self.sink().running_workers());
        self.events.retain(|place, _| running.contains(&place.worker));
        for (place, event) in std::mem::take(&mut self.events) {
            if !awake.contains(&place.worker) || self.dice.roll(5) == 0 {
                // Deliver it in a later round.
                self.events.insert(place, event);
            } else {
                self.sink().ready(place, event);
            }
            has_moved = true;
        }
        has_moved
    }

    fn serve_log(&mut self) -> bool {
        let mut done = 0;
        if self.now >= self.stuck_until && self.dice.roll(3) > 0 {
            let most = 1 + self.dice.roll(4);
            done += self.sink().provision(most);
        }
        if self.dice.roll(3) == 0 {
            let most = 1 + self.dice.roll(3);
            done += self.sink().flush(most);
        }
        if self.now >= self.full_until {
            self.space.store(u64::MAX, Ordering::Relaxed);
        }
        done > 0
    }

    fn fate(&mut self) {
        if self.conditions.faults.is_empty() || self.dice.roll(40) > 0 {
            return;
        }
        let fault = self.conditions.faults[self.dice.roll(self.conditions.faults.len())];
        let at = self.dice.roll(self.clients.len());
        let long = Duration::from_millis([20, 900, 5_000, 40_000][self.dice.roll(4)]);
        let until = self.now + long;
        match fault {
            Fault::Cut | Fault::Reset | Fault::HalfClose | Fault::Stall | Fault::Deaf
                if self.clients.is_empty() => {}
            Fault::Cut => {
                let did = self.clients[at].leave(&mut self.outcomes);
                self.hurt(at, fault, did);
            }
            Fault::Reset => {
                self.clients[at].reset();
                self.hurt(at, fault, Did::Nothing);
            }
            Fault::HalfClose => {
                let did = self.clients[at].half_close();
                self.hurt(at, fault, did);
            }
            Fault::Stall => {
                self.clients[at].silent_until = until;
                self.hurt(at, fault, Did::Nothing);
            }
            Fault::Deaf => {
                self.clients[at].deaf_until = until;
                self.hurt(at, fault, Did::Nothing);
            }
            // A shortage that is extended again and again would never end.
            Fault::NoRoom if self.now < self.stuck_until => {}
            Fault::NoRoom => {
                self.stuck_until = until.min(self.now + Duration::from_secs(5));
                self.note(format_args!("provisioning is stuck for {long:?}"));
            }
            Fault::DiskFull => {
                self.space.store(0, Ordering::Relaxed);
                self.full_until = until.min(self.now + Duration::from_secs(5));
                self.note(format_args!("the disk is full for {long:?}"));
            }
            Fault::FlushFails => {
                let fails = !self.flush_fails.load(Ordering::Relaxed) && self.dice.roll(4) == 0;
                self.flush_fails.store(fails, Ordering::Relaxed);
                self.note(format_args!("flushes fail: {fails}"));
            }
            Fault::FewBuffers | Fault::FewConnections => {}
            Fault::NoDescriptors if self.now < self.short_until => {}
            Fault::NoDescriptors => {
                self.short_until = until.min(self.now + Duration::from_secs(10));
                let left = self.dice.roll(3) as u64;
                self.sink().set_descriptors(Some(left));
                self.note(format_args!("{left} descriptors are left for {long:?}"));
            }
            Fault::Reload => self.reload(),
            Fault::Stop => self.stop(),
            Fault::Kill if self.kills == KILLS_MAX => {}
            Fault::Kill => self.kill(),
        }
    }

    fn hurt(&mut self, at: usize, fault: Fault, did: Did) {
        let Client { number, place, .. } = self.clients[at];
        self.note(format_args!("{fault:?} of client {number}"));
        self.notice(place, &[did]);
    }

    fn stop(&mut self) {
        let stage = if self.dice.roll(3) == 0 { StopStage::AtOnce } else { StopStage::Graceful };
        self.is_stopping = true;
        self.sink().stop(stage);
        self.note(format_args!("sinkd gets a signal to stop: {stage:?}"));
    }

    fn kill(&mut self) {
        self.note(format_args!("sinkd is killed"));
        self.kills += 1;
        self.sink.take().expect("it runs").kill();
        for client in &mut self.clients {
            // Replies that had already left the sink are still read, and count.
            while client.read(4096, MonotonicUs::START, &mut self.outcomes) == Did::Read {}
            client.leave(&mut self.outcomes);
        }
        self.clients.clear();
        self.events.clear();
        self.space.store(u64::MAX, Ordering::Relaxed);
        self.start();
        if self.is_stopping {
            self.stop();
        }
    }

    /// Advances the clock. If nothing has changed, it advances to the next timed event.
    fn let_time_pass(&mut self, has_moved: bool) {
        if has_moved {
            self.now += Duration::from_micros(self.dice.roll(3_000) as u64);
            return;
        }
        let sink_ms = self.sink().wait_ms();
        let wakes = self.clients.iter().flat_map(|c| [c.silent_until, c.deaf_until]);
        let wakes = wakes.chain([self.stuck_until, self.full_until, self.short_until]);
        let next = wakes.filter(|at| *at > self.now).min();
        let sink = sink_ms.map(|ms| self.now + Duration::from_millis(ms));
        let soon = self.now + Duration::from_millis(1);
        self.now = next.into_iter().chain(sink).min().unwrap_or(soon).max(soon);
    }

    /// Stops the sink and checks everything.
    fn finish(&mut self) {
        self.stuck_until = Duration::ZERO;
        self.full_until = Duration::ZERO;
        self.short_until = Duration::ZERO;
        self.flush_fails.store(false, Ordering::Relaxed);
        for client in &mut self.clients {
            (client.silent_until, client.deaf_until) = (Duration::ZERO, Duration::ZERO);
        }
        if !self.is_stopping {
            self.is_stopping = true;
            self.sink().stop(StopStage::Graceful);
        }
        for step in 0.. {
            assert!(step < STEPS_MAX, "it does not stop");
            if self.sink().is_done() {
                break;
            }
            let has_moved = self.step();
            self.let_time_pass(has_moved);
        }
        for client in &mut self.clients {
            while client.read(4096, MonotonicUs::START, &mut self.outcomes) == Did::Read {}
            client.leave(&mut self.outcomes);
        }
        let sink = self.sink.take().expect("it runs");
        let counted = sink.counted(|of| &of.messages);
        sink.close();
        if self.conditions.is_recorded && self.kills == 0 {
            let Recorded { messages, connections, closed } = self.recorded;
            assert_eq!(messages, counted, "recorded, and counted");
            assert_eq!(closed, connections, "every connection that began has ended");
        }
        let counted = (self.kills == 0).then_some(counted);
        let may_refuse = self.conditions.faults.iter().any(|fault| fault.may_refuse());
        let view =
            check::ClientView { messages: &self.messages, ended: &self.outcomes.ended, may_refuse };
        check::check(self.folder.path(), &view, counted);
    }
}
