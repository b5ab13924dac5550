//! The groups of settings that belong together, each with its defaults.
mod auth;
mod certificates;
mod clients;
mod logging;
mod memory;
mod statistics;
mod stop;
mod storage;
mod timeouts;
mod tls;
mod transcripts;

pub use auth::AuthSettings;
pub use certificates::CertificateFiles;
pub use clients::ClientSettings;
pub use logging::{LogFormat, LogLevel, LoggingSettings};
pub use memory::MemorySettings;
pub use statistics::StatisticsSettings;
pub use stop::StopSettings;
pub use storage::StorageSettings;
pub use timeouts::TimeoutSettings;
pub use tls::TlsSettings;
pub use transcripts::TranscriptSettings;
