//! Bytes to intake rows: subscriber files and newsletter webhooks.
//!
//! Everything that comes in from outside becomes an [`IntakeRow`] here, checked once: [`files`] reads what people
//! export from their newsletter platform, [`newsletters`] what a platform posts. Nothing here writes anything, knows
//! HTTP, or decides what is done with a row.
//!
//! ```
//! use lumina_intake::files::{FileOptions, SubscriberFile};
//!
//! let export = "E-mail;Name;status\nsarah@gmail.com;Sarah Dev;active\nbob@gmail.com;Bob;bounced\n";
//! let mut file = SubscriberFile::open(export.as_bytes(), FileOptions::default())?;
//! let row = file.next().expect("there is a row")?;
//! assert_eq!(row.email.as_str(), "sarah@gmail.com");
//! assert_eq!(row.name.as_deref(), Some("Sarah Dev"));
//! assert!(file.next().is_none());
//! assert_eq!((file.rows(), file.skipped_unsubscribed()), (2, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod files;
pub mod newsletters;
mod row;

pub use row::IntakeRow;
