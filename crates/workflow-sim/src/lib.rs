//! A deterministic simulator of the workflow engine: one seed is one run of several processes
//! on the real engine code, with faults and checkers, byte for byte the same each time.
//!
//! ```sh
//! cargo run --release -p lumina-workflow-sim -- 42                         # one seed, with its trace
//! cargo run --release -p lumina-workflow-sim -- --seeds 0..10000 --jobs 2  # many, with a summary
//! cargo run --release -p lumina-workflow-sim -- 42 --store sqlite --without 3,7
//! ```
//!
//! # What is simulated
//!
//! - **Processes.** One to four, on one virtual clock and a single-threaded executor
//!   ([`DeterministicRuntime`](lumina_workflow::deterministic::DeterministicRuntime)). Each has a runtime of its
//!   own that owns its tasks: a process that crashes loses just those, one that freezes has just those not polled,
//!   and its clocks run on meanwhile. It is born again after a drawn time. In some seeds turns of tasks are put
//!   off at random, calls take time, and hints are lost.
//! - **The shared store**, the reference model, inline SQLite or inline PostgreSQL ([`Backend`]). It outlives the
//!   processes. On PostgreSQL calls lose their connections, before a statement and before and after the commit. On SQLite
//!   a crash kills all of them: the file and its log are copied as they lie there and opened again, so that the
//!   log's recovery is part of it.
//! - **Faults**, numbered and fixed by the seed before anything happens, so that a number means the same whichever
//!   others are left out: at the n-th call of a process (a crash before or after it is applied, or while it is on
//!   its way and applied later; unavailable; an unknown outcome, applied or not; applied or answered late; a freeze
//!   before or after), and at times (crashes, freezes, orderly shutdowns, a line that is cut, renewals that fail,
//!   slow stores, jumps of the store's or a process's clock).
//! - **Random programs** ([`random`]): a tree of sequences, loops, joins, races, waits for one, any and all of several
//!   events, sleeps, actions, outside
//!   effects, transactions, keys, children of two generations and handlers, drawn from the seed, given to the run as its input and executed by one
//!   workflow. Clients start, emit (early, late, twice, never), cancel, pause, resume, retry and restart through
//!   whichever process answers, and repeat what was not acknowledged; blocked runs are resumed. Steps and workflow code panic. Versions of the code differ.
//!
//! # What is checked
//!
//! The [`Watch`] sits behind the faults and sees what the store has really applied, at each call; the ledger of
//! executions is outside of all processes. A violation is any of these:
//!
//! 1. a step's code begins after its end was on record, out of turn, or outside of its worker's lease;
//! 2. an outside effect acts without a recorded start, or when nobody knows what the execution before came to; a run
//!    is sent back so that one which has acted, or may have, is repeated, be it by a child, and nobody has allowed that
//!    ([`Watch::allow_repeats`]);
//! 3. an event is consumed twice, altered, lost, or goes to somebody else; a deadline passes or a run is parked
//!    although the event that it waits for is there;
//! 4. an execution sees other steps or answers than the history gives, as far as they were durable;
//! 5. a run has not ended long after the last fault, or is blocked without one;
//! 6. a write or a renewal with a stale epoch is accepted, a run is claimed whose lease has not run out, or anything
//!    happens to a run while it is paused; a run that was sent back goes on before the children that it has left
//!    behind are cancelled;
//! 7. a run's end, its steps or its cells differ from what a sequential model makes of the recorded answers
//!    (`random/model.rs`, plain recursion that shares nothing with the engine);
//! 8. what counts of a history whose run was sent back is not what a rewind is said to leave (`watch/counting.rs`);
//! 9. a history cannot be: epochs shrink, something follows a step's end, an attempt comes before its time, what
//!    was committed is not what is read.
//!
//! A seed that fails is played again with fewer faults, until none can be left out; the line that repeats it so
//! is printed.
//!
//! # Your own workflows
//!
//! [`Simulation`] takes anybody's engine, client and checks; see there. [`Watch::begin`] lets doubles of outside
//! services take part in rules 1 and 2, [`Expecting`] waits in rule 3.
//!
//! # What is not covered
//!
//! - Threads: each process has one, and a poll is never interrupted. What a process can suffer between a check and
//!   the act in the same poll (ARCHITECTURE names it) does not happen here, so rules 1 and 2 hold without exception,
//!   but for this one: a jump of the store's clock gives a run to another worker while its holder has a lease by
//!   every clock that it can see. When it is the same process that gets it again, what is executed there has to be right
//!   under one of the two leases.
//! - Clocks that are set back while versions differ: which code is newer is told by when its process has started,
//!   in the store's time, and until a clock that was set back has caught up the newer one is not known as such.
//! - Disks: torn pages, lost syncs, full disks. A store's own errors are made up on the line before it.
//! - Retention, attachments that start runs or emit, gates that are shared between runs, histories and inboxes of
//!   more than a page, children that are sent back themselves, schedules, flow control.

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
mod strike;
mod trace;
mod watch;
mod world;

pub use backend::{Backend, Cells, Lost, MemoryBackend, PostgresBackend, SqliteBackend};
pub use boot::Boot;
pub use dice::Dice;
pub use fault::{Clocks, Faults};
pub use random::{Play, StoreKind};
pub use report::Report;
pub use shrink::shrink;
pub use simulation::Simulation;
pub use watch::{Execution, Expecting, PANIC, Waiting, Watch, Who};
pub use world::World;
