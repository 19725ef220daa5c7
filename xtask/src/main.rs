//! The project's own commands: `cargo xtask ci|test|tidy|bench|chaos`.
//!
//! Small dependencies on purpose: this package builds first and fails first.

mod arguments;
mod bench;
mod chaos;
mod ci;
mod mutants;
mod process;
mod server;
mod smoke;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use crate::arguments::{Request, USAGE};
use crate::workspace::Workspace;

fn main() -> ExitCode {
    let request = match arguments::parse(std::env::args().skip(1)) {
        Ok(request) => request,
        Err(error) => {
            eprintln!("error: {error:#}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&request) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(request: &Request) -> anyhow::Result<()> {
    let workspace = Workspace::of_this_checkout();
    match request {
        Request::Help => {
            println!("{USAGE}");
            Ok(())
        }
        Request::Ci => ci::run(&workspace),
        Request::Test(selection) => test::run(&workspace, selection, test::Profile::Default),
        Request::Mutants(filters) => mutants::run(&workspace, filters),
        Request::Tidy => tidy::run(&workspace),
        Request::Bench(arguments) => bench::run(&workspace, arguments),
        Request::Chaos(arguments) => chaos::run(&workspace, arguments),
    }
}
