//! The server that all tests of a checkout share.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tokio_postgres::{Config, NoTls};

use super::{Binaries, Cluster};

const ADVICE: &str = "these tests need a PostgreSQL server: `cargo xtask test` installs one on Debian for root; \
     elsewhere install the package `postgresql` (no server needs to run), or name a database in LUMINA_TEST_DATABASE_URL";

/// The variable in which whoever runs the tests names the server's folder. It holds `users.lock` in it from the first
/// test to the last.
const HOME: &str = "LUMINA_TEST_SERVER_HOME";

/// How the shared server is reached.
pub(super) fn shared() -> &'static Config {
    static SHARED: OnceLock<Config> = OnceLock::new();
    SHARED.get_or_init(|| match std::env::var_os("LUMINA_TEST_DATABASE_URL") {
        Some(address) => {
            let address = address.into_string().expect("LUMINA_TEST_DATABASE_URL is text");
            address
                .parse()
                .expect("LUMINA_TEST_DATABASE_URL is an address of PostgreSQL")
        }
        None => private().unwrap_or_else(|error| panic!("the tests' PostgreSQL server: {error}")),
    })
}

/// Finds the private server of this checkout, or starts it. Two locks keep it in order: `start.lock` is held by whoever
/// starts or stops it, `users.lock` is shared by all test processes while they live.
fn private() -> io::Result<Config> {
    let home = home();
    let _starting = lock(&home)?;
    stay(&home)?;
    let folder = home.join("server");
    let mut config = Config::new();
    config.host_path(&folder).user("lumina").dbname("postgres");
    if !answers(&config) {
        start(&home, &folder)?;
    }
    Ok(config)
}

/// The lock that whoever starts or stops the server holds. It may have gone with everything else while it was waited
/// for.
fn lock(home: &Path) -> io::Result<File> {
    let path = home.join("start.lock");
    loop {
        std::fs::create_dir_all(home)?;
        let Ok(file) = File::create(&path) else { continue };
        file.lock()?;
        let held = file.metadata()?.ino();
        if std::fs::metadata(&path).is_ok_and(|there| there.ino() == held) {
            return Ok(file);
        }
    }
}

/// Where whoever runs the tests wants it. Otherwise in memory where the system has such files: no test here is about
/// the disk.
fn home() -> PathBuf {
    if let Some(home) = std::env::var_os(HOME) {
        return home.into();
    }
    let mut hasher = DefaultHasher::new();
    env!("CARGO_MANIFEST_DIR").hash(&mut hasher);
    let name = format!("lumina-postgres-{:08x}", hasher.finish() & 0xffff_ffff);
    let in_memory = Path::new("/dev/shm");
    match in_memory.is_dir() {
        true => in_memory.join(name),
        false => std::env::temp_dir().join(name),
    }
}

/// As long as this process lives, nobody stops the server.
fn stay(home: &Path) -> io::Result<()> {
    static USING: OnceLock<File> = OnceLock::new();
    let users = File::create(home.join("users.lock"))?;
    users.lock_shared()?;
    drop(USING.set(users));
    Ok(())
}

fn answers(config: &Config) -> bool {
    super::database::on_a_thread({
        let config = config.clone();
        async move { config.connect(NoTls).await.is_ok() }
    })
}

fn start(home: &Path, folder: &Path) -> io::Result<()> {
    let binaries = Binaries::find().ok_or_else(|| io::Error::other(ADVICE))?;
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    // The server's user must get there.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(home, open)?;
    Cluster::start(&binaries, folder, &["shared_buffers=64MB"])?.leave();
    supervise(home, folder)
}

/// Stops the server and removes all that there is of it when no test process has lived for some seconds.
fn supervise(home: &Path, folder: &Path) -> io::Result<()> {
    let seconds = if std::env::var_os(HOME).is_some() { "1" } else { "12" };
    const SCRIPT: &str = r#"
        exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
        cd / && idle=0
        while [ -d "$1" ]; do
            sleep 1
            if flock -n -x "$1/users.lock" true; then idle=$((idle + 1)); else idle=0; fi
            [ $idle -ge "$3" ] && flock "$1/start.lock" flock -n -x "$1/users.lock" sh -c '
                pid=$(head -n 1 "$2/data/postmaster.pid") && kill -QUIT "$pid" &&
                    while kill -0 "$pid"; do sleep 0.1; done
                rm -rf "$1"' sh "$1" "$2"
        done"#;
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh"]).args([home, folder]).arg(seconds);
    command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().map(drop)
}
