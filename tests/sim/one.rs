//! A simulated sink with one client.
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use sinkd::config::{ClientSettings, Config, StatisticsSettings};
use sinkd::log::LogSettings;
use sinkd::server::StopStage;
use sinkd::server::by_hand::{Beginning, ByHandSink, SocketEvent, WorkerPlace};
use sinkd::smtp::client::Protocol;

pub fn config() -> Config {
    let mut config = Config::default();
    config.timeouts.storage_wait = Duration::from_secs(2);
    config
}

/// A sink, one client, and the clock.
pub struct One {
    pub sink: Option<ByHandSink>,
    pub client: UnixStream,
    pub place: WorkerPlace,
    pub now_ms: u64,
    pub folder: tempfile::TempDir,
}

impl One {
    pub fn new() -> One {
        One::with(Config { stats: StatisticsSettings::off(), ..config() }, LogSettings::default())
    }

    /// A sink whose client may send XCLIENT, as a client of a Unix socket may if any network may.
    pub fn trusted() -> One {
        let xclient_trusted = vec!["127.0.0.1/32".parse().unwrap()];
        let clients = ClientSettings { xclient_trusted, ..ClientSettings::default() };
        One::with(Config { clients, ..config() }, LogSettings::default())
    }

    /// A sink with this configuration and log, except that the timeouts are those set here.
    pub fn with(config: Config, settings: LogSettings) -> One {
        let mut one = One::connected(config, settings, false);
        assert!(one.received().starts_with("220 "));
        one
    }

    /// A sink whose client is behind a proxy and has sent nothing yet.
    pub fn proxied() -> One {
        One::connected(config(), LogSettings::default(), true)
    }

    pub fn connected(config: Config, settings: LogSettings, is_proxied: bool) -> One {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config;
        config.timeouts.command = Duration::from_secs(30);
        config.timeouts.data = Duration::from_secs(20);
        config.stop.grace = Duration::from_secs(3);
        let settings = LogSettings { segment_bytes_first: 64 << 10, ..settings };
        let (mut sink, _) = ByHandSink::open(folder.path(), &config, settings).unwrap();
        let (client, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        client.set_nonblocking(true).unwrap();
        // The smallest buffer the kernel allows, about 4.6 KB.
        socket2::SockRef::from(&theirs).set_send_buffer_size(1).unwrap();
        sink.wake(Duration::from_millis(1));
        let place = if is_proxied {
            sink.connect_with(theirs, Beginning::Proxy).unwrap()
        } else {
            sink.connect(theirs, Protocol::Smtp).unwrap()
        };
        sink.round();
        One { sink: Some(sink), client, place, now_ms: 1, folder }
    }

    pub fn sink(&mut self) -> &mut ByHandSink {
        self.sink.as_mut().unwrap()
    }

    /// Sends commands without reading the replies, for which the sink's socket has little room.
    pub fn send_without_reading(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).unwrap();
        let (now, place) = (Duration::from_millis(self.now_ms), self.place);
        self.sink().wake(now);
        self.sink().ready(place, SocketEvent::Plain);
        self.sink().round();
        assert!(self.sink().watches_writes(place), "the socket is full");
    }

    /// Reads until the sink has sent everything.
    pub fn receive_all(&mut self) -> String {
        let mut replies = String::new();
        loop {
            let more = self.received();
            if more.is_empty() {
                return replies;
            }
            replies += &more;
            let (now, place) = (Duration::from_millis(self.now_ms), self.place);
            self.sink().wake(now);
            self.sink().ready(place, SocketEvent::Plain);
            self.sink().round();
        }
    }

    /// Sends messages until one of them finds no room, as provisioning is never served.
    pub fn fill(&mut self) {
        self.send("EHLO c.example\r\n");
        let content = ("x".repeat(70) + "\r\n").repeat(600);
        for message in 0.. {
            assert!(message < 100, "there is always room");
            self.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n");
            assert_eq!(&self.send("DATA\r\n")[..4], "354 ");
            if self.send(&format!("{content}.\r\n")).is_empty() {
                break;
            }
        }
    }

    /// Returns what the client received since the last call.
    pub fn received(&mut self) -> String {
        let mut text = Vec::new();
        // Reading ends with `WouldBlock`, or when the server has closed.
        let _ = self.client.read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    }

    pub fn round(&mut self) {
        let now = Duration::from_millis(self.now_ms);
        self.sink().wake(now);
        self.sink().round();
    }

    /// Sends `text`; returns the immediate replies.
    pub fn send(&mut self, text: &str) -> String {
        self.client.write_all(text.as_bytes()).unwrap();
        let (now, place) = (Duration::from_millis(self.now_ms), self.place);
        self.sink().wake(now);
        self.sink().ready(place, SocketEvent::Plain);
        self.sink().round();
        self.received()
    }

    /// Advances the clock until a reply arrives or the connection ends. Returns the time and the
    /// reply.
    pub fn wait_for_reply(&mut self) -> (u64, String) {
        let began_ms = self.now_ms;
        loop {
            // Advances as the loop would sleep, and no further.
            let wait_ms = self.sink().wait_ms().expect("the table waits for something");
            self.now_ms += wait_ms.clamp(1, 10_000);
            assert!(self.now_ms - began_ms < 120_000, "no reply ever arrives");
            self.round();
            let replies = self.received();
            if !replies.is_empty() || self.sink().open_connections() == 0 {
                return (self.now_ms - began_ms, replies);
            }
        }
    }

    /// Stops the sink and returns its folder, which lives as long as the returned value.
    pub fn stop(mut self) -> tempfile::TempDir {
        let mut sink = self.sink.take().unwrap();
        sink.stop(StopStage::AtOnce);
        sink.wake(Duration::from_millis(self.now_ms));
        sink.round();
        assert!(sink.is_done());
        sink.close();
        self.folder
    }
}
