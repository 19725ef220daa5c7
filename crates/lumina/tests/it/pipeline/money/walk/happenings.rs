//! What can happen.

use std::collections::BTreeSet;

use lumina::records::Channel;
use lumina_enrichment::email::EmailAddress;
use lumina_enrichment::subscriber::NewSubscriber;
use lumina_workflow::store::RunStatus;
use lumina_workflow::{MayRepeat, RestartFrom};
use serde_json::{Value, json};

use super::{Fate, OPEN, Post, Walk, found_in, truth};

impl Walk {
    pub fn come_in(&mut self) {
        let count = *self.dice.pick(&[1, 1, 2, 3, 8]).unwrap();
        let channel = if self.dice.one_in(2) {
            Channel::File
        } else {
            Channel::Webhook
        };
        let app = self.town.world.app();
        for number in self.people..self.people + count {
            let email = EmailAddress::parse(&format!("p{number}@gmail.com")).unwrap();
            let row = NewSubscriber::new(email, "test", &app.classifier);
            let taken = lumina::ingest::ingest(app, vec![row], 1, channel, None);
            self.town.world.run(taken).unwrap();
        }
        self.people += count;
        self.note(&format!("{count} came in by {channel:?}"));
    }

    /// What becomes of the next POST.
    pub fn decide_fate(&mut self) {
        let fate = match self.dice.roll(10) {
            0..=4 => Fate::AcceptedUnheard,
            5 => Fate::AcceptedHeld,
            6 => Fate::Lost,
            7 => Fate::Answered(429, json!({})),
            8 => Fate::Answered(503, json!({})),
            _ => Fate::Answered(500, json!({})),
        };
        self.note(&format!("next: {fate:?}"));
        self.town.provider.next([fate]);
    }

    /// The provider tells something of a batch that has not ended.
    pub fn tell(&mut self) {
        let Some(post) = self.dice.pick(&self.posts_out()).cloned() else {
            return;
        };
        match self.dice.roll(8) {
            0..=2 => self.tell_event(&post),
            3..=5 => {
                let end = self.make_end(&post);
                self.end(&post, &end);
                self.deliver("", &end);
            }
            // Its callback is lost.
            6 => {
                let end = self.make_end(&post);
                self.end(&post, &end);
            }
            _ => self.deliver("", &post.body("UNKNOWN", |_| None)),
        }
    }

    fn tell_event(&mut self, post: &Post) {
        let emails = post.emails();
        let about = self.dice.pick(&emails).unwrap();
        let event = post.body("IN_PROGRESS", |email| (email == about).then(|| truth(email)));
        self.deliver("/contact", &event);
    }

    /// It may be cut short, and may leave somebody out.
    fn make_end(&self, post: &Post) -> Value {
        let status = match self.dice.roll(5) {
            0 => "CREDITS_INSUFFICIENT",
            1 => "CANCELED",
            _ => "FINISHED",
        };
        let mut named: BTreeSet<String> = post.emails().into_iter().collect();
        if status != "FINISHED" || self.dice.one_in(2) {
            named.retain(|_| self.dice.one_in(2));
        }
        post.body(status, |email| named.contains(email).then(|| truth(email)))
    }

    /// From now on the end can be asked for.
    pub fn end(&mut self, post: &Post, end: &Value) {
        self.town.provider.set_result(post.id(), 200, end.clone());
        let now = self.now();
        self.told.entry(post.id().to_owned()).or_default().end = Some((now, end.clone()));
        self.note(&format!("{} ends {}", post.id(), end["status"]));
    }

    fn deliver(&mut self, path: &'static str, body: &Value) {
        let fate = self.town.world.call_back(path, body)["status"].clone();
        let now = self.now();
        let id = body["id"].as_str().unwrap();
        let told = self.told.entry(id.to_owned()).or_default();
        told.first.get_or_insert(now);
        self.found.extend(found_in(body).map(str::to_owned));
        self.bodies.push((path, body.clone()));
        let count = body["data"].as_array().unwrap().len();
        self.note(&format!("{id} tells {path:?} {} of {count}: {fate}", body["status"]));
    }

    pub fn tell_again(&mut self) {
        if let Some((path, body)) = self.dice.pick(&self.bodies).cloned() {
            self.deliver(path, &body);
        }
    }

    pub fn die(&mut self) {
        self.note("dies");
        self.town.world.restart();
    }

    /// Somebody tells the engine something; it may refuse.
    pub fn command(&mut self) {
        let open = self.dice.pick(&self.runs(&OPEN)).copied();
        let over = self.runs(&[RunStatus::Failed, RunStatus::Cancelled, RunStatus::Completed]);
        let over = self.dice.pick(&over).copied();
        let (world, engine) = (&self.town.world, &self.town.world.app().engine);
        let beginning = RestartFrom::Beginning;
        let (what, done) = match (self.dice.roll(8), open, over) {
            (0..=1, Some(run), _) => ("pause", world.run(engine.pause(run, "the walk"))),
            (2..=4, Some(run), _) => ("resume", world.run(engine.resume(run, "the walk"))),
            (5, Some(run), _) => ("cancel", world.run(engine.cancel(run, "the walk"))),
            (6, _, Some(run)) => ("retry", world.run(engine.retry(run, "the walk", MayRepeat::Nothing))),
            (7, _, Some(run)) => {
                let back = engine.restart(run, &beginning, "the walk", MayRepeat::Nothing);
                ("restart", world.run(back))
            }
            _ => return,
        };
        let done = done.map_err(|error| error.to_string());
        self.note(&format!("{what}: {done:?}"));
    }

    pub fn change_provider(&mut self) {
        let provider = &self.town.provider;
        let what = match self.dice.roll(6) {
            0 => {
                provider.set_key(self.dice.one_in(2));
                "the key"
            }
            1 => {
                provider.set_reads(self.dice.one_in(2));
                "reads"
            }
            2 => {
                provider.set_balance(u32::try_from(self.dice.roll(60)).unwrap());
                "the balance"
            }
            _ => {
                self.make_provider_well();
                "all is well"
            }
        };
        self.note(what);
    }

    pub fn make_provider_well(&self) {
        self.town.provider.set_key(true);
        self.town.provider.set_reads(true);
        self.town.provider.set_balance(50_000);
    }
}
