//! Repeats a seed, or plays a range of them.

fn main() -> std::process::ExitCode {
    lumina_workflow_sim::command::main()
}
