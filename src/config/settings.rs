//! All settings: their values and defaults, and which combinations are refused.
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::client_list::{ClientList, ClientListError, Networks};
use super::groups::{
    AuthSettings, CertificateFiles, ClientSettings, LoggingSettings, MemorySettings,
    StatisticsSettings, StopSettings, StorageSettings, TimeoutSettings, TlsSettings,
    TranscriptSettings,
};
use super::http::Http;
use super::listen::{LISTENERS_MAX, Listener};
use crate::smtp::extension::Extension;
use crate::smtp::limits::{SessionLimits, Syntax};
use crate::{index, log};

/// The effective settings: defaults, overridden by file, environment and flags. [`Config::check`]
/// and the functions that read files find combinations that are not allowed.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses that clients connect to. `check` requires at least one.
    pub listen: Vec<Listener>,
    /// The data folder; created at the start if it is missing.
    pub data: PathBuf,
    /// Host name in the greeting: 1 to 255 octets of ASCII without spaces.
    pub hostname: String,
    /// The name of the sink: 1 to 64 letters, digits, dots, dashes and underscores.
    pub name: Option<String>,
    /// Text after 220, lines separated by LF; `None`: the host name and the protocol.
    pub greeting: Option<String>,
    /// The extensions that are offered, in the order of the EHLO reply.
    pub extensions: Vec<Extension>,
    /// Extensions that are not offered, even if they are in `extensions`.
    pub without: Vec<Extension>,
    /// Number of workers; `None`: one per core that this process may use, at most 8.
    pub workers: Option<usize>,
    /// Connections that the kernel queues, per listener and worker.
    pub backlog: i32,
    /// Whether commands that break the grammar are accepted.
    pub syntax: Syntax,
    /// Limits on messages and sessions.
    pub limits: SessionLimits,
    /// Which clients are served, and how many.
    pub clients: ClientSettings,
    /// How sinkd replies to AUTH.
    pub auth: AuthSettings,
    /// How STARTTLS is offered, and the certificates of all listeners.
    pub tls: TlsSettings,
    /// How long sinkd waits for a client, and for its own log.
    pub timeouts: TimeoutSettings,
    /// Maximum memory of each worker.
    pub memory: MemorySettings,
    /// How much of a message is stored, and how.
    pub storage: StorageSettings,
    /// What is recorded about a run.
    pub stats: StatisticsSettings,
    /// When and how mail is indexed.
    pub index: index::IndexSettings,
    /// Whether clients can set marks and runs by NOOP.
    pub noop_marks: bool,
    /// Whether HTTP is served, and at which address.
    pub http: Http,
    /// When sinkd stops by itself, and how.
    pub stop: StopSettings,
    /// Which dialogues are written to files.
    pub transcripts: TranscriptSettings,
    /// What sinkd logs on stderr, and how.
    pub logging: LoggingSettings,
}

/// The number of recipients per message that a server must accept (RFC 5321 section 4.5.3.1.8).
const RECIPIENTS_LEAST: u32 = 100;

/// Settings that are not allowed, alone or together.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no address to listen on.
    #[error("no address to listen on: set at least one with --listen")]
    NoListener,
    /// There are more than [`LISTENERS_MAX`] addresses.
    #[error("{0} addresses to listen on: expected at most {LISTENERS_MAX}")]
    TooManyListeners(usize),
    /// Two listeners have the same address.
    #[error("listener {0}: this address is configured twice")]
    ListenedTwice(Box<Listener>),
    /// Two listeners have the same name.
    #[error("listener name '{0}': this name is configured twice")]
    NamedTwice(String),
    /// HTTP and a listener have the same address.
    #[error("http and listen both have the address {0}: change one of them")]
    HttpListened(SocketAddr),
    /// LMTP on port 25, which RFC 2033 section 5 forbids.
    #[error(
        "{listener}: LMTP must not be offered on port 25 (RFC 2033 section 5): choose another port"
    )]
    LmtpOnSmtpPort {
        /// The listener with this port.
        listener: Box<Listener>,
    },
}

impl ConfigError {
    /// Returns the names of the settings that contradict each other and have flags.
    pub fn settings(&self) -> Vec<&'static str> {
        match self {
            ConfigError::HttpListened(_) => vec!["http", "listen"],
            _ => Vec::new(),
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 1025)).into()],
            data: PathBuf::from("sink-data"),
            hostname: "sinkd.localhost".into(),
            name: None,
            greeting: None,
            extensions: Extension::ALL.to_vec(),
            without: Vec::new(),
            workers: None,
            backlog: 4096,
            syntax: Syntax::Lenient,
            limits: SessionLimits::default(),
            clients: ClientSettings::default(),
            auth: AuthSettings::default(),
            tls: TlsSettings::default(),
            timeouts: TimeoutSettings::default(),
            memory: MemorySettings::default(),
            storage: StorageSettings::default(),
            stats: StatisticsSettings::default(),
            index: index::IndexSettings::default(),
            noop_marks: false,
            http: Http::IfFree,
            stop: StopSettings::default(),
            transcripts: TranscriptSettings::default(),
            logging: LoggingSettings::default(),
        }
    }
}

impl Config {
    /// Returns the settings that the log needs. The first segment of a worker is never larger than
    /// `segment_bytes`.
    pub fn log_settings(&self) -> log::LogSettings {
        let first = log::LogSettings::default().segment_bytes_first;
        log::LogSettings {
            segment_bytes_first: first.min(self.storage.segment_bytes),
            segment_bytes_max: self.storage.segment_bytes,
            durability: self.storage.durability,
            retention: self.storage.retention,
            dedicated_segments_max: self.storage.dedicated_segments_max,
            region_bytes_max: self.memory.region_bytes,
            ..log::LogSettings::default()
        }
    }

    /// Returns the files that the settings name: networks, users and certificates.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let networks = [&self.clients.allow, &self.clients.deny].into_iter();
        let own = self.listen.iter().flat_map(|it| [&it.options.allow, &it.options.deny]);
        let lists = networks.chain(own).flatten().filter_map(|networks| match networks {
            Networks::File(path) => Some(&**path),
            Networks::One(_) => None,
        });
        let own_users = self.listen.iter().flat_map(|it| &it.options.auth_users);
        let users = self.auth.users.iter().chain(own_users).map(PathBuf::as_path);
        let own_tls = self.listen.iter().map(|it| &it.options.certificates);
        let tls = std::iter::once(&self.tls.files).chain(own_tls);
        lists.chain(users).chain(tls.flat_map(CertificateFiles::paths))
    }

    /// Returns the clients that each of `listeners` serves: its own lists, or else the global
    /// lists, which are shared. Reads their files.
    pub fn client_lists(
        &self,
        listeners: &[Listener],
    ) -> Result<Vec<Option<Arc<ClientList>>>, ClientListError> {
        let of_all = ClientList::load(&self.clients.allow, &self.clients.deny)?.map(Arc::new);
        let list = |listener: &Listener| {
            let own = &listener.options;
            if own.allow.is_empty() && own.deny.is_empty() {
                Ok(of_all.clone())
            } else {
                Ok(ClientList::load(&own.allow, &own.deny)?.map(Arc::new))
            }
        };
        listeners.iter().map(list).collect()
    }

    /// Checks the settings against each other. Files of networks are checked by
    /// [`Config::client_lists`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.listen.is_empty() {
            return Err(ConfigError::NoListener);
        }
        if self.listen.len() > LISTENERS_MAX {
            return Err(ConfigError::TooManyListeners(self.listen.len()));
        }
        if let Some(listener) = self.listen.iter().find(|l| l.is_lmtp_on_smtp_port()) {
            let listener = Box::new(listener.clone());
            return Err(ConfigError::LmtpOnSmtpPort { listener });
        }
        for (index, listener) in self.listen.iter().enumerate() {
            let is_same = |other: &&Listener| other.address.is_same_socket(&listener.address);
            if let Some(twice) = self.listen[..index].iter().find(is_same) {
                return Err(ConfigError::ListenedTwice(Box::new(twice.clone())));
            }
            let is_namesake = |other: &Listener| other.options.name == listener.options.name;
            if let Some(name) = &listener.options.name
                && self.listen[..index].iter().any(is_namesake)
            {
                return Err(ConfigError::NamedTwice(name.clone()));
            }
        }
        match self.http {
            Http::At(address) if self.listen.iter().any(|l| l.address.is_same_tcp(address)) => {
                Err(ConfigError::HttpListened(address))
            }
            _ => Ok(()),
        }
    }

    /// Returns one sentence for each setting that is allowed but may be a mistake.
    pub fn warnings(&self) -> Vec<String> {
        let of_all = [("recipients_max".to_owned(), self.limits.recipients_max)];
        let own = self.listen.iter().filter_map(|listener| {
            let recipients = listener.options.recipients_max?;
            Some((format!("listener {listener}: recipients_max"), recipients))
        });
        let few =
            of_all.into_iter().chain(own).filter(|(_, recipients)| *recipients < RECIPIENTS_LEAST);
        let warning = |(setting, recipients)| {
            format!(
                "{setting} is {recipients}: RFC 5321 section 4.5.3.1.8 requires servers to accept \
                 at least {RECIPIENTS_LEAST} recipients, and senders may rely on it"
            )
        };
        few.map(warning).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_bounded() {
        let mut config = Config::default();
        let port = |port| Listener::from(SocketAddr::from(([127, 0, 0, 1], port)));
        config.listen = (1..=LISTENERS_MAX as u16).map(port).collect();
        assert!(config.check().is_ok());
        config.listen.push(port(7000));
        assert!(matches!(config.check(), Err(ConfigError::TooManyListeners(257))));
    }

    /// `docker stop` kills after 10 s. After the grace period, sinkd tries for one more second to
    /// write to a locked file (measured with the lock held: 9.04 s from SIGTERM to exit).
    #[test]
    fn a_stop_ends_before_a_container_is_killed() {
        use std::time::Duration;
        let (locked_file, margin) = (Duration::from_secs(1), Duration::from_secs(1));
        let killed_after = Duration::from_secs(10);
        assert!(Config::default().stop.grace + locked_file + margin <= killed_after);
    }

    #[test]
    fn an_address_is_listened_on_once() {
        for (listen, http, error) in [
            (["127.0.0.1:7", "127.0.0.1:7"], "off", Some("listener 127.0.0.1:7: this address")),
            (["127.0.0.1:7", "lmtp:127.0.0.1:7"], "off", Some("listener 127.0.0.1:7: this")),
            (["unix:/run/s", "unix:/run/s"], "off", Some("listener unix:/run/s: this address")),
            (
                ["127.0.0.1:7", "[::1]:7"],
                "127.0.0.1:7",
                Some("http and listen both have the address 127.0.0.1:7"),
            ),
            (["127.0.0.1:7", "[::1]:7"], "127.0.0.1:8", None),
            (["127.0.0.1:7", "127.0.0.2:7"], "off", None),
            // Two ports 0 are different ports.
            (["127.0.0.1:0", "127.0.0.1:0"], "127.0.0.1:0", None),
        ] {
            let config = Config {
                listen: listen.iter().map(|text| text.parse().unwrap()).collect(),
                http: http.parse().unwrap(),
                ..Config::default()
            };
            let found = config.check().map_err(|error| error.to_string());
            match error {
                Some(start) => assert!(found.unwrap_err().starts_with(start), "{listen:?}"),
                None => assert_eq!(found, Ok(())),
            }
        }
    }

    #[test]
    fn fewer_recipients_than_rfc_5321_requires_cause_a_warning() {
        let mut config = Config::default();
        for (recipients, warnings) in [(1, 1), (99, 1), (100, 0), (20_000, 0)] {
            config.limits.recipients_max = recipients;
            let found = config.warnings();
            assert_eq!(found.len(), warnings, "{recipients}");
            assert!(found.iter().all(|text| text.contains("RFC 5321 section 4.5.3.1.8")));
        }
    }
}
