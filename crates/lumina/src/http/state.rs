//! What all endpoints share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::body::{RECEIVED_AT_ONCE, Receiving};
use super::error::ApiError;
use super::readiness::Readiness;
use super::rejections::Rejections;
use super::settings::HttpSettings;
use super::upload::{UPLOADS_AT_ONCE, UploadFolder};
use super::webhooks::Gathering;
use crate::app::App;

/// What all endpoints share. Clones are the same one, so that two routers can serve it.
#[derive(Clone)]
pub struct HttpState {
    pub(super) app: App,
    pub(super) settings: Arc<HttpSettings>,
    pub(super) receiving: Receiving,
    pub(super) rejections: Rejections,
    pub(super) signs: Gathering,
    pub(super) readiness: Arc<Readiness>,
    pub(super) uploads: Arc<Semaphore>,
    pub(super) upload_folder: Arc<UploadFolder>,
}

impl HttpState {
    /// Serves this application. What a process that died left in the upload folder is deleted.
    #[must_use]
    pub fn new(app: App, settings: HttpSettings) -> Self {
        Self {
            receiving: Receiving::new(RECEIVED_AT_ONCE),
            rejections: Rejections::start(&app),
            signs: Gathering::start(&app),
            readiness: Arc::default(),
            uploads: Arc::new(Semaphore::new(UPLOADS_AT_ONCE)),
            upload_folder: Arc::new(UploadFolder::open(settings.upload_folder.clone())),
            settings: Arc::new(settings),
            app,
        }
    }

    /// From now on `/readyz` answers 503, so that nobody sends more.
    pub fn begin_shutdown(&self) {
        self.readiness.begin_shutdown();
    }

    /// Refuses what would be stored while the database must be spared.
    pub(super) fn check_intake(&self) -> Result<(), ApiError> {
        match self.app.database.is_overloaded() {
            true => Err(ApiError::overloaded(
                "the database cannot keep up with what comes in; send it again later",
            )),
            false => Ok(()),
        }
    }
}
