//! The floors that the benchmarks are held against: plain SQLite, nothing of ours.
