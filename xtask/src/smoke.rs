//! The demo, once, as a stranger runs it: the built binary in an empty folder, judged by what it prints.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::process::stream;
use crate::workspace::Workspace;

/// A debug build's demo takes seconds; three minutes are a hang on any machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the demo counts, each a whole number.
const COUNTS: [&str; 11] = [
    "subscribers",
    "personal",
    "corporate",
    "relay",
    "disposable",
    "enriched",
    "notFound",
    "failed",
    "stale",
    "creditsUsed",
    "hiddenGems",
];

/// Builds the binary, runs its demo to the end in an empty folder, and checks what it counted.
///
/// # Errors
/// What does not build, a demo that fails or hangs, or a result that is not what a demo must come to.
pub fn run(workspace: &Workspace) -> Result<()> {
    // The same build as the tests', so that after them nothing is compiled again.
    stream(workspace.cargo().args(["build", "--workspace", "--bins", "--tests"]))?;
    let target = workspace.target_folder()?;
    let binary = target
        .join("debug")
        .join(format!("lumina{}", std::env::consts::EXE_SUFFIX));
    let folder = empty_folder(&target)?;
    eprintln!("$ {} demo --once --json", binary.display());
    let printed = demo(&binary, &folder)?;
    let counted = judge(&printed).with_context(|| format!("`lumina demo --once --json` printed {}", printed.trim()))?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    eprintln!("demo: {counted}");
    Ok(())
}

/// A folder in the target folder, and nothing in it: on the disk, where people will have their database.
fn empty_folder(target: &Path) -> Result<PathBuf> {
    let folder = target.join("xtask").join("smoke");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Runs the demo in `folder` and answers what it printed.
fn demo(binary: &Path, folder: &Path) -> Result<String> {
    let mut child = Command::new(binary)
        .args(["demo", "--once", "--json"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    let output = child.stdout.take().expect("it was piped");
    let printed = read_in_time(output, &mut child)?;
    let status = child.wait().context("cannot wait for the demo")?;
    ensure!(
        status.success(),
        "`lumina demo --once --json` ended with {status} and printed {}",
        printed.trim()
    );
    Ok(printed)
}

/// Everything the child prints, unless it takes too long: then it is ended.
fn read_in_time(mut output: ChildStdout, child: &mut Child) -> Result<String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = output.read_to_string(&mut text).map(|_| text);
        // Nobody listens any more only when the time was up.
        let _ = send.send(read);
    });
    match receive.recv_timeout(PATIENCE) {
        Ok(read) => read.context("the demo's output cannot be read"),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            child.kill().context("cannot end the demo")?;
            bail!("the demo had not ended after {} s and was killed", PATIENCE.as_secs())
        }
    }
}

/// Reads the demo's result and holds it to what must be true of every demo; answers a line that sums it up.
fn judge(printed: &str) -> Result<String> {
    let result: Value = serde_json::from_str(printed).context("that is not one JSON object")?;
    let count = |key: &str| {
        result[key]
            .as_u64()
            .with_context(|| format!("`{key}` is not a whole number"))
    };
    for key in COUNTS {
        count(key)?;
    }
    let runs = |key: &str| {
        result["workflows"][key]
            .as_u64()
            .with_context(|| format!("`workflows.{key}` is not a whole number"))
    };
    let (personal, enriched, not_found) = (count("personal")?, count("enriched")?, count("notFound")?);
    ensure!(
        count("failed")? == 0 && runs("failed")? == 0,
        "something failed, and the demo's sandbox refuses nothing"
    );
    ensure!(enriched > 0 && runs("completed")? > 0, "nobody was found");
    let classes = personal + count("corporate")? + count("relay")? + count("disposable")?;
    ensure!(
        classes == count("subscribers")?,
        "the classes do not add up to the subscribers"
    );
    let ended = enriched + not_found + count("stale")?;
    ensure!(
        ended == personal,
        "{ended} lookups ended for {personal} personal addresses"
    );
    Ok(format!(
        "{enriched} of {personal} personal addresses found, {} credits",
        count("creditsUsed")?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Value {
        serde_json::json!({
            "subscribers": 10, "personal": 6, "corporate": 2, "relay": 1, "disposable": 1, "enriched": 4, "notFound": 1,
            "failed": 0, "stale": 1, "creditsUsed": 4, "hiddenGems": 1, "workflows": {"completed": 1, "failed": 0},
        })
    }

    #[test]
    fn a_good_result_passes() {
        assert_eq!(
            judge(&good().to_string()).unwrap(),
            "4 of 6 personal addresses found, 4 credits"
        );
    }

    #[test]
    fn a_missing_key_is_named() {
        for key in COUNTS.into_iter().chain(["workflows"]) {
            let mut result = good();
            result.as_object_mut().unwrap().remove(key);
            let message = judge(&result.to_string()).unwrap_err().to_string();
            assert!(message.contains(&format!("`{key}")), "{key}: {message}");
        }
    }

    #[test]
    fn a_result_that_cannot_be_right_is_refused() {
        let table = [
            ("/failed", 1, "something failed"),
            ("/workflows/failed", 1, "something failed"),
            ("/workflows/completed", 0, "nobody was found"),
            ("/enriched", 0, "nobody was found"),
            ("/corporate", 3, "do not add up"),
            ("/stale", 0, "5 lookups ended for 6"),
            ("/enriched", 5, "7 lookups ended for 6"),
        ];
        for (pointer, value, part) in table {
            let mut result = good();
            *result.pointer_mut(pointer).unwrap() = value.into();
            let message = judge(&result.to_string()).unwrap_err().to_string();
            assert!(message.contains(part), "{pointer}: {message}");
        }
        assert!(judge("").is_err() && judge("[]").is_err() && judge("{} {}").is_err());
    }
}
