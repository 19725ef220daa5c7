//! Requirements 14.1 to 14.6 of the enrichment workflow, each through HTTP, the program, SQLite and the sandbox.

mod r14_1_trigger;
mod r14_2_batches;
mod r14_3_wait;
mod r14_4_resume;
mod r14_5_retries;
mod r14_6_timeout;

use serde_json::Value;

/// The run that an answer names.
#[track_caller]
fn workflow_id(answer: &Value) -> &str {
    answer["workflowId"]
        .as_str()
        .unwrap_or_else(|| panic!("a workflow is started: {answer}"))
}
