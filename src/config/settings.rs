//! All settings: their values and defaults, and which combinations are refused.
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::auth::Auth;
use super::client_list::{ClientList, ClientListError, Denied, Networks};
use super::http::Http;
use super::listen::{LISTENERS_MAX, Listener};
use super::storage::{StoreMode, StoreRule};
use super::tls::{ClientCerts, Tls};
use super::transcript::TranscriptSessions;
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
    /// Networks whose clients are served. If not empty, no others are.
    pub allow: Vec<Networks>,
    /// Networks whose clients are not served.
    pub deny: Vec<Networks>,
    /// How clients that are not served are answered.
    pub denied: Denied,
    /// Networks whose PROXY headers are trusted.
    pub proxy_trusted: Vec<IpNet>,
    /// Networks whose clients can send XCLIENT.
    pub xclient_trusted: Vec<IpNet>,
    /// How sinkd replies to AUTH.
    pub auth: Auth,
    /// File of the only users that are accepted.
    pub auth_users: Option<PathBuf>,
    /// Whether MAIL is rejected before AUTH.
    pub auth_required: bool,
    /// Whether AUTH is offered only under TLS.
    pub auth_tls_only: bool,
    /// How STARTTLS is offered; only for listeners where TLS does not begin with the first octet.
    pub tls: Tls,
    /// Certificate file, with the chain; `None`: sinkd makes a certificate.
    pub tls_cert: Option<PathBuf>,
    /// Private key file of the certificate.
    pub tls_key: Option<PathBuf>,
    /// File of the CAs that sign client certificates.
    pub tls_client_ca: Option<PathBuf>,
    /// Whether clients are asked for certificates; `None`: optional if `tls_client_ca` is set.
    pub tls_client_certs: Option<ClientCerts>,
    /// Number of workers; `None`: one per core that this process may use, at most 8.
    pub workers: Option<usize>,
    /// Connections that the kernel queues, per listener and worker.
    pub backlog: i32,
    /// Whether commands that break the grammar are accepted.
    pub syntax: Syntax,
    /// Limits on messages and sessions.
    pub limits: SessionLimits,
    /// Maximum number of connections; `None`: as many as the descriptor limit allows.
    pub connections_max: Option<u32>,
    /// Maximum number of connections from one address; `None`: no limit.
    pub connections_per_client_max: Option<u32>,
    /// Memory for envelopes in progress, per worker.
    pub envelope_memory_bytes: usize,
    /// Memory for input buffers, per worker.
    pub buffer_memory_bytes: usize,
    /// Maximum silence between commands.
    pub command_timeout: Duration,
    /// Maximum silence within mail data.
    pub data_timeout: Duration,
    /// How long a transfer waits for room in the log before 452.
    pub storage_wait: Duration,
    /// Which failures a message acknowledged with 250 survives.
    pub durability: log::Durability,
    /// Which mail is dropped, and when.
    pub retention: log::Retention,
    /// How much of a message is stored if no rule names the recipient.
    pub store: StoreMode,
    /// Rules for recipient domains, in the order given; at most one per domain.
    pub store_rules: Vec<StoreRule>,
    /// Size to which segments grow: a multiple of 4096.
    pub segment_bytes: u64,
    /// Memory for regions of messages in progress, per worker.
    pub region_memory_bytes: u64,
    /// Maximum number of dedicated segments in progress, per worker.
    pub own_segments_max: usize,
    /// Whether statistics are recorded in the data folder.
    pub stats: bool,
    /// How long an hour's statistics are kept after its end; `None`: permanently.
    pub stats_retain_age: Option<Duration>,
    /// Idle time after which the next message begins a new run; `None`: runs are only begun
    /// explicitly.
    pub run_after_idle: Option<Duration>,
    /// When and how mail is indexed.
    pub index: index::IndexSettings,
    /// Whether clients can set marks and runs by NOOP.
    pub noop_marks: bool,
    /// Whether HTTP is served, and at which address.
    pub http: Http,
    /// How long open transactions may continue after a stop begins.
    pub stop_grace: Duration,
    /// Stop once exactly this number of messages is stored; `None`: never.
    pub stop_after_messages: Option<u64>,
    /// Stop once this number of sessions has ended; `None`: never.
    pub stop_after_sessions: Option<u64>,
    /// Stop once no client has sent anything for this time; `None`: never.
    pub stop_after_idle: Option<Duration>,
    /// Folder for transcripts; `None`: no transcripts.
    pub transcript: Option<PathBuf>,
    /// Which sessions are transcribed, if `transcript` is set.
    pub transcript_sessions: TranscriptSessions,
    /// Least severe level to log.
    pub log_level: LogLevel,
    /// Format of the log lines on stderr.
    pub log_format: LogFormat,
}

/// The number of recipients per message that a server must accept (RFC 5321 section 4.5.3.1.8).
const RECIPIENTS_LEAST: u32 = 100;

/// Settings that are not allowed together. Each displays as a sentence that says what to change.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no address to listen on.
    #[error("no address to listen on: set at least one with --listen")]
    NoListener,
    /// There are more than [`LISTENERS_MAX`] addresses.
    #[error("{0} addresses to listen on: expected at most {LISTENERS_MAX}")]
    TooManyListeners(usize),
    /// Two listeners have the same address.
    #[error("listener {0}: expected each address once, found it twice")]
    ListenedTwice(Box<Listener>),
    /// Two listeners have the same name.
    #[error("listener name '{0}': expected each name once, found it twice")]
    NamedTwice(String),
    /// HTTP and a listener have the same address.
    #[error("--http {0}: expected an address of its own, but it is also in --listen")]
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

/// The least severe level that sinkd logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Only failures.
    Error,
    /// Also warnings.
    Warn,
    /// Also normal operation.
    Info,
    /// Also details for debugging.
    Debug,
    /// The most detailed level.
    Trace,
}

impl LogLevel {
    /// Every level, the most severe first.
    pub const ALL: [LogLevel; 5] =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

    /// Returns the name in settings: the variant in lower case.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// Format of the log lines on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of plain text for each event.
    Text,
    /// One JSON object per line.
    Json,
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
            allow: Vec::new(),
            deny: Vec::new(),
            denied: Denied::Reply,
            proxy_trusted: vec![
                IpNet::new_assert([127, 0, 0, 0].into(), 8),
                IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128),
            ],
            xclient_trusted: Vec::new(),
            auth: Auth::Off,
            auth_users: None,
            auth_required: false,
            auth_tls_only: false,
            tls: Tls::Off,
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            tls_client_certs: None,
            workers: None,
            backlog: 4096,
            syntax: Syntax::Lenient,
            limits: SessionLimits::default(),
            connections_max: None,
            connections_per_client_max: None,
            envelope_memory_bytes: 64 << 20,
            buffer_memory_bytes: 64 << 20,
            command_timeout: Duration::from_secs(300),
            data_timeout: Duration::from_secs(300),
            storage_wait: Duration::from_secs(5),
            durability: log::Durability::Process,
            retention: log::Retention::default(),
            store: StoreMode::Full,
            store_rules: Vec::new(),
            segment_bytes: 64 << 20,
            region_memory_bytes: 64 << 20,
            own_segments_max: 16,
            stats: true,
            stats_retain_age: None,
            run_after_idle: None,
            index: index::IndexSettings::default(),
            noop_marks: false,
            http: Http::IfFree,
            stop_grace: Duration::from_secs(8),
            stop_after_messages: None,
            stop_after_sessions: None,
            stop_after_idle: None,
            transcript: None,
            transcript_sessions: TranscriptSessions::All,
            log_level: LogLevel::Info,
            log_format: LogFormat::Text,
        }
    }
}

impl Config {
    /// Returns the settings that the log needs. The first segment of a worker is never larger than
    /// `segment_bytes`.
    pub fn log_settings(&self) -> log::LogSettings {
        let first = log::LogSettings::default().segment_bytes_first;
        log::LogSettings {
            segment_bytes_first: first.min(self.segment_bytes),
            segment_bytes_max: self.segment_bytes,
            durability: self.durability,
            retention: self.retention,
            own_segments_max: self.own_segments_max,
            region_bytes_max: self.region_memory_bytes,
            ..log::LogSettings::default()
        }
    }

    /// Returns the files that the settings name: networks, users and certificates.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let own_tls = self.listen.iter().map(|it| &it.options);
        let own_tls = own_tls.flat_map(|it| [&it.tls_cert, &it.tls_key, &it.tls_client_ca]);
        let tls = [&self.tls_cert, &self.tls_key, &self.tls_client_ca];
        let tls = tls.into_iter().chain(own_tls).flatten().map(PathBuf::as_path);
        let own_users = self.listen.iter().flat_map(|it| &it.options.auth_users);
        let users = self.auth_users.iter().chain(own_users).map(PathBuf::as_path);
        let own = self.listen.iter().flat_map(|it| it.options.allow.iter().chain(&it.options.deny));
        let all = self.allow.iter().chain(&self.deny).chain(own);
        all.filter_map(|networks| match networks {
            Networks::File(path) => Some(&**path),
            Networks::One(_) => None,
        })
        .chain(users)
        .chain(tls)
    }

    /// Returns the clients that each of `listeners` serves: its own lists, or else the global
    /// lists, which are shared. Reads their files.
    pub fn client_lists(
        &self,
        listeners: &[Listener],
    ) -> Result<Vec<Option<Arc<ClientList>>>, ClientListError> {
        let of_all = ClientList::load(&self.allow, &self.deny)?.map(Arc::new);
        let list = |listener: &Listener| {
            let own = &listener.options;
            match own.allow.is_empty() && own.deny.is_empty() {
                true => Ok(of_all.clone()),
                false => Ok(ClientList::load(&own.allow, &own.deny)?.map(Arc::new)),
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
                "{setting} is {recipients}: RFC 5321 section 4.5.3.1.8 has servers accept at least \
                 {RECIPIENTS_LEAST} recipients, and senders may rely on it"
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
        let (locked_file, margin) = (Duration::from_secs(1), Duration::from_secs(1));
        let killed_after = Duration::from_secs(10);
        assert!(Config::default().stop_grace + locked_file + margin <= killed_after);
    }

    #[test]
    fn an_address_is_listened_on_once() {
        for (listen, http, error) in [
            (["127.0.0.1:7", "127.0.0.1:7"], "off", Some("listener 127.0.0.1:7: expected each")),
            (["127.0.0.1:7", "lmtp:127.0.0.1:7"], "off", Some("listener 127.0.0.1:7: expected")),
            (["unix:/run/s", "unix:/run/s"], "off", Some("listener unix:/run/s: expected each")),
            (["127.0.0.1:7", "[::1]:7"], "127.0.0.1:7", Some("--http 127.0.0.1:7: expected an")),
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
