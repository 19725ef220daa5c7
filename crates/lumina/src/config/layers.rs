//! From the sources to one value a key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Value;

use super::{ConfigError, Origin, Problem, environment, file, keys};

/// The file that is read when none is named and it exists.
pub const DEFAULT_FILE: &str = "lumina.toml";

/// What a configuration is read from, the lower layers first.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file.
    pub file: ConfigFile,
    /// Names and values of the environment. Variables that are neither known names nor begin with `LUMINA_` are
    /// passed over; empty ones count as unset.
    pub environment: Vec<(String, String)>,
    /// Keys (`enrichment.deadline`) and values, written as in the environment.
    pub flags: Vec<(String, String)>,
}

/// The environment and the flags may hold secrets.
impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Which file is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ConfigFile {
    /// `lumina.toml` in the working directory, if there is one.
    #[default]
    Nearby,
    /// This one, which must exist.
    At(PathBuf),
    /// None.
    Nothing,
}

/// A key that somebody set.
pub(super) struct Found {
    pub path: String,
    pub written: Written,
    pub origin: Origin,
}

/// How the value was written.
pub(super) enum Written {
    Toml(Value),
    Text(String),
}

/// A value in force. No `Debug`: it may be a secret.
pub(super) struct Entry {
    pub value: Value,
    pub origin: Origin,
}

pub(super) type Entries = BTreeMap<String, Entry>;

/// All layers, the later ones over the earlier; defaults are not among them. Keys that do not exist are returned as
/// problems, so that the values of the others can be looked at as well.
pub(super) fn merge(sources: Sources) -> Result<(Entries, Vec<Problem>), ConfigError> {
    let (mut entries, mut problems) = (Entries::new(), Vec::new());
    lay(read_file(sources.file)?, &mut entries, &mut problems);
    lay(
        environment::seed_names(&sources.environment),
        &mut entries,
        &mut problems,
    );
    environment::lay_port(&sources.environment, &mut entries);
    lay(
        environment::own_names(&sources.environment),
        &mut entries,
        &mut problems,
    );
    let flags = sources.flags.into_iter();
    let flags = flags.map(|(path, text)| Found {
        path,
        written: Written::Text(text),
        origin: Origin::Flag,
    });
    lay(flags.collect(), &mut entries, &mut problems);
    Ok((entries, problems))
}

fn read_file(which: ConfigFile) -> Result<Vec<Found>, ConfigError> {
    match which {
        ConfigFile::Nothing => Ok(Vec::new()),
        ConfigFile::Nearby if !Path::new(DEFAULT_FILE).exists() => Ok(Vec::new()),
        ConfigFile::Nearby => file::read(Path::new(DEFAULT_FILE)).map_err(ConfigError::from),
        ConfigFile::At(path) => file::read(&path).map_err(ConfigError::from),
    }
}

fn lay(layer: Vec<Found>, entries: &mut Entries, problems: &mut Vec<Problem>) {
    for Found { path, written, origin } in layer {
        let Some(key) = keys::find(&path) else {
            problems.push(unknown(path, origin));
            continue;
        };
        let value = match written {
            Written::Toml(value) => value,
            Written::Text(text) => key.value_of(&text),
        };
        entries.insert(path, Entry { value, origin });
    }
}

fn unknown(path: String, origin: Origin) -> Problem {
    let is_section = keys::is_section(&path);
    let nearest = keys::nearest(&path);
    let (key, nearest) = match &origin {
        Origin::Environment { name } => (name.clone(), keys::environment_name(&nearest)),
        _ => (path, nearest),
    };
    if is_section {
        Problem::Section { key, origin, nearest }
    } else {
        Problem::UnknownKey { key, origin, nearest }
    }
}
