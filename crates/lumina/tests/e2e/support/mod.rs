//! What these tests stand on: processes, sockets, files, and looks at their state.

mod database;
mod gateway;
mod http;
mod ledger;
mod place;
mod port;
mod process;
mod sandbox;
mod serve;
mod server;
mod wait;
mod world;

pub use database::{Database, LOOKUP_RUNS};
pub use gateway::{Call, Fault, Gateway};
pub use http::{Request, get, post, read_message};
pub use ledger::LedgerFile;
pub use place::{Finished, Place, email};
pub use port::free_address;
pub use process::{Process, Signal};
pub use sandbox::{FAST, SANDBOX_KEY};
pub use serve::{Serve, Workflow, signed, subscription};
pub use server::ask;
pub use wait::{time, until, until_true, until_within};
pub use world::World;
