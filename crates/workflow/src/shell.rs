//! What all parts of an engine share.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::ends::Ends;
use crate::pipeline::Pipeline;
use crate::runtime::Runtime;
use crate::schedule::Declared;
use crate::store::Store;
use crate::workflow::Definition;

pub(crate) struct Shell {
    pub store: Arc<dyn Store>,
    pub runtime: Arc<dyn Runtime>,
    pub definitions: BTreeMap<&'static str, Arc<Definition>>,
    /// By name.
    pub schedules: BTreeMap<String, Declared>,
    pub pipeline: Pipeline,
    pub ends: Ends,
    /// When the engine was built, in the store's time: newer code knows better than older.
    pub known_since: Timestamp,
    #[cfg(feature = "testing")]
    pub interceptor: Option<Arc<dyn crate::intercept::Interceptor>>,
}
