//! Everything composed: store, records, provider, engine.

use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use lumina_enrichment::email::Classifier;
use lumina_enrichment::icp::IcpProfile;
use lumina_fullenrich::{Client, Limiter, Transport};
use lumina_workflow::codec::Codec;
use lumina_workflow::store::RunQuery;
use lumina_workflow::{Engine, EngineBuilder, Runtime, StoreClock};
use secrecy::SecretString;

use crate::calls::Calls;
use crate::database::{Database, DatabaseParts};
use crate::records::{People, Records};
use crate::workflows::{self, Context, PipelineSettings, Provider};

/// What an application is made of.
pub struct Parts {
    /// The database.
    pub database: DatabaseParts,
    /// How payloads are encoded in it; see [`encryption`](crate::encryption).
    pub codec: Arc<dyn Codec>,
    /// Tasks, time, randomness.
    pub runtime: Arc<dyn Runtime>,
    /// The way to the provider.
    pub provider: ProviderParts,
    /// Times and limits.
    pub settings: PipelineSettings,
    /// What a good lead is.
    pub profile: IcpProfile,
    /// What addresses are.
    pub classifier: Classifier,
    /// Whose people the database is for; `None` takes either.
    pub people: Option<People>,
}

/// The way to the provider.
pub struct ProviderParts {
    /// What carries the calls.
    pub transport: Arc<dyn Transport>,
    /// Where it is.
    pub base_url: String,
    /// The key.
    pub api_key: SecretString,
    /// Calls a minute, all together.
    pub calls_per_minute: NonZeroU32,
    /// Where it calls back, if it can.
    pub callback: Option<String>,
}

/// The application. Clones are the same one.
#[derive(Clone)]
pub struct App {
    /// The engine.
    pub engine: Engine,
    /// The application's tables.
    pub records: Records,
    /// What the workflows work with.
    pub context: Arc<Context>,
    /// What addresses are.
    pub classifier: Arc<Classifier>,
    /// The database.
    pub database: Database,
}

impl App {
    /// Opens the database, brings it up to date, and builds the engine. Nothing is executed
    /// until a worker is started.
    ///
    /// # Errors
    /// When the database cannot be opened, belongs to another process or to other people, or
    /// the configuration does not work.
    pub async fn open(parts: Parts) -> anyhow::Result<Self> {
        Self::open_with(parts, |builder| builder).await
    }

    /// The same, with an engine that the caller adds to.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(parts: Parts, add: impl FnOnce(EngineBuilder) -> EngineBuilder) -> anyhow::Result<Self> {
        let clock = StoreClock::of(parts.runtime.clone());
        let database = Database::open(parts.database, clock, parts.codec).await?;
        let records = Records::new(database.clone());
        let runtime = parts.runtime;
        let provider = make_provider(&parts.provider, &database, &runtime)?;
        let context = Context::new(
            records.clone(),
            runtime.clone(),
            provider,
            parts.settings,
            parts.profile,
        );
        let context = Arc::new(context);
        let builder = Engine::builder(database.store(), runtime).commits_at_once(database.commits_at_once());
        let builder = workflows::register(builder, &context)?;
        let engine = add(builder).build().await?;
        context.attach_engine(&engine);
        let app = Self {
            engine,
            records,
            context,
            classifier: Arc::new(parts.classifier),
            database,
        };
        if let Some(people) = parts.people {
            app.settle_people(people).await?;
            app.read_newest_run().await?;
        }
        Ok(app)
    }

    /// Without its keys an encrypted database would be found out by the first claim, and be given plain values
    /// until then. The newest run was written with the key that is in use.
    async fn read_newest_run(&self) -> anyhow::Result<()> {
        let newest = RunQuery {
            limit: 1,
            ..RunQuery::default()
        };
        self.engine.runs(newest).await.map(drop)?;
        Ok(())
    }

    /// Invented people never meet real addresses.
    async fn settle_people(&self, wanted: People) -> anyhow::Result<()> {
        let found = match self.records.people().await? {
            Some(found) => found,
            None => {
                let stamp = self
                    .engine
                    .transact(self.context.runtime.new_id(), Records::stamp(wanted))
                    .await?;
                stamp.decode().context("the database's stamp cannot be read")?
            }
        };
        if found != wanted.as_str() {
            bail!(
                "this database holds {found} people, and this command works with {} ones: use another database (database.url)",
                wanted.as_str()
            );
        }
        Ok(())
    }
}

/// On a server all processes count their calls together.
fn make_provider(parts: &ProviderParts, database: &Database, runtime: &Arc<dyn Runtime>) -> anyhow::Result<Provider> {
    let (transport, most) = (parts.transport.clone(), parts.calls_per_minute);
    let (calls, transport) = match database {
        Database::File(_) => (Calls::alone(Arc::new(Limiter::new(most))), transport),
        Database::Server(_) => Calls::shared(database.store(), runtime.clone(), most, transport),
    };
    let client = Client::new(transport, &parts.base_url, &parts.api_key, calls.limiter())?;
    Ok(Provider {
        client,
        calls,
        callback: parts.callback.clone(),
    })
}
