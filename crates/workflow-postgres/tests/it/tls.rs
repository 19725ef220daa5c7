//! An encrypted line, and one that would not be what it seems.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use lumina_workflow::store::Store;
use lumina_workflow_postgres::testing::{Binaries, Cluster};
use lumina_workflow_postgres::{Options, PostgresStore};

/// An authority that nobody else trusts, and a certificate of its own for `localhost`; valid for a hundred years.
const AUTHORITY: &str = include_str!("tls/authority.pem");
const CERTIFICATE: &str = include_str!("tls/server.pem");
const KEY: &str = include_str!("tls/server.key");

/// What tells the process below which server it is to open.
const ADDRESS: &str = "LUMINA_TEST_TLS_ADDRESS";

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A file that the server takes: its user's, and nobody else's.
fn write_owned(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    // A server that root starts runs as this user.
    if std::fs::metadata(path).unwrap().uid() == 0 {
        chown(path, Some(65_534), Some(65_534)).unwrap();
    }
}

/// A server that speaks TLS on a port of this machine.
fn start(folder: &Path) -> (Cluster, u16) {
    let port = free_port();
    let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
    write_owned(&certificate, CERTIFICATE);
    write_owned(&key, KEY);
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", certificate.display()),
        format!("ssl_key_file={}", key.display()),
        "listen_addresses=localhost".to_owned(),
        format!("port={port}"),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    (
        Cluster::start(&Binaries::find().unwrap(), folder, &settings).unwrap(),
        port,
    )
}

/// Opens it in a process of its own, which trusts what it is told to trust.
fn open_elsewhere(address: &str, trusted: Option<&Path>) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "tls::an_encrypted_line_is_to_whom_it_was_meant"])
        .env(ADDRESS, address);
    if let Some(trusted) = trusted {
        child.env("SSL_CERT_FILE", trusted);
    }
    child.output().unwrap().status.success()
}

/// Whoever can show no certificate of an authority that is trusted is not spoken to.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a process of the test's own is told by its environment what to open"
)]
fn an_encrypted_line_is_to_whom_it_was_meant() {
    if let Ok(address) = std::env::var(ADDRESS) {
        return open_what_it_is_told(&address);
    }
    let folder = tempfile::tempdir().unwrap();
    let (_cluster, port) = start(folder.path());
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, AUTHORITY).unwrap();
    let address =
        |host: &str, mode: &str| format!("host={host} port={port} user=lumina dbname=postgres sslmode={mode}");
    assert!(open_elsewhere(&address("localhost", "require"), Some(&authority)));
    assert!(
        !open_elsewhere(&address("localhost", "require"), None),
        "nobody knows the authority"
    );
    assert!(
        !open_elsewhere(&address("127.0.0.1", "require"), Some(&authority)),
        "it is another name"
    );
    assert!(open_elsewhere(&address("localhost", "disable"), None));
}

/// What the test above has a process of its own for.
fn open_what_it_is_told(address: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let options = Options::new(address).unwrap();
        let is_encrypted =
            options.config.get_ssl_mode() == lumina_workflow_postgres::tokio_postgres::config::SslMode::Require;
        let store = PostgresStore::open(options).await.unwrap();
        store.now().await.unwrap();
        let told = store
            .read("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])
            .await;
        assert_eq!(told.unwrap()[0].get::<_, bool>(0), is_encrypted);
    });
}
