//! How the server does what is asked of it again and again: by indices, whatever it believes of the tables.

mod explain;
mod workload;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use explain::{pages, plan, reads_all};
use futures_util::FutureExt;
use lumina_workflow_postgres::testing::Database;
use lumina_workflow_postgres::tokio_postgres::{NoTls, connect};
use lumina_workflow_postgres::{At, Hook, Verdict};

use crate::opened::*;

/// Hears every statement.
#[derive(Clone, Default)]
struct Ear {
    heard: Arc<Mutex<BTreeSet<String>>>,
}

impl Ear {
    fn hook(&self) -> Hook {
        let this = self.clone();
        Hook::new(move |at| {
            if let At::Statement(sql) = at {
                this.heard.lock().unwrap().insert(sql.to_owned());
            }
            async { Verdict::Go }.boxed()
        })
    }
}

/// A million runs wait, and a hundred thousand are ready for code that nobody here has.
const MANY: &str = "
INSERT INTO lumina.workflow_run (id, epoch, seq, inbox, status, phase, priority, ready_rank, wake_at, hash, known_since,
    answered, any_hash, created_at, updated_at, workflow, input)
SELECT gen_random_uuid(), 0, 0, 0, 'waiting', 'main', 0, CASE WHEN n > 1000000 THEN n END,
    CASE WHEN n <= 1000000 THEN 4102444800000000 + n END, 1, 9223372036854775807, 0, false, 0, 0, 'other', 'null'
FROM generate_series(1, 1100000) AS n;
INSERT INTO lumina.workflow_record (run, seq, attempt, started_at, ended_at, epoch, worker, phase, what)
SELECT id, 1, 1, 0, 0, 1, id, 'main', 'waiting' FROM lumina.workflow_run
WHERE workflow = 'other' LIMIT 100000;
INSERT INTO lumina.workflow_key SELECT 'other', n::text, gen_random_uuid() FROM generate_series(1, 100000) AS n;
INSERT INTO lumina.workflow_event_id SELECT 'r', n::text, 'e', NULL FROM generate_series(1, 100000) AS n;
INSERT INTO lumina.workflow_inbox (run, seq, received_at, expires_at, id, scope, scope_key, name, payload)
SELECT gen_random_uuid(), n, 0, 0, 'e', 'r', n::text, 'e', 'null' FROM generate_series(1, 100000) AS n;
INSERT INTO lumina.workflow_unrouted (seq, received_at, expires_at, id, scope, scope_key, name, payload)
SELECT -n, 0, 4102444800000000, 'e', 'r', n::text, 'e', 'null' FROM generate_series(1, 100000) AS n;
INSERT INTO lumina.workflow_applied SELECT gen_random_uuid(), 4102444800000000 FROM generate_series(1, 100000);
INSERT INTO lumina.workflow_flow (workflow, key) SELECT 'other', n::text FROM generate_series(1, 100000) AS n;
ANALYZE";

/// All statements of claims, commits and the question what is due, in a database that is new and in one with very many
/// runs: none reads all of a table that grows.
#[tokio::test]
async fn what_is_asked_often_goes_by_an_index() {
    let ear = Ear::default();
    let database = Database::empty("plans");
    let store = open(database.options().hook(ear.hook())).await;
    ear.heard.lock().unwrap().clear();
    workload::change(&store).await;
    workload::ask(&store).await;
    let heard = ear.heard.lock().unwrap().clone();
    let settings = heard.iter().find(|sql| sql.contains("plan_cache_mode"));
    // How long others' locks are waited for makes no plan.
    let settings = settings.expect("a transaction has settings").replace("$1", "'0'");
    let asked: Vec<_> = heard.iter().filter(|sql| sql.contains("lumina.workflow_")).collect();
    assert!(asked.len() > 50, "{}", asked.len());
    let (client, line) = connect(&database.address(), NoTls).await.unwrap();
    let line = tokio::spawn(line);
    let mut bad = Vec::new();
    for filled in [false, true] {
        if filled {
            client.batch_execute(MANY).await.unwrap();
        }
        for sql in &asked {
            let plan = plan(&client, &settings, sql).await;
            bad.extend(reads_all(&plan).into_iter().map(|what| (filled, what, (*sql).clone())));
        }
    }
    // The hundred thousand in front are of two kinds of code, which is what is read of them.
    let by_code: Vec<_> = asked
        .iter()
        .filter(|sql| sql.contains("c(workflow, hash, any_hash, known_since)"))
        .collect();
    assert_eq!(by_code.len(), 2, "{by_code:#?}");
    for sql in by_code {
        let read = pages(
            &client,
            &settings,
            sql,
            &["0", "ARRAY['mine']", "ARRAY[7]::bigint[]", "50"],
        )
        .await;
        assert!(read < 60, "{read} pages: {sql}");
    }
    drop(client);
    line.await.unwrap().unwrap();
    assert!(bad.is_empty(), "{bad:#?}");
}
