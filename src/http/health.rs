//! `/healthz`: is it alive? `/readyz`: does it take mail?
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::facts::MetricFacts;

/// An answer is enough: the client that gets it knows that sinkd is alive.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// HTTP is served only after the listeners are bound, so what is left to ask is whether sinkd is
/// on its way out.
pub(super) async fn ready(State(facts): State<Arc<MetricFacts>>) -> (StatusCode, &'static str) {
    match (facts.is_ready)() {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}
