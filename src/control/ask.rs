//! The client side, for `sinkctl`: sending a request to the sinkd that runs on a data folder.
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::message::{self, Answer, Request};
use super::socket::{self, FILE_NAME};

/// Time limit for the answer. sinkd may have to read a million networks.
const PATIENCE: Duration = Duration::from_secs(60);
/// Limit on the size of an answer, in octets; a list of 256 listeners is far shorter.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Why there is no valid answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The socket does not exist, or no process listens on it.
    #[error("{folder}: no sinkd with a control socket is running on this data folder",
        folder = .0.display())]
    NotRunning(PathBuf),
    /// The file is not a socket, or belongs to another user.
    #[error("{path}: expected a socket of the folder's owner, found something else",
        path = .0.display())]
    Foreign(PathBuf),
    /// There was no answer for a minute.
    #[error("{path}: sinkd did not answer within 60 s", path = .0.display())]
    Silent(PathBuf),
    /// The answer is not a line of JSON that this version knows.
    #[error("{path}: expected an answer in JSON, found '{found}'", path = path.display(),
        found = found.escape_debug())]
    NotAnswer {
        /// The socket: `control.sock` in the data folder.
        path: PathBuf,
        /// The answer, cut to 80 characters.
        found: String,
    },
    /// The system refused to connect, send or receive for another reason.
    #[error("{path}: cannot ask sinkd", path = path.display())]
    Io {
        /// The socket: `control.sock` in the data folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Sends `request` to the sinkd that runs on `folder`, and waits for its answer.
pub fn ask(folder: &Path, request: &Request) -> Result<Answer, AskError> {
    let path = folder.join(FILE_NAME);
    let failed = |source: io::Error| match source.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            AskError::NotRunning(folder.to_owned())
        }
        ErrorKind::WouldBlock | ErrorKind::TimedOut => AskError::Silent(path.clone()),
        _ => AskError::Io { path: path.clone(), source },
    };
    if !socket::belongs_to_owner(folder).map_err(failed)? {
        return Err(AskError::Foreign(path));
    }
    let mut stream = socket::connect(folder).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.write_all(&message::line(request)).map_err(failed)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).map_err(failed)?;
    serde_json::from_slice(&answer).map_err(|_| {
        let found = String::from_utf8_lossy(&answer).chars().take(80).collect();
        AskError::NotAnswer { path, found }
    })
}
