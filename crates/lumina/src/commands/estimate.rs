//! What looking people up could cost, said before anything is bought, and the question whether to.

use std::io::Write;

use anyhow::bail;
use lumina_enrichment::credits::LookupEstimate;

use super::is_interactive;
use super::output::thousands;
use crate::config::Config;

/// Above this many lookups somebody has to agree.
pub(super) const ASK_ABOVE: u64 = 100;

/// What looking up this many people could cost, in words.
pub(super) fn describe(config: &Config, lookups: u64) -> String {
    let wanted = &config.enrichment;
    let estimate = LookupEstimate::new(lookups, Some(wanted.credit_price), wanted.max_in_flight_batches.get());
    let money = estimate
        .money_at_most
        .map(|money| format!(" (about ${money} at ${} a credit)", wanted.credit_price));
    format!(
        "at most {} credits{}, in {}, up to {}",
        thousands(estimate.credits_at_most.get()),
        money.unwrap_or_default(),
        count_batches(estimate.batches),
        tell_duration(estimate.duration_at_most)
    )
}

/// So many batches, in words.
pub(super) fn count_batches(batches: u64) -> String {
    match batches {
        1 => "1 batch".to_owned(),
        batches => format!("{} batches", thousands(batches)),
    }
}

/// A time in whole minutes, rounded up.
pub(super) fn tell_duration(duration: std::time::Duration) -> String {
    let minutes = duration.as_secs().div_ceil(60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// Asks whether to buy this many lookups, where somebody can be asked.
///
/// # Errors
/// When nobody can be asked and nobody has agreed beforehand.
pub(super) fn agree(lookups: u64, agreed: bool, otherwise: &str) -> anyhow::Result<bool> {
    if agreed || lookups <= ASK_ABOVE {
        return Ok(true);
    }
    if !is_interactive() {
        bail!("more than {ASK_ABOVE} lookups need --yes where nobody can be asked; {otherwise}");
    }
    eprint!("Look them up? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
