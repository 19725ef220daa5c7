//! The project's own commands: tidy, test, ci, bench.

fn main() {}
