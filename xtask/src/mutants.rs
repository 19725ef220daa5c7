//! `cargo xtask mutants`: the tests are tested. Bugs that this project could have had are planted one by one
//! into a copy of the checkout, and for each the tests that guard against it must fail.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{capture, monotonic, readable, stream};
use crate::workspace::Workspace;

mod planted;

use planted::MUTANTS;

/// A bug, planted by replacing one text that occurs once.
#[derive(Debug)]
struct Mutant {
    name: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    /// The package whose tests guard against it, and parts of their names.
    package: &'static str,
    tests: &'static [&'static str],
}

/// Plants each bug, or those whose name contains a filter, and tells by which test it was caught.
///
/// # Errors
/// The bugs that no test has caught; a text that is not there any more, or a plant that does not compile.
pub fn run(workspace: &Workspace, filters: &[String]) -> Result<()> {
    let wanted =
        |mutant: &&Mutant| filters.is_empty() || filters.iter().any(|part| mutant.name.contains(part.as_str()));
    let mutants: Vec<&Mutant> = MUTANTS.iter().filter(wanted).collect();
    ensure!(
        !mutants.is_empty(),
        "no planted bug has a name with `{}` in it",
        filters.join("` or `")
    );
    let garden = Garden::lay_out(workspace)?;
    garden.check_healthy(&mutants)?;
    let mut missed = Vec::new();
    for mutant in &mutants {
        let begun = monotonic();
        let caught = garden.try_out(mutant)?;
        let took = readable(monotonic().duration_since(begun));
        match caught {
            Some(test) => eprintln!("{}: caught by {test} ({took})", mutant.name),
            None => missed.push(mutant.name),
        }
    }
    if missed.is_empty() {
        eprintln!("all {} planted bugs were caught", mutants.len());
        return Ok(());
    }
    bail!("no test has caught: {}", missed.join(", "))
}

/// A copy of the checkout with a build folder of its own, so that what is unchanged is not compiled again.
struct Garden {
    tree: PathBuf,
    build: PathBuf,
}

impl Garden {
    fn lay_out(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.target_folder()?.join("mutants");
        let garden = Self {
            tree: folder.join("tree"),
            build: folder.join("build"),
        };
        for file in workspace.tracked()? {
            let (from, to) = (workspace.root().join(&file), garden.tree.join(&file));
            let content = std::fs::read(&from).with_context(|| format!("cannot read {file}"))?;
            write_if_other(&to, &content)?;
        }
        Ok(garden)
    }

    /// Without a plant all of these tests pass, else their failing says nothing.
    fn check_healthy(&self, mutants: &[&Mutant]) -> Result<()> {
        let mut packages: Vec<&str> = mutants.iter().map(|mutant| mutant.package).collect();
        packages.sort_unstable();
        packages.dedup();
        for package in packages {
            let tests = mutants.iter().filter(|mutant| mutant.package == package);
            let tests: Vec<&str> = tests.flat_map(|mutant| mutant.tests.iter().copied()).collect();
            stream(&mut self.nextest(package, &tests)).context("the tests fail without a planted bug")?;
        }
        Ok(())
    }

    /// The first test that fails with the bug in place.
    fn try_out(&self, mutant: &Mutant) -> Result<Option<String>> {
        let path = self.tree.join(mutant.file);
        let sound = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", mutant.file))?;
        let found = sound.matches(mutant.from).count();
        ensure!(
            found == 1,
            "{}: its text occurs {found} times in {}, and must occur once; follow the code with the plant",
            mutant.name,
            mutant.file
        );
        std::fs::write(&path, sound.replace(mutant.from, mutant.to))?;
        let answer = self.look_for_failure(mutant);
        std::fs::write(&path, sound)?;
        answer
    }

    fn look_for_failure(&self, mutant: &Mutant) -> Result<Option<String>> {
        let mut build = self.nextest(mutant.package, mutant.tests);
        capture(build.arg("--no-run")).with_context(|| format!("{} does not compile", mutant.name))?;
        let output = self.nextest(mutant.package, mutant.tests).output()?;
        if output.status.success() {
            return Ok(None);
        }
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let failed = told.lines().find(|line| {
            ["FAIL", "TIMEOUT", "SIGABRT"]
                .iter()
                .any(|word| line.trim_start().starts_with(word))
        });
        let failed = failed.with_context(|| format!("{}: the runner failed, and no test has: {told}", mutant.name))?;
        Ok(failed.split_whitespace().last().map(str::to_owned))
    }

    fn nextest(&self, package: &str, tests: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.build)
            .args(["nextest", "run", "--profile", "mutants", "--package", package])
            .args(tests);
        cargo
    }
}

/// Times stay as they are where nothing has changed, so that cargo sees that.
fn write_if_other(path: &Path, content: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    let folder = path.parent().expect("a tracked file lies in a folder");
    std::fs::create_dir_all(folder)?;
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The plants follow the code: without running them, a text that has gone is told at once.
    #[test]
    fn every_plant_finds_its_place() {
        let workspace = Workspace::of_this_checkout();
        for mutant in MUTANTS {
            let path = workspace.root().join(mutant.file);
            let code = std::fs::read_to_string(path).unwrap();
            assert_eq!(
                code.matches(mutant.from).count(),
                1,
                "{} in {}",
                mutant.name,
                mutant.file
            );
            assert_ne!(mutant.from, mutant.to, "{}", mutant.name);
        }
    }

    #[test]
    fn there_are_enough_of_them_and_each_has_a_name() {
        let mut names: Vec<&str> = MUTANTS.iter().map(|mutant| mutant.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), MUTANTS.len());
        assert!(names.len() >= 12);
        assert!(names.iter().filter(|name| name.starts_with("sql-")).count() >= 3);
    }
}
