//! `cargo xtask chaos`: the chaos test, with everything that it needs built before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{capture, stream, succeeds};
use crate::server;
use crate::workspace::Workspace;

/// The options in which a guard is named.
const WITHOUT: &str = "--without";
const WITH: &str = "--with";

/// The options for a fleet, which needs a server.
const FLEET: &str = "--fleet";
const HOSTS: &str = "--hosts";
const NEED_SERVER: [&str; 2] = [FLEET, HOSTS];

/// Builds Lumina and the runner, and hands the runner `arguments`. Both are debug builds: what they spend their time on
/// is the disk and each other, and a release build takes longer than the test.
///
/// # Errors
/// What does not build, or a run that did not go as it must.
pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|word| NEED_SERVER.contains(&word.as_str())) {
        server::install_programs()?;
    }
    Stage::build(workspace, named(arguments, WITHOUT).is_some())?.play(arguments)
}

/// A minute of everything on one machine, and one of a fleet; then each guard's scene without the guard.
///
/// # Errors
/// The first run that did not go as it must: something does not hold, or a guard's absence does not show.
pub fn pass(workspace: &Workspace) -> Result<()> {
    server::install_programs()?;
    let stage = Stage::build(workspace, false)?;
    stage.play(&[])?;
    stage.play(&[FLEET.to_owned()])?;
    match can_make_hosts() {
        true => stage.play(&[HOSTS.to_owned()])?,
        false => eprintln!("no network namespaces can be made here: `cargo xtask chaos {HOSTS}` is left out"),
    }
    let sabotaged = Stage::build(workspace, true)?;
    for guard in sabotaged.guards()? {
        sabotaged.play(&[WITHOUT.to_owned(), guard])?;
    }
    Ok(())
}

/// Whether this is Linux, with `ip`, and this user may make network namespaces.
fn can_make_hosts() -> bool {
    const TRIED: &str = "lumchaos-tried";
    let made = succeeds(Command::new("ip").args(["netns", "add", TRIED]));
    if made {
        succeeds(Command::new("ip").args(["netns", "del", TRIED]));
    }
    made
}

/// What a run needs.
struct Stage {
    root: PathBuf,
    runner: PathBuf,
    lumina: PathBuf,
    folder: PathBuf,
}

impl Stage {
    fn build(workspace: &Workspace, sabotage: bool) -> Result<Self> {
        let target = workspace.target_folder()?;
        let folder = target.join("xtask").join("chaos");
        build(workspace, sabotage)?;
        Ok(Self {
            root: workspace.root().to_owned(),
            runner: program(&target, "lumina-chaos"),
            lumina: keep_program(&target, &folder)?,
            folder,
        })
    }

    fn play(&self, arguments: &[String]) -> Result<()> {
        let is_named = |option: &&&str| arguments.iter().any(|word| word == **option);
        let fleet = NEED_SERVER
            .iter()
            .find(is_named)
            .map(|option| option.trim_start_matches('-'));
        let whole = fleet.unwrap_or("all");
        let scene = named(arguments, WITHOUT).or(named(arguments, WITH)).unwrap_or(whole);
        let mut runner = Command::new(&self.runner);
        runner.current_dir(&self.root).arg("--lumina").arg(&self.lumina);
        runner.arg("--folder").arg(self.folder.join(scene));
        stream(runner.args(arguments))
    }

    fn guards(&self) -> Result<Vec<String>> {
        let names = capture(Command::new(&self.runner).arg("--guards"))?;
        Ok(names.lines().map(str::to_owned).collect())
    }
}

/// With a feature that can do without guards, or, as everybody has it, without. The test is in it so that dependencies
/// are those of all other tests, and not compiled a second time.
fn build(workspace: &Workspace, sabotage: bool) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "--workspace",
        "--bin",
        "lumina",
        "--bin",
        "lumina-chaos",
        "--test",
        "worlds",
    ]);
    if sabotage {
        cargo.args(["--features", "lumina/sabotage"]);
    }
    stream(&mut cargo)
}

/// A copy of the program, which no build replaces while it is being started again and again.
fn keep_program(target: &Path, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let copy = folder.join(format!("lumina{}", std::env::consts::EXE_SUFFIX));
    fs::copy(program(target, "lumina"), &copy).with_context(|| format!("cannot write {}", copy.display()))?;
    Ok(copy)
}

fn program(target: &Path, name: &str) -> PathBuf {
    target
        .join("debug")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// The value of an option.
fn named<'a>(arguments: &'a [String], option: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|word| word == option)?;
    arguments.get(at + 1).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_is_found_among_the_arguments() {
        let arguments = ["--seed", "7", "--without", "budget"].map(str::to_owned);
        assert_eq!(named(&arguments, WITHOUT), Some("budget"));
        assert_eq!(named(&arguments, WITH), None);
        assert_eq!(named(&arguments[..3], WITHOUT), None);
    }
}
