//! A harness for one client at a time: it writes octets into a real socket in exactly the
//! pieces that a test chooses, and reads replies from the socket and messages from the log.
mod cuts;
mod dialect;
mod dialogue;
mod observed;
mod one_by_one;

pub use cuts::{check_session, run_cut, small_limits};
pub use dialect::{ClientDialect, Trust};
pub use dialogue::{Dialogue, Pieces};
pub use observed::{Observed, StoredMessage, Tolerated};
pub use one_by_one::{OneByOne, with_sink, with_trusting_sink};
