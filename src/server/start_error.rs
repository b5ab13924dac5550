//! Why sinkd can't start.
use crate::config::Config;
use crate::log;

use super::listening::ListenError;
use super::settings::generation::GenerationError;
use super::transcripts::TranscriptError;

/// Why sinkd can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be listened on.
    #[error(transparent)]
    Bind(#[from] ListenError),
    /// The log can't be opened.
    #[error(transparent)]
    Log(#[from] log::OpenError),
    /// The folder of the statistics or of the index can't be made, or their threads can't be
    /// started.
    #[error("{folder}: cannot be written")]
    Folder {
        /// The folder.
        folder: String,
        /// The error.
        source: std::io::Error,
    },
    /// The thread for marks can't be started, or the runs so far can't be read.
    #[error("runs and marks cannot be recorded")]
    Marks(#[source] std::io::Error),
    /// The event loop can't be set up.
    #[error("the event loop could not be set up")]
    Loop(#[from] std::io::Error),
    /// A worker or the watchdog can't be started.
    #[error("the thread {name} could not be started")]
    Thread {
        /// The name of the thread.
        name: String,
        /// The error.
        source: std::io::Error,
    },
    /// Transcripts can't be written.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// The settings can't be put in force.
    #[error(transparent)]
    Settings(#[from] GenerationError),
}

impl StartError {
    /// Returns a function that adds the name of a thread to the error of starting it.
    pub(super) fn thread(name: &str) -> impl FnOnce(std::io::Error) -> StartError + use<> {
        let name = name.to_owned();
        |source| StartError::Thread { name, source }
    }

    /// Returns a function that adds the name of a folder in the data folder to an error.
    pub(super) fn folder(
        config: &Config,
        name: &str,
    ) -> impl FnOnce(std::io::Error) -> StartError + use<> {
        let folder = config.data.join(name).display().to_string();
        |source| StartError::Folder { folder, source }
    }
}
