//! The judge is judged: each world that breaks one thing is found to break that and nothing else, and each that only
//! looks as if it did passes.

mod recorded;

mod broken;
mod sound;

use lumina_chaos::judge::judge;
use lumina_chaos::world::World;

/// A recorded run, and what somebody has changed about it.
struct Case {
    /// What is so.
    what: &'static str,
    change: fn(&mut World),
}

impl Case {
    const fn new(what: &'static str, change: fn(&mut World)) -> Self {
        Self { what, change }
    }

    fn play(&self) -> World {
        let mut world = recorded::world();
        (self.change)(&mut world);
        world
    }
}

#[test]
fn a_world_that_is_written_down_is_judged_the_same() {
    let world = recorded::world();
    let written = serde_json::to_string(&world).unwrap();
    let read: World = serde_json::from_str(&written).unwrap();
    assert_eq!(judge(&read), judge(&world));
}
