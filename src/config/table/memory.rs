//! `[memory]`: memory budgets of each worker.
use crate::config::bounds::{MEMORY, between};
use crate::config::setting::Setting;
use crate::config::value::show_bytes;
use crate::wording::parse_size;

pub(super) const SETTINGS: &[Setting] = &[
    key!(
        "memory",
        "envelope_memory_bytes",
        "SIZE",
        "Memory for envelopes in progress, per worker; if it is exceeded, MAIL and RCPT are answered with 452.",
        MEMORY,
        |c, v| between(parse_size(v), 1 << 20, 1 << 40)
            .map(|n| c.memory.envelope_bytes = n as usize),
        |c| show_bytes(c.memory.envelope_bytes as u64)
    ),
    key!(
        "memory",
        "buffer_memory_bytes",
        "SIZE",
        "Memory for payloads that arrive in pieces, per worker; if it is exceeded, transfers that have been silent for over a second are closed, starting with the one that has been silent the longest.",
        MEMORY,
        |c, v| between(parse_size(v), 1 << 20, 1 << 40).map(|n| c.memory.buffer_bytes = n as usize),
        |c| show_bytes(c.memory.buffer_bytes as u64)
    ),
];
