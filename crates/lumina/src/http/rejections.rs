//! Deliveries that were refused: noted beside the answer, never in its way.
//!
//! The notes are best effort. Anybody can be refused as often as they like, and each note is a commit; so they queue
//! up, at most [`QUEUE`] of them, and at most [`NOTES_A_MINUTE`] are written. What is beyond that is counted in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::app::App;
use crate::records::{REJECTED_KEPT, Records};

use super::error::ErrorCode;

/// More than are kept need not wait to be written.
const QUEUE: usize = REJECTED_KEPT as usize;

/// Far more than a mistaken sender makes. Under a flood they grow the database by some 20 MiB a day, for a day.
const NOTES_A_MINUTE: u32 = 120;

const MINUTE: Duration = Duration::from_secs(60);

/// A delivery that was refused.
struct Rejection {
    route: String,
    code: ErrorCode,
    bytes: u64,
}

/// Takes notes of what was refused. Clones are the same one.
#[derive(Clone)]
pub(super) struct Rejections {
    queue: mpsc::Sender<Rejection>,
    lost: Arc<AtomicU64>,
}

impl Rejections {
    /// Writes as a task, until the last handle is gone.
    pub fn start(app: &App) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            app: app.clone(),
            waiting,
            lost: lost.clone(),
            window: Window::default(),
        };
        app.context.runtime.spawn(Box::pin(writer.run()));
        Self { queue, lost }
    }

    /// Notes a refusal, if there is room.
    pub fn note(&self, route: &str, code: ErrorCode, bytes: u64) {
        let route = route.to_owned();
        if self.queue.try_send(Rejection { route, code, bytes }).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Writer {
    app: App,
    waiting: mpsc::Receiver<Rejection>,
    lost: Arc<AtomicU64>,
    window: Window,
}

impl Writer {
    async fn run(mut self) {
        while let Some(rejection) = self.waiting.recv().await {
            if self.window.admits(self.app.context.runtime.monotonic()) {
                self.write(rejection).await;
            } else {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
            if self.window.is_new() {
                self.tell_lost();
            }
        }
        self.tell_lost();
    }

    async fn write(&self, rejection: Rejection) {
        let Rejection { route, code, bytes } = rejection;
        let note = Records::note_rejected(route, code.as_str().to_owned(), bytes);
        let id = self.app.context.runtime.new_id();
        if let Err(error) = self.app.engine.transact(id, note).await {
            tracing::debug!(%error, "a refused delivery could not be noted");
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tell_lost(&self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "so many deliveries were refused that not all could be noted");
        }
    }
}

/// How many notes this minute has had.
#[derive(Default)]
struct Window {
    began: Option<Duration>,
    notes: u32,
}

impl Window {
    fn admits(&mut self, now: Duration) -> bool {
        if self.began.is_none_or(|began| now >= began + MINUTE) {
            *self = Self {
                began: Some(now),
                notes: 0,
            };
        }
        self.notes += 1;
        self.notes <= NOTES_A_MINUTE
    }

    /// Whether the last note was its first.
    fn is_new(&self) -> bool {
        self.notes == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_takes_so_many_notes_and_the_next_one_as_many() {
        let mut window = Window::default();
        for minute in [0, 1, 5] {
            let at = MINUTE * minute + Duration::from_secs(3);
            let admitted = (0..NOTES_A_MINUTE * 3).filter(|_| window.admits(at)).count();
            assert_eq!(admitted, NOTES_A_MINUTE as usize, "minute {minute}");
        }
    }
}
