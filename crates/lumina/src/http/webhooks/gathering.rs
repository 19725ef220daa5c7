//! Signs of a batch's life on their way in. A batch has one for each of its contacts, within moments: those that come
//! while others are being made durable are stored together, in one change.

use std::sync::Arc;

use futures_util::future::join_all;
use lumina_workflow::EngineError;
use lumina_workflow::store::StoreError;
use tokio::sync::{mpsc, oneshot};

use crate::app::App;
use crate::records::{AnswerFate, PackedAnswer, Records};

/// More than the listener has connections need not wait.
const QUEUE: usize = 1_024;

/// So many share a change: short enough for whoever else writes, and for whoever waits for their runs.
const TOGETHER: usize = 128;

/// Or as many as hold so much, packed; a greater one is alone.
const BYTES: usize = 1024 * 1024;

type Stored = Result<AnswerFate, EngineError>;

struct Waiting {
    sign: Arc<PackedAnswer>,
    reply: oneshot::Sender<Stored>,
}

/// The way in for all of them. Clones are the same one.
#[derive(Clone)]
pub(in crate::http) struct Gathering {
    queue: mpsc::Sender<Waiting>,
}

impl Gathering {
    /// Stores as a task, until the last handle is gone.
    pub fn start(app: &App) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let gatherer = Gatherer {
            app: app.clone(),
            waiting,
            next: None,
        };
        app.context.runtime.spawn(Box::pin(gatherer.run()));
        Self { queue }
    }

    /// Stores a sign. When this returns its fate it is durable.
    pub async fn store(&self, sign: Arc<PackedAnswer>) -> Stored {
        let (reply, stored) = oneshot::channel();
        let closed = || StoreError::Unavailable("nothing is taken in any more".to_owned());
        let waiting = Waiting { sign, reply };
        self.queue.send(waiting).await.map_err(|_| closed())?;
        stored.await.map_err(|_| closed())?
    }
}

struct Gatherer {
    app: App,
    waiting: mpsc::Receiver<Waiting>,
    /// What did not fit.
    next: Option<Waiting>,
}

impl Gatherer {
    async fn run(mut self) {
        while let Some(group) = self.gather().await {
            self.store(group).await;
        }
    }

    /// The next one, and what waits behind it. Whoever has gone was told, or has found, that nothing is known of it,
    /// and sends it again.
    async fn gather(&mut self) -> Option<Vec<Waiting>> {
        let first = match self.next.take() {
            Some(next) => next,
            None => self.waiting.recv().await?,
        };
        let (mut bytes, mut group) = (first.sign.size(), vec![first]);
        while let Ok(next) = self.waiting.try_recv() {
            bytes += next.sign.size();
            if group.len() == TOGETHER || bytes > BYTES {
                self.next = Some(next);
                break;
            }
            group.push(next);
        }
        group.retain(|waiting| !waiting.reply.is_closed());
        Some(group)
    }

    async fn store(&self, group: Vec<Waiting>) {
        match self.store_together(&group).await {
            Ok(fates) => tell(group, fates.into_iter().map(Ok)),
            // One of them cannot be stored: that is nothing to the others.
            Err(EngineError::Store(StoreError::Broken(_)) | EngineError::Refused(_)) if group.len() > 1 => {
                let alone = group.iter().map(|waiting| self.store_alone(waiting.sign.clone()));
                let stored = join_all(alone).await;
                tell(group, stored);
            }
            Err(error) => {
                let all = vec![Err(error); group.len()];
                tell(group, all);
            }
        }
    }

    async fn store_together(&self, group: &[Waiting]) -> Result<Vec<AnswerFate>, EngineError> {
        if group.is_empty() {
            return Ok(Vec::new());
        }
        let signs = group.iter().map(|waiting| waiting.sign.clone()).collect();
        let id = self.app.context.runtime.new_id();
        let stored = self.app.engine.transact(id, Records::store_signs(signs)).await?;
        Ok(stored.decode()?)
    }

    async fn store_alone(&self, sign: Arc<PackedAnswer>) -> Stored {
        let id = self.app.context.runtime.new_id();
        let stored = self.app.engine.transact(id, Records::store_packed(sign)).await?;
        Ok(stored.decode()?)
    }
}

/// Nobody may wait for it any more.
fn tell(group: Vec<Waiting>, stored: impl IntoIterator<Item = Stored>) {
    for (waiting, stored) in group.into_iter().zip(stored) {
        let _ = waiting.reply.send(stored);
    }
}
