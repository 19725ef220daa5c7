//! What is asked of a store, one subject a file.

pub(crate) mod due;
pub(crate) mod inbox;
pub(crate) mod runs;
pub(crate) mod schedules;

pub(crate) use crate::change::record::read as history;
