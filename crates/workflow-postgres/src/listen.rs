//! The connection that hears of other processes, and tells them: LISTEN and NOTIFY, with a slow look behind both.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::try_join;
use lumina_workflow::store::Hint;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_postgres::{AsyncMessage, Client, Config, Notification};

use crate::claim;
use crate::fault::Fault;
use crate::fleet;
use crate::line;
use crate::post::{News, Post};
use crate::shared::Shared;

/// Even if nobody tells anything, one looks this often: letters may be lost, and others' leases end in silence.
const LOOK: Duration = Duration::from_secs(5);

/// Letters are this far apart, so that a busy process sends a few hundred a second and not one for each commit.
const GAP: Duration = Duration::from_millis(3);

/// Between two tries to connect.
const AGAIN: Duration = Duration::from_millis(500);

/// An answer that takes longer will not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// More runs than these are not looked through for news, but found by their own looks.
const NEWS_LIMIT: usize = 1_000;

const CHANNEL: &str = "lumina_hints";

/// Listens until it is aborted.
pub(crate) async fn serve(config: Config, shared: Arc<Shared>, post: Post) {
    loop {
        if let Err(fault) = listen(&config, &shared, &post).await {
            tracing::debug!(
                ?fault,
                "the connection that hears of other processes was lost; it is made anew"
            );
        }
        // Whatever was told meanwhile was not heard.
        shared.hints.send(Hint::Ready);
        shared.hints.send(Hint::Schedule);
        sleep(AGAIN).await;
    }
}

async fn listen(config: &Config, shared: &Shared, post: &Post) -> Result<(), Fault> {
    let (client, mut letters) = connect(config).await?;
    client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
    let own: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.try_get(0)?;
    let arrival = News {
        arrival: true,
        ..News::default()
    };
    send(&client, &arrival).await?;
    let mut look = Instant::now();
    loop {
        tokio::select! {
            letter = letters.recv() => {
                let letter = letter.ok_or_else(|| Fault::Lost("the server has closed it".to_owned()))?;
                if letter.process_id() != own {
                    let news = News::read(letter.payload());
                    if news.arrival {
                        look = Instant::now();
                    }
                    pass_on(shared, news);
                }
            }
            () = post.wait() => {
                send(&client, &post.take()).await?;
                sleep(GAP).await;
            }
            () = sleep_until(look) => {
                look_around(&client, shared).await?;
                look = Instant::now() + LOOK;
            }
        }
    }
}

async fn connect(config: &Config) -> Result<(Client, mpsc::UnboundedReceiver<Notification>), Fault> {
    let (client, mut line) = line::open(config).await?;
    let (told, letters) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = line.next().await {
            if let AsyncMessage::Notification(letter) = message
                && told.send(letter).is_err()
            {
                return;
            }
        }
    });
    Ok((client, letters))
}

/// What it sends need not survive a crash. That is set for its transactions alone: a pooler that nobody has told of would
/// hand the connection, with its settings, to somebody whose commits have to. Letters have letters, digits and blanks.
async fn send(client: &Client, news: &News) -> Result<(), Fault> {
    for letter in news.write() {
        let sql =
            format!("BEGIN; SET LOCAL synchronous_commit = off; SELECT pg_notify('{CHANNEL}', '{letter}'); COMMIT");
        timeout(PATIENCE, client.batch_execute(&sql))
            .await
            .map_err(|_| Fault::Lost("it does not answer".to_owned()))??;
    }
    Ok(())
}

fn pass_on(shared: &Shared, news: News) {
    let earlier = news.timer.is_some_and(|at| shared.is_news(at, i64::MAX));
    if news.schedule {
        shared.hints.send(Hint::Schedule);
    }
    if news.ready || earlier {
        shared.hints.send(Hint::Ready);
    }
    for run in news.inbox {
        shared.hints.send(Hint::Inbox(run));
    }
}

/// Also tells whether the connection still is one.
async fn look_around(client: &Client, shared: &Shared) -> Result<(), Fault> {
    let looking = try_join(claim::running_with_news(client, NEWS_LIMIT), fleet::processes(client));
    let (runs, processes) = timeout(PATIENCE, looking)
        .await
        .map_err(|_| Fault::Lost("it does not answer".to_owned()))??;
    shared.at_once.set(fleet::share_of(processes));
    shared.hints.send(Hint::Schedule);
    shared.hints.send(Hint::Ready);
    for run in runs {
        shared.hints.send(Hint::Inbox(run));
    }
    Ok(())
}
