//! From bytes to intake rows, through the public interface.

// A test that cannot go on says so by panicking, in its rows' builders too.
#![allow(clippy::unwrap_used)]

mod files;
mod newsletters;
