//! What other processes are to hear, gathered until it can be sent: outside of every write's transaction.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use lumina_workflow::RunId;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::group::Wake;

/// The server takes 8,000 bytes at most.
const LETTER: usize = 7_900;

/// Where it is put down.
#[derive(Clone, Default)]
pub(crate) struct Post(Arc<Inner>);

#[derive(Default)]
struct Inner {
    news: Mutex<News>,
    more: Notify,
}

/// Something that somebody may want to know. Of the same kind it merges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub ready: bool,
    pub schedule: bool,
    /// A process has come.
    pub arrival: bool,
    pub timer: Option<i64>,
    pub inbox: BTreeSet<RunId>,
}

impl Post {
    pub(crate) fn add(&self, wake: Wake) {
        let mut news = self.0.news.lock().expect("nobody panics while holding it");
        news.ready |= wake.ready;
        news.schedule |= wake.schedule;
        if wake.timer < i64::MAX {
            news.timer = Some(news.timer.map_or(wake.timer, |timer| timer.min(wake.timer)));
        }
        news.inbox.extend(wake.inbox);
        if *news != News::default() {
            self.0.more.notify_one();
        }
    }

    /// Waits until there is something.
    pub(crate) async fn wait(&self) {
        self.0.more.notified().await;
    }

    /// All that there is.
    pub(crate) fn take(&self) -> News {
        std::mem::take(&mut *self.0.news.lock().expect("nobody panics while holding it"))
    }
}

impl News {
    /// The letters that tell it.
    pub(crate) fn write(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.ready.then(|| "r".to_owned()));
        words.extend(self.schedule.then(|| "s".to_owned()));
        words.extend(self.arrival.then(|| "a".to_owned()));
        words.extend(self.timer.map(|at| format!("t{at}")));
        words.extend(self.inbox.iter().map(|run| format!("i{}", run.0.simple())));
        let mut letters: Vec<String> = Vec::new();
        for word in words {
            match letters.last_mut().filter(|letter| letter.len() + word.len() < LETTER) {
                Some(letter) => {
                    letter.push(' ');
                    letter.push_str(&word);
                }
                None => letters.push(word),
            }
        }
        letters
    }

    /// What a letter tells. Words of later versions are passed over.
    pub(crate) fn read(letter: &str) -> Self {
        let mut news = Self::default();
        for word in letter.split(' ') {
            match (word.get(..1), word.get(1..)) {
                (Some("r"), _) => news.ready = true,
                (Some("s"), _) => news.schedule = true,
                (Some("a"), _) => news.arrival = true,
                (Some("t"), Some(at)) => news.timer = at.parse().ok(),
                (Some("i"), Some(run)) => news.inbox.extend(Uuid::parse_str(run).ok().map(RunId)),
                _ => {}
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However much there is, it arrives, and no letter is longer than the server takes.
    #[test]
    fn letters_tell_all_of_it() {
        let runs = |count: u128| (0..count).map(|number| RunId(Uuid::from_u128(number))).collect();
        for (ready, schedule, timer, count) in [
            (true, false, None, 0),
            (false, true, Some(-7), 1),
            (true, true, Some(9), 1_000),
        ] {
            let news = News {
                ready,
                schedule,
                arrival: schedule,
                timer,
                inbox: runs(count),
            };
            let letters = news.write();
            assert!(letters.iter().all(|letter| letter.len() <= LETTER));
            let mut read = News::default();
            for part in letters.iter().map(|letter| News::read(letter)) {
                read.ready |= part.ready;
                read.schedule |= part.schedule;
                read.arrival |= part.arrival;
                read.timer = read.timer.or(part.timer);
                read.inbox.extend(part.inbox);
            }
            assert_eq!(read, news);
        }
        assert!(News::default().write().is_empty());
        assert_eq!(
            News::read("x7 r "),
            News {
                ready: true,
                ..News::default()
            }
        );
    }
}
