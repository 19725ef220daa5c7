//! The floor of a whole pipeline on PostgreSQL: the rows that it left behind, written alone.

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt, pin_mut};
use tokio_postgres::{Client, NoTls};

use crate::error::at_least_one;
use crate::{FloorError, Throughput, monotonic, rate};

/// Rows that share a commit.
const ROWS_PER_COMMIT: usize = 1_000;

/// The rows of one table, a line each, as COPY writes them.
struct Table {
    name: String,
    lines: Vec<String>,
}

/// Measures how long the rows of the schema `lumina` at this address take when nothing is done but to write them: into
/// the same tables with the same indices, each row once, as it is in the end, table by table, a thousand to a COPY and
/// a durable commit. They are read before, so the reading is not measured. Answers units a second, of which the rows
/// stand for `units`. The schema `floor` is made for it, and removed again.
///
/// # Errors
/// [`FloorError`], also when the tables do not hold exactly these rows afterwards.
pub fn server_rows_floor(address: &str, units: usize) -> Result<Throughput, FloorError> {
    at_least_one("units", units)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime?.block_on(async {
        let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
        let line = async { connection.await.map_err(FloorError::from) };
        let (speed, carried) = tokio::join!(measure(client, units), line);
        match speed {
            // What the work says of a line that broke says less.
            Err(error) => Err(error),
            speed => carried.and(speed),
        }
    })
}

async fn measure(client: Client, units: usize) -> Result<Throughput, FloorError> {
    let tables = read(&client).await?;
    client
        .batch_execute("DROP SCHEMA IF EXISTS floor CASCADE; CREATE SCHEMA floor")
        .await?;
    for table in &tables {
        let make = format!("CREATE TABLE floor.{0} (LIKE lumina.{0} INCLUDING ALL)", table.name);
        client.batch_execute(&make).await?;
    }
    let (begun, mut commits) = (monotonic(), 0);
    for table in &tables {
        commits += write(&client, table).await?;
    }
    let speed = Throughput {
        per_second: rate(units, begun),
        commits,
        wal_pages: 0,
    };
    verify(&client, &tables).await?;
    client.batch_execute("DROP SCHEMA floor CASCADE").await?;
    Ok(speed)
}

async fn read(client: &Client) -> Result<Vec<Table>, FloorError> {
    let names = client
        .query(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = 'lumina' ORDER BY tablename",
            &[],
        )
        .await?;
    let mut tables = Vec::new();
    for row in &names {
        let name: String = row.get(0);
        let stream = client.copy_out(&format!("COPY lumina.{name} TO STDOUT")).await?;
        pin_mut!(stream);
        let mut lines = Vec::new();
        // A piece is a row.
        while let Some(piece) = stream.try_next().await? {
            lines.push(String::from_utf8_lossy(&piece).into_owned());
        }
        tables.push(Table { name, lines });
    }
    Ok(tables)
}

/// Writes a table's rows; answers how many commits that took.
async fn write(client: &Client, table: &Table) -> Result<usize, FloorError> {
    let mut commits = 0;
    for lines in table.lines.chunks(ROWS_PER_COMMIT) {
        let copy = format!("COPY floor.{} FROM STDIN", table.name);
        let sink = client.copy_in::<_, Bytes>(&copy).await?;
        pin_mut!(sink);
        sink.send(Bytes::from(lines.concat())).await?;
        sink.finish().await?;
        commits += 1;
    }
    Ok(commits)
}

async fn verify(client: &Client, tables: &[Table]) -> Result<(), FloorError> {
    for table in tables {
        let count = format!("SELECT count(*) FROM floor.{}", table.name);
        let found: i64 = client.query_one(&count, &[]).await?.get(0);
        let found = usize::try_from(found).unwrap_or(usize::MAX);
        if found != table.lines.len() {
            return Err(FloorError::Miscounted {
                what: "rows of one of the tables",
                expected: table.lines.len(),
                found,
            });
        }
    }
    Ok(())
}
