//! The calls, as they look on the wire.

mod auth;
mod endpoints;
mod holds_page;
mod ledger_page;
mod moods_page;
mod order;
mod refusal;
pub(crate) mod render;
mod router;
mod spoil;
mod start;
mod trickle;

pub(crate) use order::Order;
pub(crate) use refusal::Refusal;
