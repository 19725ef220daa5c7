//! The provider's moods: what it does now and then that a client has to live with.
//!
//! A mood changes what is told, and when; never what is charged for a look-up.

mod mood;
mod percent;
mod settings;
mod temper;

pub use mood::{Mood, UnknownMood};
pub use percent::{NoPercent, Percent};
pub use settings::Moods;
pub(crate) use temper::{Temper, Trouble};
