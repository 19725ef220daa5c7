//! Bodies, received whole: bounded in size, in time, and in what all of them hold together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use super::patience::within;
use super::state::HttpState;

/// What all bodies that are being received and stored may hold together, in bytes: eight of the largest. Strangers
/// can send them, because a signature is known to be wrong only at the end.
pub(super) const RECEIVED_AT_ONCE: usize = 256 * 1024 * 1024;

/// How long a body may take: half a MiB a second for the largest, and longer than any platform waits for an answer.
const BODY_DEADLINE: Duration = Duration::from_secs(60);

/// What a permit of [`Receiving`] stands for, in bytes.
const PERMIT_BYTES: usize = 1024;

/// The room for bodies that are being received.
#[derive(Clone)]
pub(super) struct Receiving(Arc<Semaphore>);

impl Receiving {
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / PERMIT_BYTES)))
    }
}

/// A body, with its part of the room until it is dropped.
pub(super) struct ReceivedBody {
    pub bytes: Bytes,
    _room: Room,
}

/// Refuses a body whose announced length is above the limit, before it is read.
pub(super) fn check_announced(body: &Body, limit: usize) -> Result<(), ApiError> {
    match body.size_hint().lower() > limit as u64 {
        true => Err(ApiError::too_large(limit)),
        false => Ok(()),
    }
}

/// Receives a body. `received` counts its bytes, also when it is refused.
pub(super) async fn receive(
    state: &HttpState,
    body: Body,
    limit: usize,
    received: &mut u64,
) -> Result<ReceivedBody, ApiError> {
    check_announced(&body, limit)?;
    let runtime = &*state.app.context.runtime;
    let reading = read(&state.receiving, body, limit, received);
    within(runtime, BODY_DEADLINE, reading).await.ok_or_else(ApiError::too_slow)?
}

async fn read(
    receiving: &Receiving,
    body: Body,
    limit: usize,
    received: &mut u64,
) -> Result<ReceivedBody, ApiError> {
    let mut room = Room::new(receiving);
    let mut bytes = BytesMut::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| ApiError::invalid_payload("body", "it broke off; send it again"))?;
        *received += chunk.len() as u64;
        if chunk.len() > limit - bytes.len() {
            return Err(ApiError::too_large(limit));
        }
        bytes.extend_from_slice(&chunk);
        room.grow_to(bytes.len())?;
    }
    let bytes = bytes.freeze();
    Ok(ReceivedBody { bytes, _room: room })
}

/// What one body holds of the room. It grows with what has come, not with what was announced, so that nobody holds
/// much by sending little.
struct Room {
    of: Arc<Semaphore>,
    held: Vec<OwnedSemaphorePermit>,
    permits: usize,
}

impl Room {
    fn new(receiving: &Receiving) -> Self {
        Self {
            of: receiving.0.clone(),
            held: Vec::new(),
            permits: 0,
        }
    }

    fn grow_to(&mut self, bytes: usize) -> Result<(), ApiError> {
        let more = bytes.div_ceil(PERMIT_BYTES).saturating_sub(self.permits);
        let full = || ApiError::overloaded("too much is being received at once; send it again later");
        let more_permits = u32::try_from(more).map_err(|_| full())?;
        let permit = self.of.clone().try_acquire_many_owned(more_permits);
        self.held.push(permit.map_err(|_| full())?);
        self.permits += more;
        Ok(())
    }
}
