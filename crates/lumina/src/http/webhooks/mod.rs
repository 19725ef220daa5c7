//! What comes in from outside: verified as raw bytes, parsed, stored, and only then answered.

mod arrival;
pub(super) mod enrichment;
mod gathering;
pub(super) mod newsletter;
pub(super) mod subscribe;
mod taking_in;

pub(super) use gathering::Gathering;
