//! The binary.

use std::process::ExitCode;

/// Runs are many small allocations that one thread makes and another one frees; see docs/decisions.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lumina::commands::main()
}
