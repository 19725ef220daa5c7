//! The client through its public interface: tables of answers, golden bodies, properties, and real sockets.

mod accounts;
mod errors;
mod golden;
mod limiter;
mod reading;
mod requests;
#[cfg(feature = "reqwest")]
mod reqwest_transport;
mod results;
mod robustness;
mod scripted;
mod signatures;
mod starting;
