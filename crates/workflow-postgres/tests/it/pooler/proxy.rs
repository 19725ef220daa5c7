//! A small pooler by transaction: between two transactions of a client it takes another connection to the server.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// So many connections are kept idle, so that the next transaction has another one than the last.
const IDLE: usize = 2;

pub struct Proxy {
    port: u16,
    pool: Arc<Pool>,
    listening: tokio::task::JoinHandle<()>,
}

struct Pool {
    socket: PathBuf,
    idle: Mutex<VecDeque<Side<UnixStream>>>,
    changes: AtomicUsize,
}

impl Proxy {
    /// In front of the server whose socket is in this folder.
    pub async fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let pool = Arc::new(Pool {
            socket: folder.join(".s.PGSQL.5432"),
            idle: Mutex::default(),
            changes: AtomicUsize::new(0),
        });
        let served = pool.clone();
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let pool = served.clone();
                // Whatever ends it, the client sees a connection that was closed.
                tokio::spawn(async move { drop(serve(Side::new(client), &pool).await) });
            }
        });
        Self { port, pool, listening }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// How often a client was given a connection.
    pub fn changes(&self) -> usize {
        self.pool.changes.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// A stream of messages.
struct Side<S> {
    stream: S,
    buffer: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Side<S> {
    fn new(stream: S) -> Self {
        let buffer = BytesMut::new();
        Self { stream, buffer }
    }

    /// The next message, whose length is behind this many bytes. What was read of it is kept when nobody waits any
    /// more.
    async fn next(&mut self, tag: usize) -> io::Result<BytesMut> {
        loop {
            if let Some(mut head) = self.buffer.get(tag..tag + 4) {
                let length = tag + head.get_u32() as usize;
                if self.buffer.len() >= length {
                    return Ok(self.buffer.split_to(length));
                }
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.write_all(message).await
    }
}

impl Pool {
    /// The one that was used longest ago, or a new one.
    async fn take(&self, startup: &[u8]) -> io::Result<Side<UnixStream>> {
        self.changes.fetch_add(1, Ordering::SeqCst);
        {
            let mut idle = self.idle.lock().unwrap();
            if idle.len() >= IDLE {
                return Ok(idle.pop_front().unwrap());
            }
        }
        Ok(self.connect(startup).await?.0)
    }

    /// A new connection, and what the server greets it with.
    async fn connect(&self, startup: &[u8]) -> io::Result<(Side<UnixStream>, Vec<u8>)> {
        let mut server = Side::new(UnixStream::connect(&self.socket).await?);
        server.send(startup).await?;
        let mut greeting = Vec::new();
        loop {
            let message = server.next(1).await?;
            greeting.extend_from_slice(&message);
            match message[0] {
                b'Z' => return Ok((server, greeting)),
                b'E' => return Err(io::Error::other(String::from_utf8_lossy(&message).into_owned())),
                _ => {}
            }
        }
    }

    fn put(&self, server: Side<UnixStream>) {
        self.idle.lock().unwrap().push_back(server);
    }
}

async fn serve(mut client: Side<TcpStream>, pool: &Pool) -> io::Result<()> {
    let startup = client.next(0).await?;
    let (server, greeting) = pool.connect(&startup).await?;
    pool.put(server);
    client.send(&greeting).await?;
    loop {
        let first = client.next(1).await?;
        let server = pool.take(&startup).await?;
        pool.put(carry(&mut client, server, first).await?);
    }
}

/// Carries messages until the server is in no transaction, and nothing is on its way to it.
async fn carry(
    client: &mut Side<TcpStream>,
    mut server: Side<UnixStream>,
    first: BytesMut,
) -> io::Result<Side<UnixStream>> {
    let mut asked = 0;
    let mut next = Some(first);
    loop {
        if let Some(message) = next.take() {
            // A query, or the end of what belongs together: each is answered by one word of readiness.
            asked += usize::from(matches!(message[0], b'Q' | b'S'));
            server.send(&message).await?;
        }
        tokio::select! {
            message = client.next(1) => next = Some(message?),
            message = server.next(1) => {
                let message = message?;
                client.send(&message).await?;
                if message[0] == b'Z' {
                    asked -= 1;
                    if asked == 0 && message[5] == b'I' && client.buffer.is_empty() {
                        return Ok(server);
                    }
                }
            }
        }
    }
}
