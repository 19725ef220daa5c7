//! The callback URL: whether there is one, and whether the provider can reach it by its form.

use super::report::Check;
use crate::config::{CallbackUrl, Config, DEFAULT_CALLBACK_PATH};

const NAME: &str = "callback";

const SET: &str = "export FULLENRICH_WEBHOOK_URL=https://your-tunnel.example";

pub(super) fn check(config: &Config) -> Check {
    let wanted = &config.fullenrich;
    let Some(callback) = &wanted.webhook_url else {
        let every = config.enrichment.poll.without_webhook;
        let told = format!(
            "no public URL is set: answers are asked for every {every:?}, and a request whose answer is lost can only be \
             repeated after the window"
        );
        return Check::warning(NAME, told).next(SET, "the public URL of a tunnel or proxy to server.webhook_address");
    };
    match wanted.is_real_provider() {
        true => check_public(callback),
        false => check_path(callback, "a sandbox reaches it from its own machine"),
    }
}

/// The provider calls from the internet.
fn check_public(callback: &CallbackUrl) -> Check {
    let url = callback.url();
    if url.is_private() {
        let told = format!(
            "{} is in no public network: FullEnrich cannot reach {}",
            callback.batch(),
            url.host()
        );
        return Check::problem(NAME, told).next(SET, "the public URL of a tunnel or proxy to server.webhook_address");
    }
    if !url.is_https() {
        let told = format!(
            "{} is not encrypted: answers about people travel openly",
            callback.batch()
        );
        return Check::warning(NAME, told).next(SET, "the same with https://");
    }
    check_path(callback, "public, and encrypted")
}

fn check_path(callback: &CallbackUrl, told: &str) -> Check {
    let (url, path) = (callback.batch(), callback.url().path());
    if path == DEFAULT_CALLBACK_PATH {
        return Check::ok(NAME, format!("{url} ({told})"));
    }
    let wrong = format!("{url} has the path {path}, and Lumina serves {DEFAULT_CALLBACK_PATH}: a proxy has to map it");
    Check::warning(NAME, wrong).next(
        format!("curl --head {url}"),
        "it answers 200 when it is mapped and `lumina serve` runs",
    )
}
