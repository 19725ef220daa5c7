//! What a claim on PostgreSQL costs with much that is not for it.

use std::path::Path;

use anyhow::{Context, Result};
use lumina_workflow::Payload;
use lumina_workflow::store::Attachment;
use lumina_workflow_postgres::testing::{Binaries, Cluster};
use lumina_workflow_postgres::tokio_postgres::types::Type;
use lumina_workflow_postgres::{Options, PostgresStore, attach};

use super::claim_cost::{Claims, Others};
use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::on_runtime;
use crate::registry::Benchmark;

/// The median time of a claim of 50 runs, each held against that of an empty database.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "workflow/postgres/claim_ms",
    about: "a claim of 50 ready runs, with up to 1,000,000 others that wait or are for other code",
    run,
};

const CASES: [(&str, Others); 4] = [
    ("workflow/postgres/claim_ms", Others::Waiting(0)),
    ("workflow/postgres/claim_ms_10k_waiting", Others::Waiting(10_000)),
    ("workflow/postgres/claim_ms_1m_waiting", Others::Waiting(1_000_000)),
    ("workflow/postgres/claim_ms_100k_foreign", Others::Foreign(100_000)),
];

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut empty = None;
    for (name, others) in CASES {
        let median = bench.with_folder("postgres", |folder| {
            let binaries =
                Binaries::find().context("no PostgreSQL server is installed; `cargo xtask test` says how")?;
            let cluster = Cluster::start(&binaries, folder, &[])?;
            on_runtime(measure(folder, &cluster, others))
        })?;
        let figure = Figure::alone(name, median, "ms");
        figures.push(match empty {
            None => figure,
            Some(floor) => figure.against(floor),
        });
        empty.get_or_insert(median);
    }
    Ok(figures)
}

async fn measure(folder: &Path, cluster: &Cluster, others: Others) -> Result<f64> {
    let mut options = Options::new(&format!("host={} user=lumina dbname=postgres", folder.display()))?;
    options.config = cluster.config();
    let store = PostgresStore::open(options).await?;
    let mut claims = Claims::new(&store, others).await?;
    claims.make_others(others, write(others)?).await?;
    let median = claims.median().await?;
    store.close().await;
    Ok(median)
}

fn write(others: Others) -> Result<Attachment> {
    let (count, columns, hash, key) = others.columns();
    let sql = format!(
        "INSERT INTO lumina.workflow_run (id, epoch, seq, inbox, status, phase, priority, ready_rank, wake_at, hash, \
         known_since, answered, any_hash, created_at, updated_at, workflow, input, flow_key) \
         SELECT lpad(to_hex(n), 32, '0')::uuid, 0, 0, 0, CASE WHEN $3 IS NULL THEN 'waiting' ELSE 'pending' END, 'main', \
         0, {columns}, $2, 9223372036854775807, 0, false, 0, 0, 'bench', 'null', $3 FROM generate_series(1, $1) AS n"
    );
    let (count, hash) = (i64::try_from(count)?, i64::try_from(hash.0)?);
    Ok(attach(move |tx| {
        let sql = sql.clone();
        Box::pin(async move {
            let made = tx
                .execute(&sql, &[(&count, Type::INT8), (&hash, Type::INT8), (&key, Type::TEXT)])
                .await?;
            assert_eq!(i64::try_from(made), Ok(count), "all others are there");
            Ok(Payload::null())
        })
    }))
}
