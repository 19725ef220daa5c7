//! Running other programs: their output goes straight to the terminal, and a failure is one sentence.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// The machine's monotonic clock, with which the commands' times are taken.
#[expect(
    clippy::disallowed_methods,
    reason = "it tells a developer how long a command took; nothing depends on it"
)]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Says what is run, runs it with its output going where ours goes, and waits for its end.
///
/// # Errors
/// One sentence that names the command and how it ended.
pub fn stream(command: &mut Command) -> Result<()> {
    let line = command_line(command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    ensure!(status.success(), "`{line}` ended with {status}");
    Ok(())
}

/// Runs a command quietly and answers its standard output.
///
/// # Errors
/// One sentence that names the command, with what it wrote to standard error.
pub fn capture(command: &mut Command) -> Result<String> {
    let line = command_line(command);
    let output = command.output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!(
            "`{line}` ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` wrote something that is not UTF-8"))
}

/// Whether a command can be started and succeeds; its output is discarded.
pub fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The command as somebody would type it, with the variables it is given.
fn command_line(command: &Command) -> String {
    let mut line = String::new();
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            let _ = write!(line, "{}={} ", key.display(), quoted(&value.to_string_lossy()));
        }
    }
    let _ = write!(line, "{}", quoted(&command.get_program().to_string_lossy()));
    for argument in command.get_args() {
        let _ = write!(line, " {}", quoted(&argument.to_string_lossy()));
    }
    line
}

fn quoted(word: &str) -> String {
    if word.is_empty() || word.contains(char::is_whitespace) {
        format!("'{word}'")
    } else {
        word.to_owned()
    }
}

/// A time as people read it: `0.4 s`, `12.3 s`, `2 min 03 s`.
pub fn readable(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_pasted() {
        let mut command = Command::new("cargo");
        command
            .args(["test", "two words", ""])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            command_line(&command),
            "RUSTDOCFLAGS='-D warnings' cargo test 'two words' ''"
        );
    }

    #[test]
    fn a_failure_names_the_command_and_its_end() {
        let mut missing = Command::new("no-such-program-of-ours");
        assert!(
            stream(&mut missing)
                .unwrap_err()
                .to_string()
                .contains("`no-such-program-of-ours`")
        );
        let mut failing = Command::new(env!("CARGO"));
        failing.arg("no-such-command");
        let message = capture(&mut failing).unwrap_err().to_string();
        assert!(
            message.contains("no-such-command` ended with exit status: 101"),
            "{message}"
        );
    }

    #[test]
    fn times_are_readable() {
        for (millis, text) in [
            (40, "0.0 s"),
            (12_340, "12.3 s"),
            (60_000, "1 min 00 s"),
            (123_900, "2 min 03 s"),
        ] {
            assert_eq!(readable(Duration::from_millis(millis)), text);
        }
    }
}
