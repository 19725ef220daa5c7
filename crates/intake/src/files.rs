//! Files of subscribers: what newsletter platforms and spreadsheets export as CSV.
//!
//! A file is read as a stream, so that memory stays flat whatever its size. Nothing about it has to be said
//! beforehand: the encoding, the delimiter, the header row and the meaning of the columns are found out from its
//! first 64 KiB.

mod delimiter;
mod encoding;
mod error;
mod header;
mod layout;
mod limits;
mod reader;
mod records;
mod standing;
mod text;

pub use encoding::NotText;
pub use error::{FileError, RowCode, RowError};
pub use limits::FileLimits;
pub use reader::{FileOptions, FileShape, SubscriberFile};
