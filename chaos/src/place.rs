//! The folder of a run: configuration, database, ledger, logs, and what was recorded of it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::configuration;
use crate::hosts::Hosts;
use crate::port::free_address;
use crate::scene::{Budget, Scene};
use crate::server::Role;

/// The database of one machine.
pub const FILE: &str = "lumina.db";

/// The folder of a run, and the two addresses that stay the same however often processes are started.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
    lumina: PathBuf,
    /// Where `lumina serve` listens.
    pub serve: SocketAddr,
    /// Where `lumina sandbox` listens.
    pub sandbox: SocketAddr,
    /// The database that Lumina works on, as it is configured.
    pub database: String,
    /// Whether each process is on a host of its own.
    has_hosts: bool,
    /// The guard that `lumina serve` does without.
    without: Option<&'static str>,
}

impl Place {
    /// Empties the folder and writes the sandbox's settings. Where the processes are is this machine's own address, or
    /// what the hosts say.
    ///
    /// # Errors
    /// When the folder cannot be emptied or written, or no port is free.
    pub fn prepare(
        folder: &Path,
        lumina: &Path,
        scene: &Scene,
        seed: u64,
        without: Option<&'static str>,
        hosts: Option<&Hosts>,
    ) -> Result<Self> {
        let here = IpAddr::from([127, 0, 0, 1]);
        if folder.exists() {
            std::fs::remove_dir_all(folder).with_context(|| format!("{} cannot be emptied", folder.display()))?;
        }
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let place = Self {
            folder: std::path::absolute(folder)?,
            lumina: std::path::absolute(lumina)?,
            serve: free_address(hosts.map_or(here, |hosts| hosts.of(0)))?,
            sandbox: free_address(hosts.map_or(here, Hosts::outside))?,
            has_hosts: hosts.is_some(),
            database: format!("sqlite:{FILE}"),
            without,
        };
        place.write("sandbox.toml", &configuration::of_sandbox(scene, seed))?;
        Ok(place)
    }

    /// Writes Lumina's configuration, for processes that are started from now on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self, scene: &Scene, budget: Budget) -> Result<()> {
        self.write("lumina.toml", &configuration::of_lumina(self, scene, budget))
    }

    /// A file of the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file that only this user may read, as those with keys in them should be.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.path(name);
        std::fs::write(&path, content).with_context(|| format!("{} cannot be written", path.display()))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    /// The program in this folder, configured by its files alone.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.lumina);
        self.complete(&mut command, arguments);
        command
    }

    fn complete(&self, command: &mut Command, arguments: &[&str]) {
        command.args(arguments).current_dir(&self.folder).env_clear();
        // Profilers name their output by it; nothing else of the environment matters.
        let kept = std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "LLVM_PROFILE_FILE");
        command.envs(kept);
    }

    /// `lumina serve` or `lumina worker`, on its host, without its guard if it is to do without one.
    #[must_use]
    pub fn role_command(&self, role: Role, place: usize) -> Command {
        let mut command = match self.has_hosts {
            true => Hosts::command(place),
            false => Command::new(&self.lumina),
        };
        if self.has_hosts {
            command.arg(&self.lumina);
        }
        self.complete(&mut command, &[role.name()]);
        if let Some(guard) = self.without {
            command.env("LUMINA_WITHOUT", guard);
        }
        command
    }

    /// Everything that its processes have printed, file by file.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn logs(&self) -> Result<Vec<(String, String)>> {
        let mut logs = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".log") {
                let text = std::fs::read(self.path(&name))?;
                logs.push((name, String::from_utf8_lossy(&text).into_owned()));
            }
        }
        logs.sort();
        Ok(logs)
    }
}
