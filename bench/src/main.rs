//! Lumina's benchmarks.

fn main() {}
