//! Settings. One table defines each setting (name, value, default, text); the flags of `sinkd`, the
//! keys of its TOML file and `--print-config` are derived from it.
#![forbid(unsafe_code)]

mod auth;
mod auth_rules;
mod bounds;
mod changes;
mod client_list;
mod environment;
mod file;
mod groups;
pub mod guess;
pub mod http;
mod listen;
mod listener_keys;
mod listener_options;
mod listener_tls;
mod names;
mod printed;
mod scope;
mod setting;
mod settings;
pub mod storage;
mod table;
mod tls;
mod tls_names;
pub mod transcript;
mod value;

pub use auth::Auth;
pub use auth_rules::AuthError;
pub use bounds::TIME_MAX;
pub use changes::Changes;
pub use client_list::{ClientList, ClientListError, Denied, Networks};
pub use environment::{Environment, EnvironmentError};
pub use file::{FileError, from_file, load};
pub use groups::{
    AuthSettings, CertificateFiles, ClientSettings, LogFormat, LogLevel, LoggingSettings,
    MemorySettings, StatisticsSettings, StopSettings, StorageSettings, TimeoutSettings,
    TlsSettings, TranscriptSettings,
};
pub use listen::{BadAddress, LISTENERS_MAX, ListenAddress, Listener};
pub use listener_options::{ListenerOptions, SessionMax};
pub use listener_tls::{KeptAuthority, ListenerTls, TlsError};
pub use scope::SettingScope;
pub use setting::{Setting, ValueError};
pub use settings::{Config, ConfigError};
pub use table::all_settings;
pub use tls::{ClientCerts, Tls};
pub use value::parse_time;
