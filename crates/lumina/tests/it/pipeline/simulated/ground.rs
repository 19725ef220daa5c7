//! The database that simulated processes share.

use std::sync::Arc;

use lumina::calls::Calls;
use lumina::database::{Database, SCHEMA_OWNER, file_scripts, server_scripts};
use lumina_fullenrich::{Limiter, Transport};
use lumina_fullenrich_sandbox::SandboxConfig;
use lumina_workflow::{Runtime, StoreClock};
use lumina_workflow_sim::{Backend, PostgresBackend, SqliteBackend};

use crate::pipeline::world::On;

/// A file, or a server's database. Clones are the same one.
#[derive(Clone)]
pub enum Ground {
    /// Dies with its processes, all of them at once.
    File(Arc<SqliteBackend>),
    /// Outlives each of them, and loses connections.
    Server(Arc<PostgresBackend>),
}

impl Ground {
    /// An empty one.
    pub fn new(on: On, seed: u64, clock: StoreClock) -> Self {
        match on {
            On::File => {
                let scripts = file_scripts();
                Self::File(Arc::new(SqliteBackend::with_scripts(
                    clock,
                    &[(SCHEMA_OWNER, &scripts)],
                )))
            }
            On::Server => {
                let (scripts, purpose) = (server_scripts(), "town");
                let own = [(SCHEMA_OWNER, &scripts[..])];
                Self::Server(Arc::new(PostgresBackend::with_scripts(purpose, seed, clock, &own)))
            }
        }
    }

    pub fn backend(&self) -> Arc<dyn Backend> {
        match self {
            Self::File(backend) => backend.clone(),
            Self::Server(backend) => backend.clone(),
        }
    }

    /// As the application has it. A file is another one after a crash.
    pub fn database(&self) -> Database {
        match self {
            Self::File(backend) => Arc::new(backend.sqlite()).into(),
            Self::Server(backend) => Arc::new(backend.postgres()).into(),
        }
    }

    /// Each process counts its own calls, or all do together.
    pub fn count_calls(
        &self,
        sandbox: &SandboxConfig,
        runtime: &Arc<dyn Runtime>,
        transport: Arc<dyn Transport>,
    ) -> (Calls, Arc<dyn Transport>) {
        let most = sandbox.calls_per_minute;
        match self {
            Self::File(_) => (Calls::alone(Arc::new(Limiter::new(most))), transport),
            Self::Server(_) => Calls::shared(self.database().store(), runtime.clone(), most, transport),
        }
    }

    /// Where in a POST's `p.jobs` a lookup's `j.id` is, in the database's words; 0 is nowhere.
    pub fn place_of_job(&self) -> &'static str {
        match self {
            Self::File(_) => "instr(p.jobs, j.id)",
            Self::Server(_) => "position(uuid_send(j.id) IN p.jobs)",
        }
    }
}
