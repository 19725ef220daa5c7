//! The binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    lumina::commands::main()
}
