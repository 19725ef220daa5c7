//! The guards that keep the money safe, as far as one can be taken away to see whether anybody notices.
//!
//! Only a build with the feature `sabotage` can take one away, and only the chaos test makes such a build: it has to
//! find out what each of them prevents. In any other build they are all there, and asking costs nothing.

/// A guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// A POST of unknown outcome is not simply repeated.
    UnknownOutcome,
    /// It is sent again only when its window is over and everything before it has ended.
    ReconcileWindow,
    /// A callback is stored before it is answered.
    StoredFirst,
    /// A callback without the provider's signature is refused.
    Signature,
    /// No more is spent than the budget allows.
    Budget,
    /// No more batches are out than are allowed.
    InFlightCap,
    /// An answer is applied although its run is over.
    LateAnswers,
    /// Jobs without a run are given one.
    Sweep,
}

/// The environment variable that names the guard to take away.
#[cfg(feature = "sabotage")]
pub const VARIABLE: &str = "LUMINA_WITHOUT";

#[cfg(feature = "sabotage")]
static REMOVED: std::sync::OnceLock<Guard> = std::sync::OnceLock::new();

impl Guard {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::UnknownOutcome,
        Self::ReconcileWindow,
        Self::StoredFirst,
        Self::Signature,
        Self::Budget,
        Self::InFlightCap,
        Self::LateAnswers,
        Self::Sweep,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownOutcome => "unknown-outcome",
            Self::ReconcileWindow => "reconcile-window",
            Self::StoredFirst => "stored-first",
            Self::Signature => "signature",
            Self::Budget => "budget",
            Self::InFlightCap => "in-flight-cap",
            Self::LateAnswers => "late-answers",
            Self::Sweep => "sweep",
        }
    }

    /// Whether it has been taken away.
    #[cfg(feature = "sabotage")]
    pub(crate) fn is_removed(self) -> bool {
        REMOVED.get() == Some(&self)
    }

    /// Whether it has been taken away: never.
    #[cfg(not(feature = "sabotage"))]
    pub(crate) const fn is_removed(self) -> bool {
        false
    }
}

/// Takes the guard of this name away, for as long as the process lives.
///
/// # Errors
/// When there is none of this name.
#[cfg(feature = "sabotage")]
pub fn remove(name: &str) -> anyhow::Result<()> {
    let known = Guard::ALL.into_iter().find(|guard| guard.as_str() == name);
    let names = || Guard::ALL.map(Guard::as_str).join(", ");
    let guard = known.ok_or_else(|| anyhow::anyhow!("there is no guard {name}; there are {}", names()))?;
    tracing::warn!(
        guard = name,
        "a guard has been taken away: this process does not keep the money safe"
    );
    anyhow::ensure!(
        REMOVED.get_or_init(|| guard) == &guard,
        "another guard has been taken away already"
    );
    Ok(())
}
