//! `[limits]`: limits on messages, sessions and connections.
use crate::config::bounds::{COUNT, COUNT_OR_NONE, MESSAGE_BYTES, between, count, message_bytes};
use crate::config::setting::Setting;
use crate::config::value::{parse_option, show_bytes, show_number, show_option};
use crate::wording::parse_size;

pub(super) const SETTINGS: &[Setting] = &[
    key!(
        "limits",
        "message_bytes_max",
        "SIZE",
        "Maximum size of a message, announced as SIZE (RFC 1870).",
        MESSAGE_BYTES,
        |c, v| message_bytes(v).map(|n| c.limits.message_bytes_max = n),
        |c| show_bytes(c.limits.message_bytes_max)
    ),
    key!(
        "limits",
        "recipients_max",
        "N",
        "Maximum number of recipients per message, announced as LIMITS RCPTMAX (RFC 9422); a value below 100 causes a warning.",
        COUNT,
        |c, v| count::<u32>(v).map(|n| c.limits.recipients_max = n),
        |c| show_number(c.limits.recipients_max)
    ),
    key!(
        "limits",
        "envelope_bytes_max",
        "SIZE",
        "Maximum size of an envelope with all its addresses.",
        "a size from 64K to 3M (units: K, M)",
        |c, v| between(parse_size(v), 64 << 10, 3 << 20)
            .map(|n| c.limits.envelope_bytes_max = n as usize),
        |c| show_bytes(c.limits.envelope_bytes_max as u64)
    ),
    key!(
        "limits",
        "command_line_bytes_max",
        "SIZE",
        "Maximum length of a command line, including CRLF.",
        "a size from 512 bytes (RFC 5321 section 4.5.3.1.4) to 64K (unit: K)",
        |c, v| between(parse_size(v), 512, 64 << 10)
            .map(|n| c.limits.command_line_bytes_max = n as usize),
        |c| show_bytes(c.limits.command_line_bytes_max as u64)
    ),
    key!(
        "limits",
        "errors_max",
        "N",
        "Maximum number of 5xx replies per session; the next error is answered with 421 instead, and the session is closed.",
        COUNT_OR_NONE,
        |c, v| parse_option(v, count).map(|n| c.limits.errors_max = n),
        |c| show_option(c.limits.errors_max, show_number)
    ),
    key!(
        "limits",
        "messages_max",
        "N",
        "Maximum number of messages per connection, announced as LIMITS MAILMAX (RFC 9422).",
        COUNT_OR_NONE,
        |c, v| parse_option(v, count).map(|n| c.limits.messages_max = n),
        |c| show_option(c.limits.messages_max, show_number)
    ),
    key!(
        "limits",
        "connections_max",
        "N",
        "Maximum number of open connections; 'none' is as many as the descriptor limit allows.",
        COUNT_OR_NONE,
        |c, v| parse_option(v, count).map(|n| c.clients.connections_max = n),
        |c| show_option(c.clients.connections_max, show_number)
    ),
    key!(
        "limits",
        "connections_per_client_max",
        "N",
        "Maximum number of open connections per client address.",
        COUNT_OR_NONE,
        |c, v| parse_option(v, count).map(|n| c.clients.connections_per_client_max = n),
        |c| show_option(c.clients.connections_per_client_max, show_number)
    ),
];
