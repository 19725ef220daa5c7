use std::net::SocketAddr;
use std::path::PathBuf;

use super::check::Findings;
use super::values::Values;
use super::{Database, Key, is_open_to_others};

pub(super) const KEYS: &[Key] = &[
    Key::text(
        "server.address",
        "127.0.0.1:7878",
        "Where everything is served: dashboard, API and webhooks. `PORT` in the environment changes its port alone.",
    ),
    Key::optional(
        "server.webhook_address",
        "A second address that serves the webhook routes alone: the one to expose to the internet.",
    ),
    Key::optional(
        "server.token_file",
        "The file with the API's token, made at first start. By default the database's path with `.token` behind it; with \
         PostgreSQL ./lumina.token.",
    ),
];

/// The addresses that are listened on, and the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Serves everything.
    pub address: SocketAddr,
    /// Serves the webhook routes alone.
    pub webhook_address: Option<SocketAddr>,
    /// The API's token.
    pub token_file: PathBuf,
}

impl ServerConfig {
    pub(super) fn read(values: &mut Values, database: &Database) -> Self {
        let server = Self {
            address: values.get("server.address"),
            webhook_address: values.optional("server.webhook_address"),
            token_file: read_token_file(values, database),
        };
        // Port 0 asks for any free one.
        if server.address.port() != 0 && server.webhook_address == Some(server.address) {
            values.refuse(
                "server.webhook_address",
                "give it another port than server.address".to_owned(),
            );
        }
        server
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        if !self.address.ip().is_loopback() {
            findings.warning(
                "server.address",
                "the dashboard and the API can be reached from other machines, unencrypted; listen on 127.0.0.1, put a \
                 proxy with TLS before it, and expose server.webhook_address alone",
            );
        }
        let metadata = std::fs::metadata(&self.token_file);
        if metadata.is_ok_and(|metadata| is_open_to_others(&metadata)) {
            let path = self.token_file.display();
            let message = format!("others on this machine can read the token in {path}: run `chmod 600 {path}`");
            findings.error("server.token_file", &message);
        }
    }
}

fn read_token_file(values: &mut Values, database: &Database) -> PathBuf {
    values.optional("server.token_file").unwrap_or_else(|| {
        let path = database.beside(".token");
        values.derive("server.token_file", path.display().to_string());
        path
    })
}
