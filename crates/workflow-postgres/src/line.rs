//! The line to a server: plain, or encrypted where the address says `sslmode=require`.

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, poll_fn};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config, Error, NoTls, Socket};

use crate::fault::Fault;

/// What carries a connection's bytes, for as long as it is asked for what comes by itself.
pub(crate) type Line = BoxStream<'static, Result<AsyncMessage, Error>>;

/// Connects.
pub(crate) async fn open(config: &Config) -> Result<(Client, Line), Fault> {
    match config.get_ssl_mode() {
        SslMode::Require => open_encrypted(config).await,
        _ => open_with(config, NoTls).await,
    }
}

#[cfg(feature = "tls")]
async fn open_encrypted(config: &Config) -> Result<(Client, Line), Fault> {
    open_with(config, crate::tls::connector()?).await
}

/// The connection itself says that it cannot be had.
#[cfg(not(feature = "tls"))]
async fn open_encrypted(config: &Config) -> Result<(Client, Line), Fault> {
    open_with(config, NoTls).await
}

async fn open_with<T>(config: &Config, tls: T) -> Result<(Client, Line), Fault>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T::TlsConnect: TlsConnect<Socket>,
{
    let (client, mut connection) = config.connect(tls).await?;
    Ok((client, poll_fn(move |context| connection.poll_message(context)).boxed()))
}
