//! How many rows of a file are imported a second, lookups included.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use lumina::app::{App, Parts, ProviderParts};
use lumina::database::DatabaseParts;
use lumina::importing::{ImportOptions, import, preview};
use lumina_enrichment::email::Classifier;
use lumina_enrichment::icp::IcpProfile;
use lumina_fullenrich::{BoxFuture, Transport, TransportError};
use lumina_workflow::TokioRuntime;
use lumina_workflow_sqlite::{Mode, Role};

use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::{on_runtime, stopwatch};
use crate::pipeline::pipeline_settings;
use crate::registry::Benchmark;

/// The import's speed.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "import/sqlite/rows_per_s",
    about: "a CSV file of 500,000 subscribers, half of them personal, previewed and imported with lookups",
    run,
};

const ROWS: u64 = 500_000;

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let floor = bench.import_floor()?.per_second;
    let measured = bench.with_database("import", |path| on_runtime(measure(path)))?;
    Ok(vec![Figure::alone(BENCHMARK.name, measured, "rows/s").against(floor)])
}

async fn measure(path: &Path) -> Result<f64> {
    let file = path.with_extension("csv");
    std::fs::write(&file, make_file())?;
    let app = App::open(parts(path)).await?;
    let options = ImportOptions {
        source: "bench".to_owned(),
        include_unsubscribed: false,
        lookups: u64::MAX,
    };
    let watch = stopwatch();
    let found = preview(&app, &file, &options).await?;
    let (summary, jobs) = import(&app, &file, &options, &|_| {}).await?;
    let per_second = ROWS as f64 / watch().as_secs_f64();
    ensure!(
        summary.new_subscribers == ROWS && jobs == ROWS / 2 && found.new_personal == jobs,
        "{jobs} jobs, {summary:?}"
    );
    app.database.close().await?;
    std::fs::remove_file(&file)?;
    Ok(per_second)
}

fn make_file() -> String {
    let mut text = String::from("email,First Name,Last Name,status\n");
    for row in 0..ROWS {
        // Addresses of one file do not come in the order of their bytes.
        let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let domain = if row % 2 == 0 {
            "gmail.com".to_owned()
        } else {
            format!("company{}.com", mixed % 50_000)
        };
        writeln!(text, "person{mixed:x}{row}@{domain},Pat,Person{row},active")
            .expect("writing to a string does not fail");
    }
    text
}

fn parts(database: &Path) -> Parts {
    Parts {
        codec: lumina::encryption::none(),
        database: DatabaseParts::File {
            path: database.to_owned(),
            role: Role::Client,
            mode: Mode::Threads,
        },
        runtime: Arc::new(TokioRuntime::current()),
        provider: ProviderParts {
            transport: Arc::new(Nobody),
            base_url: "http://127.0.0.1:9/api/v2".to_owned(),
            api_key: "nobody-is-called".into(),
            calls_per_minute: NonZeroU32::MIN,
            callback: None,
        },
        settings: pipeline_settings(),
        profile: IcpProfile::default(),
        classifier: Classifier::new(),
        people: None,
    }
}

/// An import calls nobody.
struct Nobody;

impl Transport for Nobody {
    fn send(
        &self,
        _request: http::Request<bytes::Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, TransportError>> {
        Box::pin(async {
            Err(TransportError::NotSent {
                detail: "an import calls nobody".to_owned(),
            })
        })
    }
}
