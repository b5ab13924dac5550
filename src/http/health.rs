//! `/healthz`: is it alive? `/readyz`: does it take mail?
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::Facts;
use crate::server::StopStage;

/// Whoever gets an answer knows.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// HTTP is served only after the listeners are bound, so what is left to ask is whether sinkd is
/// on its way out.
pub(super) async fn ready(State(facts): State<Arc<Facts>>) -> (StatusCode, &'static str) {
    match facts.stop.stage() {
        StopStage::Running => (StatusCode::OK, "ok\n"),
        StopStage::Graceful | StopStage::AtOnce => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}
