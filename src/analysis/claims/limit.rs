//! Claims about the limits that each client kept to: `limits.open_at_once`,
//! `limits.messages_per_1m`, ...
use std::net::IpAddr;

use super::failure::{ClaimFailure, EvidenceGap};
use crate::analysis::limits::{KeptLimits, window};
use crate::stats::ClientLimits;
use crate::wording::Unexpected;
use crate::wording::unknown;

/// A figure; claims compare the client with the highest value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimLimit {
    /// Connections that were open at the same time.
    OpenAtOnce,
    /// Connections opened in a window of this length, in seconds.
    OpenedPer(u64),
    /// Accepted messages per connection.
    MessagesPerConnection,
    /// Accepted messages in a window of this length, in seconds.
    MessagesPer(u64),
    /// Forward-paths per accepted message.
    RecipientsPerMessage,
}

/// Figures by name; the duration in a name is an example.
pub const NAMES: [&str; 5] = [
    "open_at_once",
    "opened_per_1s",
    "messages_per_connection",
    "messages_per_1m",
    "recipients_per_message",
];

impl std::str::FromStr for ClaimLimit {
    type Err = Unexpected;

    fn from_str(name: &str) -> Result<ClaimLimit, Unexpected> {
        let length = |prefix: &str| name.strip_prefix(prefix).and_then(|text| window(text).ok());
        Ok(match name {
            "open_at_once" => ClaimLimit::OpenAtOnce,
            "messages_per_connection" => ClaimLimit::MessagesPerConnection,
            "recipients_per_message" => ClaimLimit::RecipientsPerMessage,
            _ => {
                let opened = length("opened_per_").map(ClaimLimit::OpenedPer);
                let found = opened.or_else(|| length("messages_per_").map(ClaimLimit::MessagesPer));
                found.ok_or_else(|| unknown("figure of limits", name, NAMES))?
            }
        })
    }
}

impl ClaimLimit {
    /// Returns the length of the window in seconds; `None` for a limit without a window.
    pub fn window_s(self) -> Option<u64> {
        match self {
            ClaimLimit::OpenedPer(seconds) | ClaimLimit::MessagesPer(seconds) => Some(seconds),
            ClaimLimit::OpenAtOnce
            | ClaimLimit::MessagesPerConnection
            | ClaimLimit::RecipientsPerMessage => None,
        }
    }

    /// Returns the highest figure of all clients.
    ///
    /// Errors: the figure may be too low, or data is missing.
    pub fn value_in(self, kept: &KeptLimits) -> Result<u64, ClaimFailure> {
        if let Some(gap) = kept.gap() {
            return Err(EvidenceGap::from(gap).into());
        }
        let highest = self.figures(kept).map(|(figure, _)| figure).max();
        highest.ok_or(ClaimFailure::NoConnection)
    }

    /// Returns the address of the client with the highest figure, or `unix`; `None` without
    /// clients.
    pub fn client(self, kept: &KeptLimits) -> Option<String> {
        let (_, address) = self.figures(kept).max_by_key(|(figure, _)| *figure)?;
        Some(address.map_or("unix".into(), |address| address.to_string()))
    }

    fn figures(self, kept: &KeptLimits) -> impl Iterator<Item = (u64, Option<IpAddr>)> {
        let place = move |seconds| kept.windows_s.iter().position(|known| *known == seconds);
        let figure = move |client: &ClientLimits| match self {
            ClaimLimit::OpenAtOnce => Some(client.open_at_once.max),
            ClaimLimit::MessagesPerConnection => Some(client.messages_per_connection.max),
            ClaimLimit::RecipientsPerMessage => Some(client.recipients_max),
            ClaimLimit::OpenedPer(seconds) => Some(client.opened_per_window[place(seconds)?].max),
            ClaimLimit::MessagesPer(seconds) => {
                Some(client.messages_per_window[place(seconds)?].max)
            }
        };
        let clients = kept.limits.clients.iter();
        clients.filter_map(move |(address, client)| Some((figure(client)?, *address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_names_and_windows() {
        for (name, expected) in [
            ("open_at_once", ClaimLimit::OpenAtOnce),
            ("opened_per_1s", ClaimLimit::OpenedPer(1)),
            ("messages_per_connection", ClaimLimit::MessagesPerConnection),
            ("messages_per_1m", ClaimLimit::MessagesPer(60)),
            ("messages_per_1h30m", ClaimLimit::MessagesPer(5400)),
            ("recipients_per_message", ClaimLimit::RecipientsPerMessage),
        ] {
            assert_eq!(name.parse(), Ok(expected));
        }
        for name in ["", "messages_per_", "messages_per_1ms", "opened_per_25h", "open"] {
            let error = name.parse::<ClaimLimit>().unwrap_err().to_string();
            assert!(error.starts_with("expected a figure of limits (open_at_once, "), "{error}");
        }
    }
}
