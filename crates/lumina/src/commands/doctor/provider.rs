//! The provider: whether it takes the key, what is left, and what time it has.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header;
use jiff::SignedDuration;
use jiff::fmt::rfc2822;
use lumina_fullenrich::{BoxFuture, CallError, Client, Limiter, Reason, RefusalKind, Transport, TransportError};
use lumina_workflow::Runtime;
use secrecy::SecretString;

use super::super::composition;
use super::super::output::thousands;
use super::report::Check;
use crate::config::Config;

/// The date of an answer is in whole seconds, and is some time under way.
const AGREES: SignedDuration = SignedDuration::from_secs(3);

/// Calls are counted by the minute: a clock that is further off counts them in another one.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// Key, balance and clock; and the whole credits that are left, if that is known.
pub(super) async fn check(config: &Config, runtime: &Arc<dyn Runtime>) -> (Vec<Check>, Option<u64>) {
    let Some(key) = &config.fullenrich.api_key else {
        return (without_key(), None);
    };
    match ask(config, key, runtime).await {
        Ok(said) => (said.checks, said.balance),
        Err(error) => {
            let check = Check::problem("key", format!("FullEnrich cannot be asked: {error:#}"));
            (
                vec![check.next("lumina config check", "what is wrong with the settings")],
                None,
            )
        }
    }
}

fn without_key() -> Vec<Check> {
    let missing = Check::problem("key", "no FullEnrich key is set");
    vec![
        missing.next("export FULLENRICH_API_KEY=...", "copied from FullEnrich's settings"),
        Check::unknown("balance", "not asked for without a key"),
        Check::unknown("clock", "not compared without a key"),
    ]
}

struct Said {
    checks: Vec<Check>,
    balance: Option<u64>,
}

async fn ask(config: &Config, key: &SecretString, runtime: &Arc<dyn Runtime>) -> anyhow::Result<Said> {
    let dated = Arc::new(Dated {
        transport: composition::transport(config)?,
        runtime: runtime.clone(),
        ahead: Mutex::new(None),
    });
    // Two calls, whatever else is called meanwhile: one too many is refused, and costs nothing.
    let limiter = Arc::new(Limiter::default());
    let client = Client::new(dated.clone(), config.fullenrich.base_url.as_str(), key, limiter.clone())?;
    let permit = || {
        limiter
            .try_acquire(runtime.now())
            .expect("a new limiter has permits for two calls")
    };
    let (key, is_valid) = check_key(
        client
            .verify_key(permit())
            .await
            .map(|workspace| workspace.workspace_id),
    );
    let (balance, credits) = match is_valid {
        true => check_balance(client.credits(permit()).await.map(|balance| balance.credits)),
        false => (Check::unknown("balance", "not asked for: see the key"), None),
    };
    Ok(Said {
        checks: vec![key, balance, check_clock(dated.ahead())],
        balance: credits,
    })
}

/// And whether asking for more makes sense.
fn check_key(answer: Result<Option<String>, CallError>) -> (Check, bool) {
    const NAME: &str = "key";
    let error = match answer {
        Ok(Some(workspace)) => return (Check::ok(NAME, format!("valid, of workspace {workspace}")), true),
        Ok(None) => return (Check::ok(NAME, "valid"), true),
        Err(error) => error,
    };
    let check = match &error {
        CallError::Refused(refusal) if refusal.kind == RefusalKind::Unauthorized => {
            Check::problem(NAME, format!("not valid: {refusal}")).next(
                "lumina config print",
                "where fullenrich.api_key comes from; nothing is bought until it is right",
            )
        }
        CallError::Refused(refusal) => Check::problem(NAME, format!("not verified: {refusal}"))
            .next("lumina config print", "whether fullenrich.base_url is right"),
        CallError::NotAnswered(later) if later.reason == Reason::RateLimited => {
            Check::warning(NAME, format!("not verified: {later}")).next("lumina doctor", "again, in a minute")
        }
        CallError::NotAnswered(later) => Check::problem(NAME, format!("not verified: {later}")).next(
            "lumina doctor",
            "again, when FullEnrich answers; lookups go on by themselves then",
        ),
    };
    (check, false)
}

fn check_balance(answer: Result<f64, CallError>) -> (Check, Option<u64>) {
    const NAME: &str = "balance";
    match answer {
        Ok(credits) => {
            let credits = credits.max(0.0).floor() as u64;
            let check = match credits {
                0 => Check::problem(NAME, "no credits are left: nothing can be bought").next(
                    "lumina doctor",
                    "again, once credits are bought at FullEnrich; lookups go on by themselves then",
                ),
                credits => Check::ok(NAME, format!("{} credits", thousands(credits))),
            };
            (check, Some(credits))
        }
        Err(error) => (
            Check::warning(NAME, format!("not known: {error}")).next("lumina doctor", "again, in a minute"),
            None,
        ),
    }
}

/// How far this machine's clock is ahead of the provider's.
fn check_clock(ahead: Option<SignedDuration>) -> Check {
    const NAME: &str = "clock";
    let Some(ahead) = ahead else {
        return Check::unknown(NAME, "not compared: no answer of FullEnrich's had a date");
    };
    let seconds = ahead.abs().as_secs().unsigned_abs();
    if ahead.abs() <= AGREES {
        return Check::ok(NAME, format!("agrees with FullEnrich's ({seconds} s apart)"));
    }
    let direction = if ahead.is_negative() { "behind" } else { "ahead of" };
    let told = format!("{} s {direction} FullEnrich's", thousands(seconds));
    let check = match ahead.abs() > MINUTE {
        true => Check::problem(
            NAME,
            format!("{told}: calls and budgets are counted in the wrong minute and day"),
        ),
        false => Check::warning(NAME, format!("{told}: some calls are counted in the wrong minute")),
    };
    check.next("timedatectl status", "whether this machine's clock is kept right")
}

/// A transport that compares the clock with the date of each answer.
struct Dated {
    transport: Arc<dyn Transport>,
    runtime: Arc<dyn Runtime>,
    ahead: Mutex<Option<SignedDuration>>,
}

impl Dated {
    fn ahead(&self) -> Option<SignedDuration> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compare(&self, response: &http::Response<Bytes>) {
        let date = response
            .headers()
            .get(header::DATE)
            .and_then(|value| value.to_str().ok());
        let date = date.and_then(|text| rfc2822::parse(text.trim()).ok());
        if let Some(date) = date {
            let ahead = self.runtime.now().duration_since(date.timestamp());
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
        }
    }
}

impl Transport for Dated {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let answer = self.transport.send(request).await?;
            self.compare(&answer);
            Ok(answer)
        })
    }
}
