//! A folder of its own for each test, and Lumina's commands in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::database::Database;
use super::ledger::LedgerFile;
use super::port::free_address;
use super::process::Process;
use super::sandbox::{SANDBOX_KEY, Sandbox};
use super::serve::Serve;

/// Signs the bodies of `/api/webhooks/subscribe`.
pub const SUBSCRIBE_SECRET: &str = "a-secret-for-the-subscribe-webhook";

/// A folder, and what commands in it find in their environment.
pub struct Place {
    folder: TempDir,
    program: PathBuf,
    environment: BTreeMap<String, String>,
    address: SocketAddr,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    /// Without any configuration.
    pub fn bare() -> Self {
        let folder = tempfile::Builder::new().prefix("lumina-e2e-").tempdir().unwrap();
        Self {
            folder,
            program: env!("CARGO_BIN_EXE_lumina").into(),
            environment: BTreeMap::new(),
            address: free_address(),
        }
    }

    /// Configured for a provider, which calls back to where `serve` listens. Times are short, and what asks by itself
    /// does not: a test that needs it says how often.
    pub fn for_provider(provider: SocketAddr) -> Self {
        let mut place = Self::bare();
        let address = place.address;
        place.set_variable("FULLENRICH_API_KEY", SANDBOX_KEY);
        place.set_variable("FULLENRICH_BASE_URL", &format!("http://{provider}/api/v2"));
        place.set_variable("FULLENRICH_WEBHOOK_URL", &format!("http://{address}"));
        place.set_variable("NEWSLETTER_WEBHOOK_SECRET", SUBSCRIBE_SECRET);
        let settings = [
            ("server.address", address.to_string().as_str()),
            ("fullenrich.calls_per_minute", "10000"),
            ("enrichment.budget.per_day", "unlimited"),
            ("enrichment.linger", "100ms"),
            ("enrichment.retry.unreachable", "500ms"),
            ("enrichment.poll.first", "1h"),
            ("enrichment.poll.every", "1h"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        settings.iter().for_each(|(key, value)| place.set(key, value));
        place
    }

    /// Changes a setting, for commands that are started from now on.
    pub fn set(&mut self, key: &str, value: &str) {
        let name = format!("LUMINA_{}", key.to_uppercase().replace('.', "__"));
        self.set_variable(&name, value);
    }

    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    pub fn unset_variable(&mut self, name: &str) {
        self.environment.remove(name);
    }

    /// What commands are of: the built program, unless it is another.
    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn set_program(&mut self, program: &Path) {
        self.program = program.to_owned();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A file of invented subscribers with these numbers.
    pub fn write_people(&self, name: &str, numbers: impl IntoIterator<Item = u32>) -> PathBuf {
        let mut file = "email,name\n".to_owned();
        numbers
            .into_iter()
            .for_each(|number| writeln!(file, "{},Person {number}", email(number)).unwrap());
        self.write(name, file)
    }

    /// Where `serve` listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn database(&self) -> Database {
        Database(self.path("lumina.db"))
    }

    pub fn ledger_file(&self) -> LedgerFile {
        LedgerFile::read(&self.path("ledger.jsonl"))
    }

    /// The program in this folder, with nothing of this process's environment but where programs are.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.environment);
        // Profilers name their output by it; nothing else of the environment matters.
        let kept = std::env::vars().filter(|(name, _)| name == "PATH" || name == "LLVM_PROFILE_FILE");
        command.envs(kept);
        command
    }

    pub fn spawn(&self, arguments: &[&str]) -> Process {
        Process::spawn(arguments[0], &mut self.command(arguments))
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        let output = self
            .command(arguments)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Finished {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    pub fn serve(&self) -> Serve {
        Serve::start(self)
    }

    pub fn sandbox(&self, address: SocketAddr, settings: &str) -> Sandbox {
        Sandbox::start(self, address, settings)
    }
}

impl Finished {
    /// What a command that went well has printed.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.out
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        let out = self.ok();
        serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It failed, and its last words are one sentence that says this.
    #[track_caller]
    pub fn assert_failed(&self, told: &str) {
        assert_eq!(self.code, Some(1), "{self:?}");
        let sentence = self.err.lines().last().unwrap_or_default();
        assert!(
            sentence.starts_with("lumina: ") && sentence.contains(told),
            "{sentence:?} does not say {told:?}"
        );
        let is_for_programmers = ["Error(", "Error {", "panicked", "RUST_BACKTRACE"];
        assert!(
            !is_for_programmers.iter().any(|word| self.err.contains(word)),
            "{}",
            self.err
        );
    }
}

/// An invented subscriber's personal address.
pub fn email(number: u32) -> String {
    format!("invented{number}@gmail.com")
}
