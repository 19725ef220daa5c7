//! Inboxes that a process's runs look into. When an event comes in from another process its run looks, and many do at
//! once: those that ask while one answer is on its way are answered together by the next.

use std::sync::Arc;

use futures_util::FutureExt;
use lumina_workflow::store::{Inbox, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::read;
use crate::read::inbox::Wanted;
use crate::transaction::Core;

/// So many are read at once, and may wait; then whoever asks waits with them.
const TOGETHER: usize = 250;

struct Question {
    wanted: Wanted,
    reply: oneshot::Sender<Result<Inbox, StoreError>>,
}

/// The way to whoever reads.
pub(crate) struct Inboxes {
    questions: mpsc::Sender<Question>,
}

impl Inboxes {
    /// Starts to read, inside a tokio runtime, until the last handle is gone.
    pub(crate) fn start(core: Arc<Core>) -> Self {
        let (questions, receive) = mpsc::channel(TOGETHER);
        tokio::spawn(serve(core, receive));
        Self { questions }
    }

    pub(crate) async fn read(&self, wanted: Wanted) -> Result<Inbox, StoreError> {
        let ended = || StoreError::Unavailable("nobody reads inboxes any more".to_owned());
        let (reply, answer) = oneshot::channel();
        let sent = self.questions.send(Question { wanted, reply }).await;
        sent.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

async fn serve(core: Arc<Core>, mut receive: mpsc::Receiver<Question>) {
    let mut questions = Vec::new();
    while receive.recv_many(&mut questions, TOGETHER).await > 0 {
        let (wanted, replies): (Vec<_>, Vec<_>) = questions
            .drain(..)
            .map(|question| (question.wanted, question.reply))
            .unzip();
        // Whoever has gone needs no answer.
        match read(&core, wanted.into()).await {
            Ok(found) => replies
                .into_iter()
                .zip(found)
                .for_each(|(reply, inbox)| drop(reply.send(inbox))),
            Err(error) => replies
                .into_iter()
                .for_each(|reply| drop(reply.send(Err(error.clone())))),
        }
    }
}

/// Reads them in one statement.
pub(crate) async fn read(core: &Core, wanted: Arc<[Wanted]>) -> Result<Vec<Result<Inbox, StoreError>>, StoreError> {
    let payloads = core.shared.payloads.clone();
    let reading = core.ask(move |db| {
        let (payloads, wanted) = (payloads.clone(), wanted.clone());
        async move { read::inbox::read(db, &payloads, &wanted).await }.boxed()
    });
    let name = &core.shared.name;
    let told = |inbox: Result<Inbox, _>| inbox.map_err(|fault: crate::fault::Fault| fault.to_store(name));
    Ok(reading.await?.into_iter().map(told).collect())
}
