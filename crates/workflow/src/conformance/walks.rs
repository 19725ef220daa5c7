//! Random walks: the same changes applied to the store under test and to the reference model,
//! with equal clocks, compared after each step.

use super::Stage;
pub use super::walk::{walk, walk_flow, walk_flow_fixed};

/// Steps of one walk: enough for every kind of change to meet every other.
const STEPS: usize = 300;

/// The store answers and shows what the reference model does, along the walk with seed 1.
pub fn walk_1_agrees_with_the_model(stage: &Stage<'_>) {
    walk(stage, 1, STEPS);
}

/// The same along the walk with seed 2.
pub fn walk_2_agrees_with_the_model(stage: &Stage<'_>) {
    walk(stage, 2, STEPS);
}

/// The same along the walk with seed 3.
pub fn walk_3_agrees_with_the_model(stage: &Stage<'_>) {
    walk(stage, 3, STEPS);
}

/// The same along the walk with seed 4.
pub fn walk_4_agrees_with_the_model(stage: &Stage<'_>) {
    walk(stage, 4, STEPS);
}

/// The same along the walk with seed 5.
pub fn walk_5_agrees_with_the_model(stage: &Stage<'_>) {
    walk(stage, 5, STEPS);
}

/// The same along the walk with seed 6.
pub fn walk_6_agrees_with_the_model(stage: &Stage<'_>) {
    walk(stage, 6, STEPS);
}

/// The same with limits that differ from claimer to claimer, along the walk with seed 1.
pub fn flow_walk_1_agrees_with_the_model(stage: &Stage<'_>) {
    walk_flow(stage, 1, STEPS);
}

/// The same with limits that never change, along the walk with seed 1.
pub fn fixed_flow_walk_1_agrees_with_the_model(stage: &Stage<'_>) {
    walk_flow_fixed(stage, 1, STEPS);
}

/// The same with limits that differ from claimer to claimer, along the walk with seed 2.
pub fn flow_walk_2_agrees_with_the_model(stage: &Stage<'_>) {
    walk_flow(stage, 2, STEPS);
}

/// The same with limits that never change, along the walk with seed 2.
pub fn fixed_flow_walk_2_agrees_with_the_model(stage: &Stage<'_>) {
    walk_flow_fixed(stage, 2, STEPS);
}

/// The same with limits that differ from claimer to claimer, along the walk with seed 3.
pub fn flow_walk_3_agrees_with_the_model(stage: &Stage<'_>) {
    walk_flow(stage, 3, STEPS);
}

/// The same with limits that never change, along the walk with seed 3.
pub fn fixed_flow_walk_3_agrees_with_the_model(stage: &Stage<'_>) {
    walk_flow_fixed(stage, 3, STEPS);
}

/// The same with limits that differ from claimer to claimer, along the walk with seed 4.
pub fn flow_walk_4_agrees_with_the_model(stage: &Stage<'_>) {
    walk_flow(stage, 4, STEPS);
}

/// The same with limits that never change, along the walk with seed 4.
pub fn fixed_flow_walk_4_agrees_with_the_model(stage: &Stage<'_>) {
    walk_flow_fixed(stage, 4, STEPS);
}
