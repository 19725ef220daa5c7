//! What has to be known of a result before it is read: which one it is, how far it is, and what was sent with it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Answer, BatchStatus, Cost, UnreadableResult, enrichment_id, lenient, status};
use crate::EnrichmentId;

/// A result without its people, which are most of it. Reading this alone takes a fraction of the time, and finds the
/// same as reading everything.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ResultHead {
    /// The enrichment id.
    #[serde(deserialize_with = "enrichment_id")]
    pub id: Option<EnrichmentId>,
    /// The name that the batch was sent under.
    #[serde(deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// How far it has come.
    #[serde(deserialize_with = "status")]
    pub status: Option<BatchStatus>,
    /// What it has cost so far.
    #[serde(deserialize_with = "lenient::object")]
    pub cost: Cost,
    /// The custom values of each of the first 500 records.
    #[serde(rename = "data", deserialize_with = "lenient::objects")]
    pub records: Vec<RecordHead>,
}

/// One record without its person.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RecordHead {
    /// The custom values as they were sent; a value that is no string is left out.
    #[serde(deserialize_with = "lenient::text_map")]
    pub custom: BTreeMap<String, String>,
}

impl ResultHead {
    /// Reads a body, however incomplete.
    ///
    /// ```
    /// use lumina_fullenrich::result::ResultHead;
    ///
    /// let head = ResultHead::parse(br#"{"status":"FINISHED","data":[{"custom":{"job":"7"},"profile":{}}]}"#)?;
    /// assert!(head.is_final());
    /// assert_eq!(head.records[0].custom["job"], "7");
    /// # Ok::<(), lumina_fullenrich::UnreadableResult>(())
    /// ```
    ///
    /// # Errors
    /// [`UnreadableResult`] when the body is no JSON object. Nothing inside of one is an error.
    pub fn parse(body: &[u8]) -> Result<Self, UnreadableResult> {
        lenient::read_object(body).map_err(|detail| UnreadableResult { detail })
    }

    /// Whether nothing more will come: the status is one of the three that are known to be an end.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.status.as_ref().is_some_and(BatchStatus::is_final)
    }
}

impl From<&Answer> for ResultHead {
    fn from(answer: &Answer) -> Self {
        let result = answer.result();
        let custom = result.data.iter().map(|record| record.custom.clone());
        Self {
            id: result.id.clone(),
            name: result.name.clone(),
            status: result.status.clone(),
            cost: result.cost.clone(),
            records: custom.map(|custom| RecordHead { custom }).collect(),
        }
    }
}
