//! A database for one test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use super::server::shared;
use crate::Options;
use crate::inline::Kept;

/// Two test processes do not use one database: who has one holds a lock of this kind on its number.
const LOCK: i32 = 0x6c75;

/// An empty database that nobody else uses until this is dropped.
///
/// An example is at [`testing`](crate::testing).
pub struct Database {
    name: String,
    purpose: &'static str,
    config: Config,
}

impl Database {
    /// One without a row in any table. Its tables are those that tests of the same purpose have made: they apply the
    /// same scripts.
    ///
    /// # Panics
    /// When there is no server.
    #[must_use]
    pub fn empty(purpose: &'static str) -> Self {
        let database = Self::take(purpose);
        database.execute(EMPTY);
        database
    }

    /// One without any table.
    ///
    /// # Panics
    /// When there is no server.
    #[must_use]
    pub fn fresh() -> Self {
        let database = Self::take("fresh");
        database.execute("DROP SCHEMA IF EXISTS lumina CASCADE");
        database
    }

    fn take(purpose: &'static str) -> Self {
        let name = kept(purpose).unwrap_or_else(|| claim(purpose));
        let mut config = shared().clone();
        config.dbname(&name);
        Self { name, purpose, config }
    }

    /// How a store opens it.
    ///
    /// # Panics
    /// When no runtime can be made.
    #[must_use]
    pub fn options(&self) -> Options {
        let mut options = Options::new(&self.address()).expect("it is an address");
        options.kept = Some(self.left_over());
        options
    }

    fn left_over(&self) -> Arc<Kept> {
        let mut all = lock(&LEFT);
        let kept = all.entry(self.name.clone());
        kept.or_insert_with(|| Kept::new().expect("a runtime can be made"))
            .clone()
    }

    /// Its address, as programs take it.
    #[must_use]
    pub fn address(&self) -> String {
        let mut parts = vec![format!("dbname={}", self.name)];
        for host in self.config.get_hosts() {
            parts.push(match host {
                Host::Tcp(name) => format!("host={name}"),
                Host::Unix(path) => format!("host={}", path.display()),
            });
        }
        parts.extend(self.config.get_ports().first().map(|port| format!("port={port}")));
        parts.extend(self.config.get_user().map(|user| format!("user={user}")));
        let password = self.config.get_password().map(String::from_utf8_lossy);
        parts.extend(
            password.map(|password| format!("password='{}'", password.replace('\\', "\\\\").replace('\'', "\\'"))),
        );
        parts.join(" ")
    }

    /// The same as a URL.
    ///
    /// # Panics
    /// When there is no server.
    #[must_use]
    pub fn url(&self) -> String {
        let mut parts = Vec::new();
        for host in self.config.get_hosts() {
            parts.push(match host {
                Host::Tcp(name) => ("host", name.clone()),
                Host::Unix(path) => ("host", path.display().to_string()),
            });
        }
        parts.extend(self.config.get_ports().first().map(|port| ("port", port.to_string())));
        parts.extend(self.config.get_user().map(|user| ("user", user.to_owned())));
        let password = self.config.get_password().map(String::from_utf8_lossy);
        parts.extend(password.map(|password| ("password", password.into_owned())));
        let parts = parts.iter().map(|(key, value)| format!("{key}={}", escape(value)));
        format!("postgres:///{}?{}", self.name, parts.collect::<Vec<_>>().join("&"))
    }

    /// Runs statements in it, from outside of any store.
    ///
    /// # Panics
    /// When one fails.
    pub fn execute(&self, sql: &str) {
        let (config, sql, name) = (self.config.clone(), sql.to_owned(), self.name.clone());
        let line = lock(&LINES).remove(&name).filter(|line| !line.is_closed());
        let line = on_a_thread(async move {
            let line = match line {
                Some(line) => line,
                None => connect(&config).await,
            };
            line.batch_execute(&sql).await.expect("the statements are sound");
            line
        });
        lock(&LINES).insert(name, line);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let mut kept = lock(&KEPT);
        kept.entry(self.purpose)
            .or_default()
            .push(std::mem::take(&mut self.name));
    }
}

fn escape(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    let escaped = value.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    escaped.collect()
}

/// Rows go; where there were many, the files do as well.
const EMPTY: &str = "SET synchronous_commit = off; DO $$ DECLARE list text; one text; BEGIN \
     SELECT string_agg(format('lumina.%I', tablename), ', ') INTO list FROM pg_tables \
     WHERE schemaname = 'lumina' AND tablename <> 'workflow_migration'; \
     IF list IS NULL THEN RETURN; END IF; \
     IF (SELECT sum(pg_relation_size(format('lumina.%I', tablename)::regclass)) FROM pg_tables \
     WHERE schemaname = 'lumina') > 400000 THEN EXECUTE 'TRUNCATE ' || list; \
     ELSE FOR one IN SELECT unnest(string_to_array(list, ', ')) LOOP EXECUTE 'DELETE FROM ' || one; END LOOP; END IF; \
     END $$";

/// Databases that this process has, and does not use now.
static KEPT: Mutex<BTreeMap<&'static str, Vec<String>>> = Mutex::new(BTreeMap::new());

/// A connection to each database that was used.
static LINES: Mutex<BTreeMap<String, Client>> = Mutex::new(BTreeMap::new());

/// What closed stores have left for those after them, by the database.
static LEFT: Mutex<BTreeMap<String, Arc<Kept>>> = Mutex::new(BTreeMap::new());

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kept(purpose: &'static str) -> Option<String> {
    lock(&KEPT).get_mut(purpose)?.pop()
}

/// The first database of this purpose that no process has; made if it is the first time.
fn claim(purpose: &'static str) -> String {
    static DESK: OnceLock<Client> = OnceLock::new();
    let server = shared();
    let desk = DESK.get_or_init(|| on_a_thread(connect(server)));
    let base = format!("lumina_test_{purpose}_{}", schema());
    on_a_thread(async move {
        for number in 0.. {
            let name = format!("{base}_{number}");
            let sql = "SELECT pg_try_advisory_lock($1, hashtext($2))";
            let mine = desk.query_one(sql, &[&LOCK, &name]).await.expect("the server answers");
            if mine.get(0) {
                make(desk, &name).await;
                return name;
            }
        }
        unreachable!("there is always a next number")
    })
}

async fn make(desk: &Client, name: &str) {
    let known = desk
        .query("SELECT 1 FROM pg_database WHERE datname = $1", &[&name])
        .await;
    if !known.expect("the server answers").is_empty() {
        return;
    }
    // One at a time: the template must not be in use.
    let made = format!("SELECT pg_advisory_lock({LOCK}, 0)");
    desk.batch_execute(&made).await.expect("the server answers");
    let made = desk
        .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))
        .await;
    desk.batch_execute(&format!("SELECT pg_advisory_unlock({LOCK}, 0)"))
        .await
        .expect("the server answers");
    made.expect("a database can be made: the tests' user may do that");
}

/// Tells databases with other tables apart, on a server that outlives a change of the scripts.
fn schema() -> String {
    let scripts = crate::migrate::fingerprint();
    scripts[..8].to_owned()
}

/// Connects; the line is carried by the tests' own runtime.
async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.expect("the tests' server can be reached");
    tokio::spawn(connection);
    client
}

/// Waits for it, from wherever the test is: it may be inside a runtime, where nobody may wait.
pub(super) fn on_a_thread<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let built = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        built.expect("a runtime can be made")
    });
    let (answer, answered) = std::sync::mpsc::channel();
    runtime.spawn(async move { drop(answer.send(work.await)) });
    answered.recv().expect("the tests' own work does not panic")
}
