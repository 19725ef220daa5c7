//! `lumina serve`: HTTP and the engine.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use lumina_fullenrich::{CallError, CallKind};
use lumina_workflow::Worker;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::output::{moment, thousands};
use super::{composition, shutdown, worker};
use crate::app::App;
use crate::calls::NoPermit;
use crate::config::{BudgetConfig, CallbackMode, Config, Severity};
use crate::http::{self, HttpSettings, HttpState};
use crate::presence::Presence;
use crate::records::{PauseReason, Records};
use crate::token;

#[derive(Args)]
pub(super) struct ServeArgs {
    /// The address to listen on [default: server.address].
    #[arg(long, value_name = "ADDRESS")]
    address: Option<SocketAddr>,
}

/// Everything that a serving process runs.
pub(super) struct Server {
    pub app: App,
    pub worker: Worker,
    pub address: SocketAddr,
    presence: Presence,
    http: HttpState,
    stop: watch::Sender<bool>,
    listeners: Vec<JoinHandle<std::io::Result<()>>>,
}

pub(super) async fn run(config: &Config, args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let wrong: Vec<_> = config
        .check()
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    for finding in &wrong {
        eprintln!("lumina: {finding}");
    }
    if !wrong.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let listener = listen(args.address.unwrap_or(config.server.address)).await?;
    let app = composition::open_executor(config, "lumina serve", config.fullenrich.callback_mode()).await?;
    greet(config, &app, &config.fullenrich.callback_mode()).await;
    let server = start(config, app, listener).await?;
    let why = shutdown::due(&server.app).await?;
    server.stop().await?;
    why.conclude()
}

pub(super) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}; choose another address (server.address, PORT)"))
}

/// Starts listeners and worker, and with it the schedules.
pub(super) async fn start(config: &Config, app: App, listener: TcpListener) -> anyhow::Result<Server> {
    let (token, made) = token::load_or_create(&config.server.token_file, &random_bytes)?;
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let state = HttpState::new(app.clone(), HttpSettings::new(config, token, address.port())?);
    let mut listeners = vec![spawn(listener, http::router(state.clone()), stopped.clone())];
    if let Some(webhooks) = config.server.webhook_address {
        let listener = listen(webhooks).await?;
        let webhooks = listener.local_addr()?;
        listeners.push(spawn(listener, http::webhook_router(state.clone()), stopped));
        eprintln!("Webhooks alone at http://{webhooks}: that is the address to expose.");
    }
    let worker = app.engine.start_worker(worker::worker_options(config));
    let presence = Presence::begin(&app, worker.id(), "serve");
    let note = if made { " (made just now)" } else { "" };
    eprintln!(
        "Listening on http://{address}; the token is in {}{note}.",
        config.server.token_file.display()
    );
    Ok(Server {
        app,
        worker,
        address,
        presence,
        http: state,
        stop,
        listeners,
    })
}

fn spawn(
    listener: TcpListener,
    router: axum::Router,
    mut stopped: watch::Receiver<bool>,
) -> JoinHandle<std::io::Result<()>> {
    let until = async move {
        // An error says that the server is gone, which is an end as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    tokio::spawn(http::serve(listener, router, until))
}

impl Server {
    /// Refuses what is new, answers what was begun, lets attempts end, closes the database.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.http.begin_shutdown();
        // Nobody listens any more when the listeners have ended by themselves.
        let _ = self.stop.send(true);
        for listener in self.listeners {
            listener.await?.context("a listener failed")?;
        }
        shutdown::drain(&self.app, &self.worker, self.presence).await
    }
}

/// 32 bytes of the operating system's randomness.
fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

/// Looks at key and balance, and says how results come back and what may be spent. With the
/// provider down, intake goes on.
pub(super) async fn greet(config: &Config, app: &App, mode: &CallbackMode) {
    match mode {
        CallbackMode::Webhook { url } => {
            eprintln!("Results come back to {}, and are asked for now and then.", url.batch());
        }
        CallbackMode::Polling => eprintln!(
            "No public callback URL is set (FULLENRICH_WEBHOOK_URL): results are asked for every {:?}.",
            config.enrichment.poll.without_webhook
        ),
    }
    eprintln!("Budget: {}.", describe(config.enrichment.budget));
    let checked = match check_provider(app).await {
        Ok(checked) => checked,
        Err(none) => {
            eprintln!("FullEnrich is not asked for its balance now: {none}. Subscribers are taken in all the same.");
            return tell_pauses(app).await;
        }
    };
    match checked {
        Ok(credits) => {
            eprintln!("FullEnrich: the key is valid, {} credits are left.", thousands(credits));
            if let Err(error) = lift_pauses(app, credits).await {
                tracing::error!(%error, "a pause could not be lifted; a probe will");
            }
        }
        Err(CallError::NotAnswered(later)) => {
            eprintln!(
                "FullEnrich does not answer ({later}). Subscribers are taken in all the same; lookups begin when it does."
            );
        }
        Err(CallError::Refused(refusal)) => {
            eprintln!(
                "{refusal}. Check fullenrich.api_key. Subscribers are taken in all the same; nothing is looked up until then."
            );
            let pause = Records::pause(PauseReason::Refused, refusal.to_string());
            if let Err(error) = app.engine.transact(app.context.runtime.new_id(), pause).await {
                tracing::error!(%error, "the pause could not be noted");
            }
        }
    }
    tell_pauses(app).await;
}

/// What still keeps lookups from being bought.
async fn tell_pauses(app: &App) {
    match app.records.pauses().await {
        Ok(pauses) => pauses.iter().for_each(|pause| {
            let since = moment(pause.since);
            eprintln!(
                "Lookups are paused since {since} UTC ({}): {}.",
                pause.reason.as_str(),
                pause.message
            );
        }),
        Err(error) => tracing::error!(%error, "it is not known whether lookups are paused"),
    }
}

fn describe(budget: BudgetConfig) -> String {
    let of_day = budget
        .per_day
        .limit()
        .map(|credits| format!("{} credits a day", thousands(credits)));
    let of_month = budget
        .per_month
        .limit()
        .map(|credits| format!("{} credits a month", thousands(credits)));
    let parts: Vec<String> = of_day.into_iter().chain(of_month).collect();
    match parts.is_empty() {
        true => "unlimited".to_owned(),
        false => parts.join(", "),
    }
}

/// Somebody has put right what was in the way: buying goes on without waiting for the next probe.
async fn lift_pauses(app: &App, credits: u64) -> anyhow::Result<()> {
    for pause in app.records.pauses().await? {
        let is_gone = match pause.reason {
            PauseReason::Refused => true,
            PauseReason::Credits => credits > 0,
            PauseReason::Budget => false,
        };
        if is_gone {
            let resume = Records::resume(pause.reason, app.context.settings.max_in_flight);
            app.engine.transact(app.context.runtime.new_id(), resume).await?;
        }
    }
    Ok(())
}

/// Nobody waits for a permit: the limit of calls a minute may be used up by others, and those who are to be taken in
/// come all the same.
async fn check_provider(app: &App) -> Result<Result<u64, CallError>, NoPermit> {
    let (client, calls) = (&app.context.provider.client, &app.context.provider.calls);
    let now = || app.context.runtime.now();
    let permit = calls.permit(CallKind::Account, now()).await?;
    if let Err(error) = client.verify_key(permit).await {
        return Ok(Err(error));
    }
    let permit = calls.permit(CallKind::Account, now()).await?;
    let balance = client.credits(permit).await;
    Ok(balance.map(|balance| balance.credits.max(0.0).floor() as u64))
}
