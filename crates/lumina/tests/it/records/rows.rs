//! Rows as the pipeline leaves them behind, without the days that it takes.

use lumina::records::JobId;
use uuid::Uuid;

use crate::support::TestApp;

/// A small number as an id that sorts by it.
pub fn id(number: u128) -> Uuid {
    Uuid::from_u128((0x0190_0000_0000_7000_8000 << 48) + number)
}

pub fn job(number: u128) -> JobId {
    JobId(id(number))
}

fn blob(id: Uuid) -> String {
    format!("x'{}'", id.simple())
}

/// A lookup, with a subscriber of the same number.
#[derive(Clone, Copy)]
pub struct Lookup {
    pub number: u128,
    /// Whose subscriber, if not its own.
    pub of: Option<u128>,
    pub status: &'static str,
    pub run: Option<u128>,
    /// Microseconds.
    pub finished_at: Option<i64>,
    pub has_lead: bool,
}

impl Lookup {
    pub fn new(number: u128, status: &'static str) -> Self {
        let is_open = matches!(status, "pending" | "submitted");
        Self {
            number,
            of: None,
            status,
            run: None,
            finished_at: (!is_open).then_some(1),
            has_lead: status == "enriched",
        }
    }
}

/// A batch as it was sent.
#[derive(Clone, Copy)]
pub struct Post {
    pub run: u128,
    pub attempt: u32,
    pub state: &'static str,
    pub day: Option<&'static str>,
    /// Microseconds.
    pub posted_at: Option<i64>,
    pub jobs: &'static [u128],
    pub answer: Option<Answer>,
}

/// What the provider said of it.
#[derive(Clone, Copy)]
pub struct Answer {
    pub status: Option<&'static str>,
    pub cost: Option<u64>,
}

impl Post {
    /// Accepted on a day, with this answer.
    pub fn accepted(
        run: u128,
        day: &'static str,
        posted_at: i64,
        jobs: &'static [u128],
        answer: Option<Answer>,
    ) -> Self {
        Self {
            run,
            attempt: 1,
            state: "accepted",
            day: Some(day),
            posted_at: Some(posted_at),
            jobs,
            answer,
        }
    }

    pub fn enrichment(&self) -> String {
        format!("enrichment-{}-{}", self.run, self.attempt)
    }
}

pub fn finished(cost: u64) -> Option<Answer> {
    Some(Answer {
        status: Some("FINISHED"),
        cost: Some(cost),
    })
}

impl TestApp {
    pub async fn put_lookup(&self, lookup: Lookup) {
        let subscriber = lookup.of.unwrap_or(lookup.number);
        let (job, person) = (blob(id(lookup.number)), blob(id(subscriber)));
        let key = format!("person{subscriber}@gmail.com");
        let run = lookup.run.map_or("NULL".to_owned(), |run| blob(id(run)));
        let finished = lookup.finished_at.map_or("NULL".to_owned(), |at| at.to_string());
        self.execute(format!(
            "INSERT OR IGNORE INTO subscriber (id, email, dedupe_key, class, is_role, source, created_at, updated_at)
             VALUES ({person}, '{key}', '{key}', 'personal', 0, 'test', 0, 0);
             INSERT INTO enrichment_job (id, subscriber, dedupe_key, status, run, priority, created_at, finished_at)
             VALUES ({job}, {person}, '{key}', '{}', {run}, 0, 0, {finished})",
            lookup.status
        ))
        .await;
        if lookup.has_lead {
            self.execute(format!(
                "INSERT OR IGNORE INTO lead (subscriber, full_name, icp_score, icp_reasons, hidden_gem, enriched_at)
                 VALUES ({person}, 'Person {subscriber}', 50, '[]', 0, 0)"
            ))
            .await;
        }
    }

    pub async fn put_post(&self, post: Post) {
        let run = blob(id(post.run));
        let jobs: String = post.jobs.iter().map(|job| id(*job).simple().to_string()).collect();
        let day = post.day.map_or("NULL".to_owned(), |day| format!("'{day}'"));
        let at = post.posted_at.map_or("NULL".to_owned(), |at| at.to_string());
        let reserved = match post.state {
            "refused" | "closed" => 0,
            _ => post.jobs.len(),
        };
        let is_known = post.state == "accepted";
        let enrichment = match is_known {
            true => format!("'{}'", post.enrichment()),
            false => "NULL".to_owned(),
        };
        self.execute(format!(
            "INSERT INTO enrichment_post (run, attempt, state, posted_at, enrichment_id, jobs, day, reserved)
             VALUES ({run}, {}, '{}', {at}, {enrichment}, x'{jobs}', {day}, {reserved})",
            post.attempt, post.state
        ))
        .await;
        if is_known {
            let (status, cost, ended) = match post.answer {
                Some(answer) => (
                    answer.status.map_or("NULL".to_owned(), |status| format!("'{status}'")),
                    answer.cost.map_or("NULL".to_owned(), |cost| cost.to_string()),
                    "1",
                ),
                None => ("NULL".to_owned(), "NULL".to_owned(), "NULL"),
            };
            self.execute(format!(
                "INSERT INTO enrichment (id, run, attempt, status, cost, registered_at, ended_at)
                 VALUES ({enrichment}, {run}, {}, {status}, {cost}, 0, {ended})",
                post.attempt
            ))
            .await;
        }
    }
}
