//! The guards, each with the scene in which doing without it shows, and the invariants that then do not hold.

use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::judge::Invariant;
use crate::moods::Moods;
use crate::scene::{Budget, Feeding, Kills, Provider, Scene, Times};

/// How long it is waited for everything to come to rest without a guard: it may never, and late answers take some of it.
pub(crate) const PATIENCE_WITHOUT: Duration = Duration::from_secs(6);

/// Something in Lumina that keeps the money safe, and that a build for this test can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// A POST of unknown outcome is not simply repeated.
    UnknownOutcome,
    /// Nothing is sent again before its window has passed.
    ReconcileWindow,
    /// A callback is stored before it is answered.
    StoredFirst,
    /// Callbacks are believed by their signature alone.
    Signature,
    /// The budget.
    Budget,
    /// The limit of batches that are out.
    InFlightCap,
    /// Answers that come after their run has ended are applied.
    LateAnswers,
    /// Pending lookups that no run takes care of are given one.
    Sweep,
}

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

    /// Its name, which `LUMINA_WITHOUT` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
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

    /// The guard of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn parse(name: &str) -> Result<Self> {
        let names = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|guard| guard.name() == name);
        found.ok_or_else(|| anyhow!("there is no guard `{name}`; there are {names}"))
    }

    /// What does not hold without it. One of these is enough.
    #[must_use]
    pub fn keeps(self) -> &'static [Invariant] {
        match self {
            Self::UnknownOutcome | Self::ReconcileWindow => &[Invariant::SentOnce, Invariant::ChargedOnce],
            Self::StoredFirst | Self::Signature => &[Invariant::Callbacks],
            Self::Budget => &[Invariant::Budget],
            Self::InFlightCap => &[Invariant::InFlight],
            Self::LateAnswers => &[Invariant::Leads],
            Self::Sweep => &[Invariant::Ended],
        }
    }

    /// How long the faults last that show it.
    #[must_use]
    pub fn length(self) -> Duration {
        match self {
            Self::StoredFirst => Duration::from_secs(7),
            _ => Duration::from_secs(5),
        }
    }

    /// The scene that shows it.
    #[must_use]
    pub fn scene(self) -> Scene {
        let calm = calm();
        match self {
            Self::UnknownOutcome | Self::ReconcileWindow => Scene {
                // Answers come within the window, so that with the guard nothing is sent again, and late enough that
                // without it the first lookup still runs.
                moods: Moods::only(&[("error_after", 60), ("events_never", 100)]),
                provider: lookups_of(1_500),
                times: Times {
                    window: Duration::from_secs(4),
                    ..calm.times
                },
                ..calm
            },
            Self::StoredFirst => Scene {
                // A life ends while callbacks of all contacts come in.
                kills: Kills {
                    lives: 600..1_200,
                    gaps: 0..50,
                    ..calm.kills
                },
                provider: Provider {
                    lookup_min: Duration::from_millis(50),
                    lookup_max: Duration::from_millis(1_500),
                    ..calm.provider
                },
                feeding: Feeding {
                    before: 400,
                    ..calm.feeding
                },
                ..calm
            },
            Self::Signature => Scene {
                moods: Moods::only(&[("callback_forged", 60), ("callback_unsigned", 60)]),
                ..calm
            },
            Self::Budget => Scene {
                budgets: vec![Budget::per_day(20), Budget::ample()],
                ..calm
            },
            Self::InFlightCap => Scene {
                max_in_flight: 1,
                provider: lookups_of(400),
                feeding: Feeding {
                    before: 300,
                    ..calm.feeding
                },
                ..calm
            },
            Self::LateAnswers => Scene {
                times: Times {
                    deadline: Duration::from_secs(1),
                    poll_first: Duration::from_secs(3600),
                    poll_every: Duration::from_secs(3600),
                    ..calm.times
                },
                provider: lookups_of(2_500),
                ..calm
            },
            Self::Sweep => Scene {
                moods: Moods::only(&[("canceled", 70), ("insufficient_midway", 20)]),
                ..calm
            },
        }
    }
}

/// One life, nothing that goes wrong, and people who come before and during it.
fn calm() -> Scene {
    Scene {
        moods: Moods::only(&[]),
        budgets: vec![Budget::ample()],
        kills: Kills {
            lives: 3_600_000..3_600_001,
            gaps: 0..1,
            aimed: 0,
            sandbox: 0,
        },
        feeding: Feeding {
            senders: 2,
            pauses: 50..250,
            files: 1_500..3_000,
            before: 60,
        },
        ..Scene::chaos()
    }
}

fn lookups_of(millis: u64) -> Provider {
    Provider {
        lookup_min: Duration::from_millis(millis),
        lookup_max: Duration::from_millis(millis),
        ..Scene::chaos().provider
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guard_is_found_by_its_name_and_keeps_something() {
        for guard in Guard::ALL {
            assert_eq!(Guard::parse(guard.name()).unwrap(), guard);
            assert!(!guard.keeps().is_empty());
        }
        let message = Guard::parse("none").unwrap_err().to_string();
        assert!(
            message.contains("`none`") && message.contains("late-answers"),
            "{message}"
        );
    }
}
