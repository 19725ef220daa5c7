//! Days on which the pipeline comes to each of its steps.

use std::time::Duration;

use lumina_fullenrich_sandbox::{Moods, SandboxConfig};

use super::injector::{Answer, Mood};

const MINUTE: Duration = Duration::from_secs(60);

/// Who subscribes in every scenario.
pub const PEOPLE: usize = 4;

/// The address of a subscriber.
pub fn address(number: usize) -> String {
    format!("person{number}@gmail.com")
}

/// A day.
pub struct Scenario {
    pub name: &'static str,
    pub sandbox: fn() -> SandboxConfig,
    /// What steps answer on it by themselves.
    pub moods: &'static [Mood],
}

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "all goes well",
        sandbox: everybody_is_found,
        moods: &[],
    },
    Scenario {
        name: "the answer comes after the deadline",
        sandbox: || everybody_is_found().with_lookup_delay(70 * MINUTE),
        moods: &[],
    },
    Scenario {
        name: "nobody knows what became of a submission",
        sandbox: everybody_is_found,
        moods: &[Mood {
            step: "submit-to-fullenrich",
            answer: Answer::Unknown,
        }],
    },
    Scenario {
        name: "an address is refused",
        sandbox: || SandboxConfig {
            moods: Moods {
                refused_addresses: [address(2)].into(),
                ..Moods::default()
            },
            ..everybody_is_found()
        },
        moods: &[],
    },
    Scenario {
        name: "the provider refuses everything",
        sandbox: everybody_is_found,
        moods: &[Mood {
            step: "submit-to-fullenrich",
            answer: Answer::Result(r#"{"refused":{"addresses":false,"message":"on purpose"}}"#),
        }],
    },
];

fn everybody_is_found() -> SandboxConfig {
    SandboxConfig {
        not_found_percent: 0,
        ..SandboxConfig::default()
    }
}
