//! Encrypted lines: rustls, with the certificates that the system trusts.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fault::Fault;

/// What encrypts lines. The system's certificates, or those that `SSL_CERT_FILE` names, are read once.
pub(crate) fn connector() -> Result<MakeRustlsConnect, Fault> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = match CONFIG.get() {
        Some(config) => config.clone(),
        None => {
            let made = Arc::new(configure()?);
            CONFIG.get_or_init(|| made).clone()
        }
    };
    Ok(MakeRustlsConnect::new((*config).clone()))
}

fn configure() -> Result<ClientConfig, Fault> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is no reason to trust none of them.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::Broken(format!("no connection can be encrypted ({error})")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
