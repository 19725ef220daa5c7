//! E-mail addresses: cleaned and checked once, at the edge; then compared by key and sorted by class.

mod address;
mod class;
mod classifier;
mod clean;
mod dedupe;
mod domains;
mod role;

pub use address::{AddressError, EmailAddress, MAX_ADDRESS_BYTES, MAX_LOCAL_PART_BYTES};
pub use class::{AddressClass, UnknownClass};
pub use classifier::{ClassOverrides, Classifier, ClassifierError, MAX_OVERRIDES};
pub use clean::{MAX_RAW_BYTES, clean};
pub use dedupe::DedupeKey;
