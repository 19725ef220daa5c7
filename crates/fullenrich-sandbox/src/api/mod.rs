//! The calls, as they look on the wire.

mod auth;
mod endpoints;
mod ledger_page;
mod order;
mod refusal;
pub(crate) mod render;
mod router;

pub(crate) use order::Order;
pub(crate) use refusal::Refusal;
