//! A server of one's own, in a folder.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio_postgres::Config;

use super::Binaries;

/// The user without rights that a server runs as when root starts it: it refuses to be root's.
const NOBODY: u32 = 65_534;

/// What outlives a test must not hold what the test was given: its runner, or a lock of whoever started it, would wait.
const ALONE: &str = r#"exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec "$@""#;

/// A PostgreSQL server in a folder, reached by a socket in it. It is stopped when it is dropped, unless it was
/// [left](Self::leave).
///
/// ```no_run
/// use lumina_workflow_postgres::testing::{Binaries, Cluster};
///
/// let folder = tempfile::tempdir()?;
/// let cluster = Cluster::start(&Binaries::find().expect("a server is installed"), folder.path(), &[])?;
/// cluster.restart("immediate")?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Cluster {
    binaries: Binaries,
    folder: PathBuf,
    settings: String,
    left: bool,
}

impl Cluster {
    /// Makes a new one in this folder and starts it, with the defaults and these settings.
    ///
    /// # Errors
    /// When a program fails; the error has its last words.
    pub fn start(binaries: &Binaries, folder: &Path, settings: &[&str]) -> io::Result<Self> {
        let given: Vec<String> = settings.iter().map(|setting| format!("-c {setting}")).collect();
        let socket = folder.display();
        let cluster = Self {
            binaries: binaries.clone(),
            folder: folder.to_owned(),
            settings: format!(
                "-c listen_addresses= -c unix_socket_directories={socket} -c max_connections=200 {}",
                given.join(" ")
            ),
            left: false,
        };
        cluster.own()?;
        let data = cluster.data();
        let mut made = cluster.command("initdb");
        made.args([
            "--auth=trust",
            "--username=lumina",
            "--encoding=UTF8",
            "--no-locale",
            "--pgdata",
        ])
        .arg(&data);
        run(&mut made)?;
        cluster.ctl("start", &[])?;
        Ok(cluster)
    }

    /// How it is reached.
    #[must_use]
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.host_path(&self.folder).user("lumina").dbname("postgres");
        config
    }

    /// Stops it; how, is `fast` or `immediate`, which is a crash.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop(&self, how: &str) -> io::Result<()> {
        self.ctl("stop", &["-m", how])
    }

    /// Starts it again.
    ///
    /// # Errors
    /// When it does not start.
    pub fn resume(&self) -> io::Result<()> {
        self.ctl("start", &[])
    }

    /// Starts it again as a standby, which only reads until it is [promoted](Self::promote).
    ///
    /// # Errors
    /// When it does not start.
    pub fn resume_as_standby(&self) -> io::Result<()> {
        std::fs::write(self.data().join("standby.signal"), [])?;
        self.resume()
    }

    /// Makes a standby the server that writes.
    ///
    /// # Errors
    /// When it does not become that.
    pub fn promote(&self) -> io::Result<()> {
        self.ctl("promote", &[])
    }

    /// Stops it and starts it again.
    ///
    /// # Errors
    /// When it does not.
    pub fn restart(&self, how: &str) -> io::Result<()> {
        self.stop(how)?;
        self.resume()
    }

    /// Lets it run on.
    pub fn leave(mut self) {
        self.left = true;
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Gives the folder to whom the server will be.
    fn own(&self) -> io::Result<()> {
        if let Some(user) = self.other_user()? {
            chown(&self.folder, Some(user), Some(user))?;
        }
        std::fs::set_permissions(&self.folder, std::fs::Permissions::from_mode(0o700))
    }

    fn other_user(&self) -> io::Result<Option<u32>> {
        let own = std::fs::metadata("/proc/self")
            .or_else(|_| std::fs::metadata(&self.folder))?
            .uid();
        Ok((own == 0).then_some(NOBODY))
    }

    /// One of the server's programs, as the server's user.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", ALONE, "sh"])
            .arg(self.binaries.command(name).get_program());
        command.current_dir(&self.folder).stdin(Stdio::null());
        if let Ok(Some(user)) = self.other_user() {
            command.uid(user).gid(user);
        }
        command
    }

    fn ctl(&self, what: &str, how: &[&str]) -> io::Result<()> {
        let mut command = self.command("pg_ctl");
        command
            .arg(what)
            .args(["-w", "-s", "-t", "60", "-D"])
            .arg(self.data())
            .args(how);
        if what == "start" {
            command
                .arg("-l")
                .arg(self.folder.join("log"))
                .args(["-o", &self.settings]);
        }
        // Whoever is started must not hold the test's output, or its terminal.
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        run(&mut command)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.left {
            // It may be stopped already.
            let _ = self.stop("immediate");
        }
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let program = command
        .get_args()
        .nth(3)
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Err(io::Error::other(format!(
        "{program} failed ({}): {}",
        output.status,
        words.trim()
    )))
}
