//! `/api/schedules`: when runs start by themselves, and what can be done about it.

pub(super) mod command;
pub(super) mod list;
