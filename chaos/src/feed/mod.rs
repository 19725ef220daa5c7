//! Subscribers on their way in, from several sides at once, while the server dies and comes back.
//!
//! A subscriber counts as accepted only when a 2xx was seen; what was not answered is sent again until it is, as
//! newsletter platforms do.

mod files;
mod webhooks;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::clock;
use crate::diary::Diary;
use crate::dice::Dice;
use crate::people::People;
use crate::place::Place;
use crate::scene::Feeding;
use crate::world::Subscriber;

/// Everybody who sends subscribers.
pub struct Feeders {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What those who send have in common.
struct Shared {
    place: Place,
    feeding: Feeding,
    people: People,
    accepted: Mutex<Vec<Subscriber>>,
    /// No more new ones.
    is_over: AtomicBool,
    /// No new ones for now.
    is_enough: AtomicBool,
    sent_again: AtomicU64,
    duplicates: AtomicU64,
    files: AtomicU64,
    diary: Arc<Diary>,
}

/// How they fared.
#[derive(Debug)]
pub struct Fed {
    /// For whom a 2xx was seen.
    pub accepted: Vec<Subscriber>,
    /// What was sent again because no 2xx was seen.
    pub sent_again: u64,
    /// What was sent twice although one was.
    pub duplicates: u64,
    /// Files that were taken in.
    pub files: u64,
}

/// Between two tries to hand in what nobody took.
const AGAIN: std::ops::Range<u64> = 30..200;

/// Between two looks at whether it is still enough.
const WHILE_ENOUGH: Duration = Duration::from_millis(50);

/// So often it is tried when no new ones are sent any more.
const LAST_TRIES: u32 = 100;

impl Feeders {
    /// Takes in those who come before anything is started, and prepares the others.
    ///
    /// # Errors
    /// When the first file is not taken in.
    pub fn prepare(place: &Place, feeding: &Feeding, dice: &Dice, diary: &Arc<Diary>) -> Result<Self> {
        let shared = Arc::new(Shared {
            place: place.clone(),
            feeding: feeding.clone(),
            people: People::default(),
            accepted: Mutex::default(),
            is_over: AtomicBool::new(false),
            is_enough: AtomicBool::new(false),
            sent_again: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            files: AtomicU64::new(0),
            diary: diary.clone(),
        });
        if feeding.before > 0 {
            files::import_once(&shared, &mut dice.of("first"), feeding.before)?;
        }
        Ok(Self {
            shared,
            threads: Vec::new(),
        })
    }

    /// Lets them begin.
    pub fn begin(&mut self, dice: &Dice) {
        for number in 0..self.shared.feeding.senders {
            let (shared, dice) = (self.shared.clone(), dice.of(&format!("sender {number}")));
            self.threads
                .push(std::thread::spawn(move || webhooks::send_on(&shared, dice)));
        }
        let (shared, dice) = (self.shared.clone(), dice.of("files"));
        self.threads
            .push(std::thread::spawn(move || files::send_on(&shared, dice)));
    }

    /// Lets them go on, or hold back for now.
    pub fn hold_back(&self, is_enough: bool) {
        self.shared.is_enough.store(is_enough, Ordering::SeqCst);
    }

    /// Lets them hand in what they have in hand, and ends them.
    ///
    /// # Errors
    /// When one has panicked.
    pub fn end(self) -> Result<Fed> {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread
                .join()
                .map_err(|_| anyhow!("a thread that sends subscribers panicked"))?;
        }
        let accepted = std::mem::take(&mut *self.shared.lock());
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Ok(Fed {
            accepted,
            sent_again: count(&self.shared.sent_again),
            duplicates: count(&self.shared.duplicates),
            files: count(&self.shared.files),
        })
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Subscriber>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody who was accepted before.
    fn somebody(&self, dice: &mut Dice) -> Option<Subscriber> {
        let accepted = self.lock();
        (!accepted.is_empty()).then(|| dice.choose(&accepted).clone())
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Tries until it is done, and then accepts these. They are given up when nobody has taken them long after the
    /// last of the others: then nobody will.
    fn insist(&self, dice: &mut Dice, people: Vec<Subscriber>, mut attempt: impl FnMut() -> bool) {
        let mut tries_left = LAST_TRIES;
        while !attempt() {
            self.sent_again.fetch_add(1, Ordering::SeqCst);
            tries_left -= u32::from(self.is_over());
            if tries_left == 0 {
                return;
            }
            clock::pass(dice.millis(AGAIN));
        }
        self.lock().extend(people);
    }

    /// Lets time pass, and more while there is enough; not longer than there is anything to do.
    fn pause(&self, span: Duration) {
        clock::until_within(span, || self.is_over().then_some(()));
        while self.is_enough.load(Ordering::SeqCst) && !self.is_over() {
            clock::pass(WHILE_ENOUGH);
        }
    }
}
