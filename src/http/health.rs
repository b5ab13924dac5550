//! `/healthz`: is sinkd alive? `/readyz`: does it accept mail?
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::facts::MetricFacts;

/// Answers `/healthz`. Any answer shows that sinkd is alive.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Answers `/readyz`. HTTP is served only after the listeners are bound, so sinkd is ready unless
/// it is stopping.
pub(super) async fn ready(State(facts): State<Arc<MetricFacts>>) -> (StatusCode, &'static str) {
    if (facts.is_ready)() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    }
}
