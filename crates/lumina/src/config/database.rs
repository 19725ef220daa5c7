use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use lumina_workflow_postgres::Options;
use secrecy::SecretString;
use toml::Value;

use super::Key;
use super::check::Findings;
use super::read::{FromValue, text};
use super::values::Values;

pub(super) const KEYS: &[Key] = &[
    Key::text(
        "database.url",
        "sqlite:./lumina.db",
        "The database: `sqlite:PATH` or a bare path, or `postgres://USER:PASSWORD@HOST:PORT/NAME` for as many processes \
         as wanted; with `?sslmode=require` the line is encrypted.",
    ),
    Key::literal(
        "database.connections",
        "8",
        "How many connections a process has to a PostgreSQL server at most, two aside: one that renews its leases and \
         one that hears of others.",
    ),
    Key::optional(
        "database.listen_url",
        "With a pooler by transaction at `database.url`: the server itself, where a process hears of others. Statements \
         then have no names.",
    ),
    Key::optional(
        "database.encryption_key_file",
        "A file of keys that workflows' inputs, results and events are encrypted with; `lumina config new-key` makes \
         one. Unset, they are stored as they are.",
    ),
];

/// Where everything is kept.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file of SQLite's.
    Sqlite {
        /// The file, which is created when it is not there.
        path: PathBuf,
    },
    /// On a PostgreSQL server.
    Postgres {
        /// The URL; it may hold a password.
        url: SecretString,
    },
}

/// More than these do not make a server faster.
const MAX_CONNECTIONS: u32 = 1_000;

/// How a process talks to a PostgreSQL server.
#[derive(Debug, Clone)]
pub struct ServerLink {
    /// How many connections it has at most, two aside.
    pub connections: NonZeroU32,
    /// The server itself, where `database.url` leads to a pooler; it may hold a password.
    pub listen_url: Option<SecretString>,
}

impl ServerLink {
    pub(super) fn read(values: &mut Values) -> Self {
        let listen: Option<Database> = values.optional("database.listen_url");
        let listen_url = match listen {
            Some(Database::Postgres { url }) => Some(url),
            Some(Database::Sqlite { .. }) => {
                let problem = "write the URL of a PostgreSQL server, or leave it out".to_owned();
                values.refuse("database.listen_url", problem);
                None
            }
            None => None,
        };
        Self {
            connections: values.count("database.connections", 1..=MAX_CONNECTIONS),
            listen_url,
        }
    }
}

impl Database {
    /// The file, where the database is one.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite { path } => Some(path),
            Self::Postgres { .. } => None,
        }
    }

    /// A file beside the database: `./lumina.db.token` for `./lumina.db`, so that two databases in one folder have
    /// files of their own. A server's are in the folder that the process is in.
    #[must_use]
    pub fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self
            .sqlite_path()
            .unwrap_or(Path::new("./lumina"))
            .as_os_str()
            .to_owned();
        name.push(ending);
        PathBuf::from(name)
    }
}

/// Whether a server can be connected to by this address.
fn server_at(url: &str) -> Result<Database, String> {
    Options::new(url).map_err(|error| error.to_string())?;
    Ok(Database::Postgres {
        url: SecretString::from(url),
    })
}

/// The key file is opened as every command opens it, so that its first mistake is found before.
pub(super) fn check_key_file(path: Option<&Path>, findings: &mut Findings) {
    if let Err(error) = crate::encryption::codec(path) {
        findings.error("database.encryption_key_file", &error.to_string());
    }
}

impl FromValue for Database {
    fn from_value(value: &Value) -> Result<Self, String> {
        let url = text(value, "`sqlite:PATH` or a path in quotes")?;
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return server_at(url);
        }
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
        match path {
            Some(path) => file_at(path),
            None if has_scheme(url) => {
                Err("write `sqlite:PATH`, such as sqlite:./lumina.db, or `postgres://USER@HOST/NAME`".to_owned())
            }
            None => file_at(url),
        }
    }
}

/// A word of two letters or more before a colon; one letter is a drive.
fn has_scheme(url: &str) -> bool {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.len() > 1
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-'))
}

fn file_at(path: &str) -> Result<Database, String> {
    if path.starts_with(":memory:") {
        return Err("a database in memory would lose what was paid for; write the path of a file".to_owned());
    }
    if path.contains('?') {
        return Err("leave out what begins with ?: the database takes no parameters".to_owned());
    }
    if path.is_empty() || path.ends_with(['/', '\\']) {
        return Err("write the path of a file, such as sqlite:./lumina.db".to_owned());
    }
    Ok(Database::Sqlite {
        path: PathBuf::from(path),
    })
}
