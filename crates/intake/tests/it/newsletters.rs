//! Posted bodies and their proofs.

mod configured;
mod secrets;
mod subscribe;
