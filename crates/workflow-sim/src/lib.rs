//! A deterministic simulator of the workflow engine.

mod backend;
mod boot;
pub mod command;
mod dice;
mod fault;
mod inspect;
mod life;
mod line;
pub mod random;
mod report;
mod shrink;
mod simulation;
mod stage;
mod trace;
mod watch;
mod world;

pub use backend::{Backend, Cells, MemoryBackend, SqliteBackend};
pub use boot::Boot;
pub use dice::Dice;
pub use fault::{Clocks, Faults};
pub use random::{Play, StoreKind};
pub use report::Report;
pub use shrink::shrink;
pub use simulation::Simulation;
pub use watch::{Execution, Expecting, PANIC, Waiting, Watch, Who};
pub use world::World;
