//! `lumina sandbox`: a local FullEnrich with invented people.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use lumina_fullenrich_sandbox::{
    ApiKey, Clock, HttpCallbackSender, Mood, Percent, Sandbox, SandboxConfig, TokioClock, UnknownMood,
};
use lumina_workflow::parse_duration;
use tokio::net::TcpListener;

use super::output::print_line;
use super::{Global, serve, shutdown};

#[derive(Args)]
pub(super) struct SandboxArgs {
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7979")]
    address: SocketAddr,
    /// The ledger's file: what was looked up and charged. Kept between starts.
    #[arg(long, value_name = "FILE", default_value = "sandbox-ledger.jsonl")]
    ledger: PathBuf,
    /// A TOML file with all of the sandbox's settings; the options below go before it.
    #[arg(long = "settings", value_name = "FILE")]
    file: Option<PathBuf>,
    /// The API key it accepts.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Which people it invents.
    #[arg(long)]
    seed: Option<u64>,
    /// How long each lookup takes, such as 3s.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    delay: Option<Duration>,
    /// The balance it begins with.
    #[arg(long)]
    credits: Option<u64>,
    /// Calls a minute, all together.
    #[arg(long, value_name = "N")]
    calls_per_minute: Option<NonZeroU32>,
    /// Between two tries of a callback that failed.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    callback_retry: Option<Duration>,
    /// How often of a hundred times a mood of the provider comes, such as answer_lost=5. Can be given again.
    #[arg(long = "mood", value_name = "NAME=PERCENT", value_parser = parse_mood)]
    moods: Vec<(Mood, Percent)>,
}

fn parse_mood(text: &str) -> Result<(Mood, Percent), String> {
    let (name, percent) = text.split_once('=').ok_or("it is written NAME=PERCENT")?;
    let mood = name.parse().map_err(|error: UnknownMood| error.to_string())?;
    let percent: f64 = percent.parse().map_err(|_| format!("`{percent}` is no number"))?;
    let percent = Percent::try_from(percent).map_err(|error| error.to_string())?;
    Ok((mood, percent))
}

impl SandboxArgs {
    fn settings(&self) -> anyhow::Result<SandboxConfig> {
        let mut settings = match &self.file {
            Some(path) => read_settings(path)?,
            None => SandboxConfig::default(),
        };
        if let Some(key) = &self.key {
            settings.api_key = ApiKey::new(key);
        }
        settings.seed = self.seed.unwrap_or(settings.seed);
        settings.credits = self.credits.unwrap_or(settings.credits);
        settings.calls_per_minute = self.calls_per_minute.unwrap_or(settings.calls_per_minute);
        settings.callback_retry_every = self.callback_retry.unwrap_or(settings.callback_retry_every);
        if let Some(delay) = self.delay {
            settings = settings.with_lookup_delay(delay);
        }
        settings.moods = self
            .moods
            .iter()
            .fold(settings.moods, |moods, (mood, percent)| moods.with(*mood, *percent));
        Ok(settings)
    }
}

fn read_settings(path: &Path) -> anyhow::Result<SandboxConfig> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} has a mistake", path.display()))
}

/// A sandbox on this ledger, with the machine's clock.
pub(super) fn open(settings: SandboxConfig, ledger: PathBuf) -> anyhow::Result<Arc<Sandbox>> {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::new(tokio::runtime::Handle::current()));
    Ok(Sandbox::open(
        settings,
        Some(ledger),
        clock,
        Arc::new(HttpCallbackSender::new()),
    )?)
}

/// Where its API is.
pub(super) fn base_url(listener: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("http://{}/api/v2", listener.local_addr()?))
}

pub(super) async fn run(_global: &Global, args: &SandboxArgs) -> anyhow::Result<ExitCode> {
    let sandbox = open(args.settings()?, args.ledger.clone())?;
    let listener = serve::listen(args.address).await?;
    print_line(&format!("FULLENRICH_BASE_URL={}", base_url(&listener)?))?;
    print_line(&format!("FULLENRICH_API_KEY={}", sandbox.config().api_key.expose()))?;
    eprintln!(
        "All people are invented. The ledger: http://{}/sandbox/ledger",
        listener.local_addr()?
    );
    let stop = async {
        if let Err(error) = shutdown::requested().await {
            tracing::error!(%error, "signals cannot be heard");
        }
    };
    sandbox.serve(listener, stop).await?;
    Ok(ExitCode::SUCCESS)
}
