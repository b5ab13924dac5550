//! `[http]`: the address for monitoring.
use crate::config::http;
use crate::config::setting::Setting;
use crate::config::value::quoted;

pub(super) const SETTINGS: &[Setting] = &[key!(
    "http",
    "http",
    "ADDR",
    "Address for HTTP (/metrics, /healthz, /readyz), or 'off'; 'auto' is 127.0.0.1:8025, or 'off' if sinkd cannot listen there. If you name an address, sinkd does not start unless it can listen there.",
    http::EXPECTED,
    |c, v| v.parse().ok().map(|http| c.http = http),
    |c| quoted(&c.http.to_string())
)];
