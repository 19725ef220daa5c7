use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::Value;

use super::Key;
use super::check::Findings;
use super::read::{FromValue, text};

pub(super) const KEYS: &[Key] = &[
    Key::text(
        "database.url",
        "sqlite:./lumina.db",
        "The database: `sqlite:PATH` or a bare path. `postgres://` is understood, but not supported yet.",
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
    /// A PostgreSQL server, which this version does not work with.
    Postgres {
        /// The URL; it may hold a password.
        url: SecretString,
    },
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

    /// `./lumina.db.token` for `./lumina.db`, so that two databases in one folder have tokens of their own.
    pub(super) fn token_file(&self) -> PathBuf {
        let mut name = self
            .sqlite_path()
            .unwrap_or(Path::new("./lumina"))
            .as_os_str()
            .to_owned();
        name.push(".token");
        PathBuf::from(name)
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        if matches!(self, Self::Postgres { .. }) {
            findings.error(
                "database.url",
                "PostgreSQL is not supported yet in this version; use `sqlite:PATH`, such as sqlite:./lumina.db",
            );
        }
    }
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
            return Ok(Self::Postgres {
                url: SecretString::from(url),
            });
        }
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
        match path {
            Some(path) => file_at(path),
            None if has_scheme(url) => Err("write `sqlite:PATH`, such as sqlite:./lumina.db".to_owned()),
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
