//! What must hold, whatever has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{OPEN, PER_DAY, PLACES, Post, REFUSED, WINDOW, Walk, found_in};

impl Walk {
    /// Never more batches are out than may be.
    pub fn check_places(&self) {
        let now = self.now().as_microsecond();
        let world = &self.town.world;
        let holding = world.count("SELECT count(*) FROM lumina.batch WHERE state = 'holding'");
        let out = format!("SELECT count(*) FROM lumina.enrichment_post WHERE out_until > {now}");
        let out = world.count(&out);
        self.demand(holding + out <= u64::from(PLACES), || {
            format!("{holding} are about to be sent and {out} are out")
        });
    }

    pub fn check_end(&self) {
        let jobs = self.town.jobs();
        self.demand(!jobs.contains_key("pending") && !jobs.contains_key("submitted"), || {
            format!("not at rest: {jobs:?}")
        });
        self.demand(jobs.values().sum::<u64>() == u64::from(self.people), || {
            format!("{} came in: {jobs:?}", self.people)
        });
        let open = self.runs(&OPEN);
        self.demand(open.is_empty(), || format!("runs have not ended: {open:?}"));
        self.check_given_up();
        self.check_leads();
        self.check_repeats();
        self.check_days();
    }

    /// Only the refused address fails, and only who may have been paid for is stale.
    fn check_given_up(&self) {
        let failed = self.read_set(
            "SELECT coalesce(string_agg(s.email, ','), '') FROM lumina.enrichment_job j JOIN lumina.subscriber s ON s.id = j.subscriber
             WHERE j.status = 'failed'",
        );
        self.demand(failed.iter().all(|email| email == REFUSED), || {
            format!("{failed:?} failed")
        });
        let stale = self.read_set(
            "SELECT coalesce(string_agg(s.email, ','), '') FROM lumina.enrichment_job j JOIN lumina.subscriber s ON s.id = j.subscriber
             WHERE j.status = 'stale'",
        );
        let posts = self.town.provider.posts().into_iter();
        let in_doubt = posts.filter(|post| post.id.is_some() || !post.is_heard);
        let sent: BTreeSet<String> = in_doubt.flat_map(|post| post.emails()).collect();
        self.demand(stale.is_subset(&sent), || format!("given up and never sent: {stale:?}"));
    }

    /// Whoever something told that came in, or could be asked for, is a lead.
    fn check_leads(&self) {
        let leads = self.read_set(
            "SELECT coalesce(string_agg(s.email, ','), '') FROM lumina.lead l JOIN lumina.subscriber s ON s.id = l.subscriber",
        );
        let known = self.read_set("SELECT coalesce(string_agg(id, ','), '') FROM lumina.enrichment");
        let ends = self.told.iter().filter(|(id, _)| known.contains(*id));
        let ends = ends.filter_map(|(_, told)| told.end.as_ref());
        let asked_for = ends.flat_map(|(_, end)| found_in(end));
        for email in self.found.iter().map(String::as_str).chain(asked_for) {
            self.demand(leads.contains(email), || format!("{email} was told, and is no lead"));
        }
    }

    /// Nobody is sent again but for a reason.
    fn check_repeats(&self) {
        let posts = self.town.provider.accepted();
        for (place, later) in posts.iter().enumerate() {
            for earlier in &posts[..place] {
                let before = earlier.emails();
                for email in later.emails().iter().filter(|email| before.contains(email)) {
                    let may_be = self.is_known_free(earlier, later, email) || self.is_in_doubt(earlier, later);
                    self.demand(may_be, || {
                        format!("{email} was sent again at {}, after {}", later.at, earlier.id())
                    });
                }
            }
        }
    }

    /// The first batch was cut short before somebody came to this person.
    fn is_known_free(&self, earlier: &Post, later: &Post, email: &str) -> bool {
        let end = self.told.get(earlier.id()).and_then(|told| told.end.as_ref());
        end.is_some_and(|(at, end)| {
            *at <= later.at && end["status"] != "FINISHED" && !found_in(end).any(|found| found == email)
        })
    }

    /// Nobody could know that the first was accepted, for a full window.
    fn is_in_doubt(&self, earlier: &Post, later: &Post) -> bool {
        let told = self.told.get(earlier.id()).and_then(|told| told.first);
        let is_known = earlier.is_heard || told.is_some_and(|first| first <= later.at);
        let between = Duration::try_from(later.at.duration_since(earlier.at)).unwrap();
        !is_known && between >= WINDOW
    }

    /// No day costs more than its budget allows.
    fn check_days(&self) {
        let mut days: BTreeMap<String, u64> = BTreeMap::new();
        for post in self.town.provider.accepted() {
            let end = self.told.get(post.id()).and_then(|told| told.end.as_ref());
            let Some((_, end)) = end.filter(|_| self.unbounded_since.is_none_or(|since| post.at < since)) else {
                continue;
            };
            *days.entry(post.at.strftime("%F").to_string()).or_default() += end["cost"]["credits"].as_u64().unwrap();
        }
        self.demand(days.values().all(|cost| *cost <= PER_DAY), || {
            format!("days cost {days:?}")
        });
    }

    /// The words of a list that a query answers.
    fn read_set(&self, sql: &'static str) -> BTreeSet<String> {
        let list: String = self.town.world.value(sql);
        let words = list.split(',').filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    }

    fn demand(&self, holds: bool, otherwise: impl FnOnce() -> String) {
        assert!(holds, "{}\n{}", otherwise(), self.log.join("\n"));
    }
}
