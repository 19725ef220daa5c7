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
    within(runtime, BODY_DEADLINE, reading)
        .await
        .ok_or_else(ApiError::too_slow)?
}

async fn read(receiving: &Receiving, body: Body, limit: usize, received: &mut u64) -> Result<ReceivedBody, ApiError> {
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
    held: Option<OwnedSemaphorePermit>,
}

impl Room {
    fn new(receiving: &Receiving) -> Self {
        Self {
            of: receiving.0.clone(),
            held: None,
        }
    }

    fn grow_to(&mut self, bytes: usize) -> Result<(), ApiError> {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(PERMIT_BYTES).saturating_sub(held);
        if more == 0 {
            return Ok(());
        }
        let full = || ApiError::overloaded("too much is being received at once; send it again later");
        let more = u32::try_from(more).map_err(|_| full())?;
        let permit = self.of.clone().try_acquire_many_owned(more).map_err(|_| full())?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};

    use super::*;
    use crate::http::error::ErrorCode;

    /// Reads a body of these chunks at once.
    fn read_chunks(receiving: &Receiving, chunks: &[usize], limit: usize) -> (Result<ReceivedBody, ApiError>, u64) {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|size| Ok::<_, std::io::Error>(vec![b'x'; *size]))
            .collect();
        let mut received = 0;
        let body = Body::from_stream(stream::iter(chunks));
        let answer = read(receiving, body, limit, &mut received).now_or_never();
        (answer.expect("the chunks are there"), received)
    }

    #[test]
    fn a_body_may_have_so_many_bytes() {
        let rows: [(&[usize], usize, Result<usize, ErrorCode>); 5] = [
            (&[], 10, Ok(0)),
            (&[4, 6], 10, Ok(10)),
            (&[4, 7], 10, Err(ErrorCode::PayloadTooLarge)),
            (&[11], 10, Err(ErrorCode::PayloadTooLarge)),
            (&[1], 0, Err(ErrorCode::PayloadTooLarge)),
        ];
        for (chunks, limit, expected) in rows {
            let (answer, received) = read_chunks(&Receiving::new(1 << 20), chunks, limit);
            let answer = answer.map(|body| body.bytes.len()).map_err(|error| error.code);
            assert_eq!(answer, expected, "{chunks:?} of {limit}");
            assert_eq!(received, chunks.iter().sum::<usize>() as u64, "{chunks:?} of {limit}");
        }
    }

    #[test]
    fn all_bodies_share_one_room_and_give_it_back() {
        let receiving = Receiving::new(8 * PERMIT_BYTES);
        let refused = |chunks: &[usize]| {
            let (answer, _) = read_chunks(&receiving, chunks, 1 << 20);
            answer.err().map(|error| error.code)
        };
        let (held, _) = read_chunks(&receiving, &[3_000, 2_000], 1 << 20);
        let held = held.expect("there is room for five of eight");
        assert_eq!(refused(&[3 * PERMIT_BYTES]), None);
        assert_eq!(refused(&[3 * PERMIT_BYTES, 1]), Some(ErrorCode::Overloaded));
        assert_eq!(refused(&[3 * PERMIT_BYTES]), None, "what was refused holds nothing");
        drop(held);
        assert_eq!(refused(&[8 * PERMIT_BYTES]), None);
    }

    /// However it is cut into pieces.
    #[test]
    fn a_body_holds_what_it_is_long() {
        for chunks in [vec![2_500], vec![1; 2_500], vec![1_024, 0, 1_024, 452]] {
            let receiving = Receiving::new(8 * PERMIT_BYTES);
            let (body, _) = read_chunks(&receiving, &chunks, 1 << 20);
            let body = body.expect("there is room");
            assert_eq!((body.bytes.len(), receiving.0.available_permits()), (2_500, 5));
            drop(body);
            assert_eq!(receiving.0.available_permits(), 8);
        }
    }

    #[test]
    fn a_body_that_breaks_off_is_refused() {
        let chunks = [Ok(vec![b'x']), Err(std::io::Error::other("reset"))];
        let body = Body::from_stream(stream::iter(chunks));
        let answer = read(&Receiving::new(1 << 20), body, 100, &mut 0).now_or_never();
        let error = answer.expect("the chunks are there").err().expect("it is refused");
        assert_eq!(error.code, ErrorCode::InvalidPayload);
    }
}
