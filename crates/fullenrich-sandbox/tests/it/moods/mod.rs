//! What the provider does now and then, mood by mood.

mod batches;
mod calls;
mod charges;
mod control;
mod posts;
mod records;

use lumina_fullenrich_sandbox::{Mood, Moods, SandboxConfig};

use crate::world::{World, config, secs};

/// A world in which these moods take every chance, and a look-up takes ten seconds.
fn moody(moods: impl IntoIterator<Item = Mood>) -> World {
    with(Moods::always(moods))
}

fn with(moods: Moods) -> World {
    World::new(settings(moods))
}

fn settings(moods: Moods) -> SandboxConfig {
    SandboxConfig {
        moods,
        ..config().with_lookup_delay(secs(10))
    }
}
