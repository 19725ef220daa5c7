//! The test kit keeps what it says to those who test with it.

mod crashes;
mod messages;
mod shop;
mod stubs;
mod time;
