//! All routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::{endpoints, holds_page, ledger_page, moods_page, start};
use crate::sandbox::Sandbox;

/// The largest request body in bytes. A hundred contacts with ten values of a hundred four-byte characters, written
/// as escapes, stay below it.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

impl Sandbox {
    /// The provider's calls under `/api/v2`, and the sandbox's own under `/sandbox`, which need no key. A response that
    /// stands for a reset connection has the extension [`Reset`](crate::Reset).
    pub fn router(self: &Arc<Self>) -> Router {
        let provider = Router::new()
            .route("/contact/reverse/email/bulk", post(start::start_batch))
            .route(
                "/contact/reverse/email/bulk/{enrichment_id}",
                get(endpoints::read_batch),
            )
            .route("/account/credits", get(endpoints::credits))
            .route("/account/keys/verify", get(endpoints::verify_key))
            .fallback(endpoints::unknown);
        Router::new()
            .nest("/api/v2", provider)
            .route("/sandbox/ledger", get(ledger_page::show))
            .route("/sandbox/credits", post(ledger_page::add_credits))
            .route(
                "/sandbox/moods",
                get(moods_page::show).put(moods_page::change).delete(moods_page::end),
            )
            .route(
                "/sandbox/holds",
                get(holds_page::show).post(holds_page::arm).delete(holds_page::release),
            )
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .with_state(Arc::clone(self))
    }
}
