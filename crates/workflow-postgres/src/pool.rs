//! Connections: a few for the work that queues, and one more for what must not wait behind it.

use std::ops::Deref;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Config;

use crate::fault::Fault;
use crate::hook::Hook;
use crate::inline::Kept;
use crate::session::Session;

/// Which way a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// On a connection that is kept for it: renewals.
    First,
    /// In its turn.
    Queue,
}

/// Connections are made when they are needed and kept until they break.
pub(crate) struct Pool {
    config: Config,
    /// Whether statements are known by name; not any more once it has turned out that they cannot be.
    names: Arc<AtomicBool>,
    hook: Option<Hook>,
    /// From where connections come first, and where they go in the end.
    kept: Option<Arc<Kept>>,
    idle: Arc<Mutex<Vec<Session>>>,
    queue: Arc<Semaphore>,
    first: Arc<Semaphore>,
}

/// A connection that nobody else uses meanwhile. It goes back when it is dropped, if it is as it was.
pub(crate) struct Lent {
    session: Option<Session>,
    idle: Arc<Mutex<Vec<Session>>>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(
        config: Config,
        size: usize,
        prepared: bool,
        hook: Option<Hook>,
        kept: Option<Arc<Kept>>,
    ) -> Self {
        Self {
            config,
            names: Arc::new(AtomicBool::new(prepared)),
            hook,
            kept,
            idle: Arc::default(),
            queue: Arc::new(Semaphore::new(size.max(1))),
            first: Arc::new(Semaphore::new(1)),
        }
    }

    /// A connection, as soon as one is free. The one that was used last comes first, so that few are kept warm.
    pub(crate) async fn take(&self, lane: Lane) -> Result<Lent, Fault> {
        let lanes = match lane {
            Lane::First => &self.first,
            Lane::Queue => &self.queue,
        };
        let closed = |_| Fault::Lost("the store was closed".to_owned());
        let permit = lanes.clone().acquire_owned().await.map_err(closed)?;
        let session = match self.idle() {
            Some(session) => session,
            None => self.connect().await?,
        };
        Ok(Lent {
            session: Some(session),
            idle: self.idle.clone(),
            _permit: permit,
        })
    }

    /// The same for what is asked once and cannot be begun anew, such as changes of tables: no statement has a name, for
    /// which a pooler that nobody has told of would fail it.
    pub(crate) async fn take_plain(&self) -> Result<Lent, Fault> {
        let lent = self.take(Lane::Queue).await?;
        lent.set_plain(true);
        Ok(lent)
    }

    /// A connection that is nobody's.
    pub(crate) async fn connect(&self) -> Result<Session, Fault> {
        Session::connect(&self.config, self.names.clone(), self.hook.clone()).await
    }

    fn idle(&self) -> Option<Session> {
        let mut idle = lock(&self.idle);
        while let Some(session) = idle.pop() {
            if !session.is_broken() {
                return Some(session);
            }
        }
        self.kept.as_ref()?.take()
    }

    /// Lends no more, and lets go of what is idle.
    pub(crate) fn close(&self) {
        self.queue.close();
        self.first.close();
        let idle = std::mem::take(&mut *lock(&self.idle));
        if let Some(kept) = &self.kept {
            kept.put(idle);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }
}

fn lock(idle: &Mutex<Vec<Session>>) -> std::sync::MutexGuard<'_, Vec<Session>> {
    idle.lock().expect("nobody panics while holding it")
}

impl Deref for Lent {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(session) = self.session.take().filter(Session::is_clean) {
            session.set_plain(false);
            lock(&self.idle).push(session);
        }
    }
}
