//! The routes: each status and code of each, over the real router.

mod auth;
mod batches;
mod callbacks;
mod control;
mod enrichment;
mod errors;
mod health;
mod leads;
mod limits;
mod logs;
mod metrics;
mod newsletters;
mod schedules;
mod serving;
mod settings;
mod signs;
mod subscribe;
mod unavailable;
mod upload;
mod workflows;
