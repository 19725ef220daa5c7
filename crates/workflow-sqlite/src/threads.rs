//! The threads of a store: one that writes, a few that read, one that checkpoints.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lumina_workflow::store::{Claim, Claimed, Member, MemberResult, StoreError};
use tokio::sync::oneshot;

use crate::checkpoint;
use crate::connect;
use crate::lanes::{Lane, Lanes, Taken};
use crate::options::OpenError;
use crate::reader::Reader;
use crate::shared::Shared;
use crate::writer::Writer;

/// Two cores serve an engine well: three readers, one of them for the engine alone, keep a
/// long list on a page from holding up a run's history.
const READERS: usize = 3;

/// An idle writer looks this often for what other processes have written: hints are promised
/// within 50 ms.
const LOOK: Duration = Duration::from_millis(40);

/// A claim that comes between two large groups waits this long for the second: the workers that the first one has
/// answered have handed in theirs by then.
const PATIENCE: Duration = Duration::from_micros(500);

/// What the writer's thread is to do.
pub(crate) enum WriteJob {
    Claim(Claim, Answer<Vec<Claimed>>),
    Commit(Arc<[Member]>, Answer<Vec<MemberResult>>),
    Other(Box<dyn FnOnce(&mut Writer) + Send>),
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;
pub(crate) type ReadJob = Box<dyn FnOnce(&Reader) + Send>;

pub(crate) struct Threads {
    shared: Arc<Shared>,
    writes: Arc<Lanes<WriteJob>>,
    reads: Arc<Lanes<ReadJob>>,
    readers: Vec<JoinHandle<()>>,
    checkpointer: Option<JoinHandle<()>>,
    writer: Option<JoinHandle<Writer>>,
}

impl Threads {
    /// Starts them. `due` is where the writer's connection asks for checkpoints.
    pub(crate) fn start(writer: Writer, shared: &Arc<Shared>, due: Receiver<()>) -> Result<Self, OpenError> {
        let (writes, reads) = (Arc::new(Lanes::new()), Arc::new(Lanes::new()));
        let mut threads = Self {
            shared: shared.clone(),
            writes,
            reads,
            readers: Vec::new(),
            checkpointer: None,
            writer: None,
        };
        for place in 0..READERS {
            threads.start_reader(place)?;
        }
        threads.start_checkpointer(due)?;
        threads.start_writer(writer)?;
        Ok(threads)
    }

    fn start_writer(&mut self, writer: Writer) -> Result<(), OpenError> {
        let jobs = self.writes.clone();
        self.writer = Some(spawn("sqlite-writer", move || write(writer, &jobs))?);
        Ok(())
    }

    fn start_reader(&mut self, place: usize) -> Result<(), OpenError> {
        let path = &self.shared.path;
        let conn = connect::reader(path).map_err(|error| unreadable(path, error))?;
        let reader = Reader::new(conn, self.shared.clone());
        let jobs = self.reads.clone();
        let serve = move || match place {
            0 => read_ahead(&reader, &jobs),
            _ => read(&reader, &jobs),
        };
        self.readers.push(spawn("sqlite-reader", serve)?);
        Ok(())
    }

    fn start_checkpointer(&mut self, due: Receiver<()>) -> Result<(), OpenError> {
        let path = &self.shared.path;
        let conn = connect::checkpointer(path).map_err(|error| unreadable(path, error))?;
        let (shared, writes) = (self.shared.clone(), self.writes.clone());
        let serve = move || checkpoint::serve(&conn, &shared, &due, &writes);
        self.checkpointer = Some(spawn("sqlite-checkpoint", serve)?);
        Ok(())
    }

    /// Lets the writer do this, and waits for its answer.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        // Nobody may be waiting any more: the work counts all the same.
        let job = WriteJob::Other(Box::new(move |writer| drop(answer.send(work(writer)))));
        self.put(lane, job)?;
        answered.await.map_err(|_| self.died("writing"))
    }

    /// Lets the writer commit a group, and waits for its answer.
    pub(crate) async fn commit(&self, batch: Arc<[Member]>) -> Result<Vec<MemberResult>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.put(Lane::Queue, WriteJob::Commit(batch, answer))?;
        answered.await.map_err(|_| self.died("writing"))?
    }

    /// Lets the writer claim runs, and waits for its answer.
    pub(crate) async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.put(Lane::Queue, WriteJob::Claim(claim, answer))?;
        answered.await.map_err(|_| self.died("writing"))?
    }

    fn put(&self, lane: Lane, job: WriteJob) -> Result<(), StoreError> {
        match self.writes.push(lane, job) {
            true => Ok(()),
            false => Err(self.closed()),
        }
    }

    /// Lets a reader do this, and waits for its answer.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&Reader) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: ReadJob = Box::new(move |reader| drop(answer.send(work(reader))));
        if !self.reads.push(lane, job) {
            return Err(self.closed());
        }
        answered.await.map_err(|_| self.died("reading"))
    }

    /// Takes no more work; what is queued is still done.
    pub(crate) fn close(&self) {
        self.writes.close();
        self.reads.close();
    }

    fn closed(&self) -> StoreError {
        closed(&self.shared)
    }

    fn died(&self, what: &str) -> StoreError {
        StoreError::OutcomeUnknown(format!(
            "{}: the code that was {what} panicked",
            self.shared.path.display()
        ))
    }
}

pub(crate) fn closed(shared: &Shared) -> StoreError {
    StoreError::Unavailable(format!("{} was closed", shared.path.display()))
}

pub(crate) fn unreadable(path: &std::path::Path, error: rusqlite::Error) -> OpenError {
    OpenError::Unreadable {
        path: path.to_owned(),
        error,
    }
}

/// The writer's connection is closed last and alone: that is when SQLite writes the log back
/// and removes it.
impl Drop for Threads {
    fn drop(&mut self) {
        self.close();
        for reader in self.readers.drain(..) {
            join(reader);
        }
        let mut writer = self.writer.take().and_then(join);
        if let Some(writer) = &mut writer {
            writer.dismiss_checkpointer();
        }
        if let Some(checkpointer) = self.checkpointer.take() {
            join(checkpointer);
        }
    }
}

fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, OpenError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(OpenError::Thread)
}

/// Waits for a thread's end; not for its own, since the last owner of a store may be a closure
/// that runs on one of its threads.
fn join<T>(handle: JoinHandle<T>) -> Option<T> {
    if handle.thread().id() == thread::current().id() {
        return None;
    }
    let ended = handle.join();
    if ended.is_err() {
        tracing::error!("a thread of the database had panicked");
    }
    ended.ok()
}

fn write(mut writer: Writer, jobs: &Lanes<WriteJob>) -> Writer {
    loop {
        match jobs.take(LOOK) {
            Taken::Job(job) => run_write(&mut writer, job, jobs),
            Taken::Idle => {}
            Taken::Closed => return writer,
        }
        writer.notice_others();
        writer.make_room();
    }
}

/// A panic costs its own call and nothing else.
fn run_write(writer: &mut Writer, job: WriteJob, jobs: &Lanes<WriteJob>) {
    if catch_unwind(AssertUnwindSafe(|| work_off(writer, job, jobs))).is_err() {
        writer.roll_back();
        tracing::error!("a write to the database panicked; its transaction was rolled back");
    }
}

/// A claim and a group that wait one behind the other are done together. Nobody may be waiting for an answer any
/// more: the work counts all the same.
fn work_off(writer: &mut Writer, job: WriteJob, jobs: &Lanes<WriteJob>) {
    let patience = match &job {
        WriteJob::Claim(..) if writer.is_busy() => PATIENCE,
        _ => Duration::ZERO,
    };
    let next = jobs.take_if(|next| job.goes_with(next), patience);
    match (job, next) {
        (WriteJob::Claim(claim, claimed), Some(WriteJob::Commit(batch, committed)))
        | (WriteJob::Commit(batch, committed), Some(WriteJob::Claim(claim, claimed))) => {
            let (runs, answers) = writer.claim_and_commit(&claim, &batch);
            drop((claimed.send(runs), committed.send(answers)));
        }
        (WriteJob::Claim(claim, claimed), _) => drop(claimed.send(writer.claim(&claim))),
        (WriteJob::Commit(batch, committed), _) => drop(committed.send(writer.commit(&batch))),
        (WriteJob::Other(work), _) => work(writer),
    }
}

impl WriteJob {
    fn goes_with(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Claim(..), Self::Commit(batch, _)) | (Self::Commit(batch, _), Self::Claim(..)) => is_shared(batch),
            _ => false,
        }
    }
}

/// A member alone with an attachment has a transaction of its own, which needs no savepoint.
fn is_shared(batch: &[Member]) -> bool {
    !matches!(batch, [alone] if alone.attach.is_some())
}

fn read_ahead(reader: &Reader, jobs: &Lanes<ReadJob>) {
    while let Some(job) = jobs.take_ahead() {
        run_read(reader, job);
    }
}

fn read(reader: &Reader, jobs: &Lanes<ReadJob>) {
    loop {
        match jobs.take(Duration::MAX) {
            Taken::Job(job) => run_read(reader, job),
            Taken::Idle => {}
            Taken::Closed => return,
        }
    }
}

/// A panic costs its own call and nothing else.
fn run_read(reader: &Reader, job: ReadJob) {
    if catch_unwind(AssertUnwindSafe(|| job(reader))).is_err() {
        tracing::error!("a read of the database panicked");
    }
}
