use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::problem::{Kind, Problem};
use crate::{Gateway, Readiness, batch, swipes};

/// All pages of the gateway.
pub fn router(gateway: Arc<Gateway>, readiness: Arc<Readiness>) -> Router {
    let registry = gateway.metrics.registry();
    let status = telemetry::status::router(registry, Arc::new(move || readiness.check()));
    Router::new()
        .route("/v1/swipes", post(swipes::post))
        .route("/v1/swipes:batch", post(batch::post))
        .with_state(gateway)
        .route("/problems/{name}", get(problem))
        .merge(status)
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
}

/// What a problem document's `type` leads to.
async fn problem(Path(name): Path<String>) -> Response {
    match Kind::ALL.into_iter().find(|kind| kind.name() == name) {
        Some(kind) => format!("{} {}\n", kind.status().as_u16(), kind.title()).into_response(),
        None => not_found().await.into_response(),
    }
}

async fn not_found() -> Problem {
    let detail = "the gateway has /v1/swipes, /v1/swipes:batch, /healthz, /readyz and /metrics";
    Problem::new(Kind::NotFound, detail)
}

async fn method_not_allowed() -> Problem {
    Problem::new(Kind::MethodNotAllowed, "the header Allow names the methods of this page")
}
