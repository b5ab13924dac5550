//! Claims about the sums of a run: `totals.messages`, `totals.refused`, ...
use crate::stats::RunTotals;
use crate::wording::Unexpected;
use crate::wording::unknown;

/// A sum over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimTotal {
    Messages,
    Recipients,
    Bytes,
    Connections,
    TurnedAway,
    Dismissed,
    Refused,
    Denied,
    Proxied,
    HealthChecks,
    ProxyRefused,
    ProxyUnexpected,
    Xclient,
    XclientRefused,
    TlsHandshakes,
    TlsResumed,
    TlsFailed,
}

impl ClaimTotal {
    /// All totals, in the order in which they are listed.
    const ALL: [ClaimTotal; 17] = [
        ClaimTotal::Messages,
        ClaimTotal::Recipients,
        ClaimTotal::Bytes,
        ClaimTotal::Connections,
        ClaimTotal::TurnedAway,
        ClaimTotal::Dismissed,
        ClaimTotal::Refused,
        ClaimTotal::Denied,
        ClaimTotal::Proxied,
        ClaimTotal::HealthChecks,
        ClaimTotal::ProxyRefused,
        ClaimTotal::ProxyUnexpected,
        ClaimTotal::Xclient,
        ClaimTotal::XclientRefused,
        ClaimTotal::TlsHandshakes,
        ClaimTotal::TlsResumed,
        ClaimTotal::TlsFailed,
    ];

    pub fn names() -> impl Iterator<Item = &'static str> {
        ClaimTotal::ALL.into_iter().map(ClaimTotal::name)
    }

    /// Returns the name in claims, after `totals.`.
    fn name(self) -> &'static str {
        match self {
            ClaimTotal::Messages => "messages",
            ClaimTotal::Recipients => "recipients",
            ClaimTotal::Bytes => "bytes",
            ClaimTotal::Connections => "connections",
            ClaimTotal::TurnedAway => "turned_away",
            ClaimTotal::Dismissed => "dismissed",
            ClaimTotal::Refused => "refused",
            ClaimTotal::Denied => "denied",
            ClaimTotal::Proxied => "proxied",
            ClaimTotal::HealthChecks => "health_checks",
            ClaimTotal::ProxyRefused => "proxy_refused",
            ClaimTotal::ProxyUnexpected => "proxy_unexpected",
            ClaimTotal::Xclient => "xclient",
            ClaimTotal::XclientRefused => "xclient_refused",
            ClaimTotal::TlsHandshakes => "tls_handshakes",
            ClaimTotal::TlsResumed => "tls_resumed",
            ClaimTotal::TlsFailed => "tls_failed",
        }
    }

    /// Returns whether the total counts faults. Without traffic, a total of 0 proves nothing.
    pub fn counts_faults(self) -> bool {
        match self {
            ClaimTotal::TurnedAway
            | ClaimTotal::Dismissed
            | ClaimTotal::Refused
            | ClaimTotal::Denied
            | ClaimTotal::ProxyRefused
            | ClaimTotal::ProxyUnexpected
            | ClaimTotal::XclientRefused
            | ClaimTotal::TlsFailed => true,
            ClaimTotal::Messages
            | ClaimTotal::Recipients
            | ClaimTotal::Bytes
            | ClaimTotal::Connections
            | ClaimTotal::Proxied
            | ClaimTotal::HealthChecks
            | ClaimTotal::Xclient
            | ClaimTotal::TlsHandshakes
            | ClaimTotal::TlsResumed => false,
        }
    }

    pub fn value_in(self, totals: &RunTotals) -> u64 {
        match self {
            ClaimTotal::Messages => totals.messages,
            ClaimTotal::Recipients => totals.recipients,
            ClaimTotal::Bytes => totals.bytes,
            ClaimTotal::Connections => totals.connections,
            ClaimTotal::TurnedAway => totals.turned_away,
            ClaimTotal::Dismissed => totals.dismissed,
            ClaimTotal::Refused => totals.refused,
            ClaimTotal::Denied => totals.denied,
            ClaimTotal::Proxied => totals.proxied,
            ClaimTotal::HealthChecks => totals.health_checks,
            ClaimTotal::ProxyRefused => totals.proxy_refused,
            ClaimTotal::ProxyUnexpected => totals.proxy_unexpected,
            ClaimTotal::Xclient => totals.xclient,
            ClaimTotal::XclientRefused => totals.xclient_refused,
            ClaimTotal::TlsHandshakes => totals.tls_handshakes,
            ClaimTotal::TlsResumed => totals.tls_resumed,
            ClaimTotal::TlsFailed => totals.tls_failed,
        }
    }
}

impl std::str::FromStr for ClaimTotal {
    type Err = Unexpected;

    fn from_str(name: &str) -> Result<ClaimTotal, Unexpected> {
        let found = ClaimTotal::ALL.into_iter().find(|total| total.name() == name);
        let error = || unknown("figure of totals", name, ClaimTotal::names());
        found.ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_the_total_that_the_summary_calls_so() {
        let totals = RunTotals { messages: 1, recipients: 2, bytes: 3, ..RunTotals::default() };
        let totals = RunTotals { connections: 4, turned_away: 5, dismissed: 6, ..totals };
        let totals = RunTotals { refused: 7, denied: 8, proxied: 9, ..totals };
        let totals = RunTotals { health_checks: 10, proxy_refused: 11, ..totals };
        let totals = RunTotals { proxy_unexpected: 12, xclient: 13, xclient_refused: 14, ..totals };
        let totals = RunTotals { tls_handshakes: 15, tls_resumed: 16, tls_failed: 17, ..totals };
        let json = serde_json::to_value(totals).unwrap();
        for name in ClaimTotal::names() {
            let total: ClaimTotal = name.parse().unwrap();
            assert_eq!(json[name], total.value_in(&totals), "{name}");
        }
        assert_eq!(ClaimTotal::names().count(), json.as_object().unwrap().len());
        assert!("messages_".parse::<ClaimTotal>().is_err());
    }
}
