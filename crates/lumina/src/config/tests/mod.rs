//! Through `Config::load`, as everybody else uses it.

mod checks;
mod defaults;
mod layering;
mod refusals;

use std::path::PathBuf;

use tempfile::TempDir;

use super::{Config, ConfigError, ConfigFile, Sources};

/// The three layers above the defaults.
#[derive(Default, Clone, Copy)]
struct Layers<'a> {
    file: &'a str,
    environment: &'a [(&'a str, &'a str)],
    flags: &'a [(&'a str, &'a str)],
}

impl Layers<'_> {
    /// With the folder that the file lies in.
    fn load_from(self) -> (TempDir, Result<Config, ConfigError>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lumina.toml");
        std::fs::write(&file, self.file).unwrap();
        let config = Config::load(Sources {
            file: ConfigFile::At(file),
            environment: owned(self.environment),
            flags: owned(self.flags),
        });
        (folder, config)
    }

    fn load(self) -> Config {
        self.load_from().1.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The error as a person reads it, with the file's folder cut off.
    fn refusal(self) -> String {
        let (folder, config) = self.load_from();
        let error = config.map(|_| ()).expect_err("it is refused").to_string();
        error.replace(&format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR), "")
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn from_file(file: &str) -> Layers<'_> {
    Layers {
        file,
        ..Layers::default()
    }
}

fn from_environment<'a>(environment: &'a [(&'a str, &'a str)]) -> Layers<'a> {
    Layers {
        environment,
        ..Layers::default()
    }
}

/// What a setting shows, as TOML.
fn shown(config: &Config, key: &str) -> String {
    let setting = config.settings().iter().find(|setting| setting.key == key);
    let setting = setting.unwrap_or_else(|| panic!("{key} is a setting"));
    setting
        .shown
        .value()
        .map_or_else(|| "unset".to_owned(), ToString::to_string)
}

fn origin(config: &Config, key: &str) -> String {
    let origin = config.origin(key).unwrap_or_else(|| panic!("{key} is a setting"));
    match origin {
        super::Origin::File { line, .. } => format!("line {line}"),
        other => other.to_string(),
    }
}

fn missing_file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("elsewhere.toml");
    (folder, path)
}
