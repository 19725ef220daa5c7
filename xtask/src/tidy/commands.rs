//! Whether a `cargo ..` or `lumina ..` command that a document shows can be run.

use crate::arguments::COMMANDS;
use crate::tidy::manifests::in_section;
use crate::tidy::tree::Tree;

/// Where the binary's subcommands are, one file or folder each.
const SUBCOMMANDS: &str = "crates/lumina/src/commands";

/// The binary's sources, in which clap's options are declared.
const BINARY: &str = "crates/lumina/src/";

/// Cargo's own subcommands, and the installed ones that our documents may name.
const CARGO: [&str; 27] = [
    "add",
    "bench",
    "build",
    "check",
    "clean",
    "clippy",
    "deny",
    "doc",
    "fetch",
    "fix",
    "fmt",
    "fuzz",
    "generate-lockfile",
    "help",
    "init",
    "install",
    "locate-project",
    "metadata",
    "nextest",
    "package",
    "publish",
    "run",
    "rustc",
    "rustdoc",
    "test",
    "tree",
    "update",
];

/// What is wrong with a line of commands: nothing when each can be run, or is neither cargo's nor ours.
pub fn wrong(tree: &Tree, line: &str) -> Vec<String> {
    simple_commands(line)
        .iter()
        .filter_map(|words| wrong_command(tree, words))
        .collect()
}

/// The line's simple commands, each as its words, without variables before it and comments after.
fn simple_commands(line: &str) -> Vec<Vec<&str>> {
    let mut commands = vec![Vec::new()];
    for word in line.split_whitespace() {
        if word.starts_with('#') {
            break;
        }
        let separator = matches!(word, "|" | "||" | "&&" | ";" | "&");
        let current = commands.last_mut().expect("it begins with one");
        let assignment = word.split_once('=').is_some_and(|(name, _)| is_variable(name));
        let before_it = current.is_empty() && (assignment || word == "sudo");
        if separator {
            commands.push(Vec::new());
        } else if !before_it {
            current.push(word.trim_end_matches(';'));
            if word.ends_with(';') {
                commands.push(Vec::new());
            }
        }
    }
    commands
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn wrong_command(tree: &Tree, words: &[&str]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    match program.rsplit('/').next()? {
        "cargo" => wrong_cargo(tree, arguments),
        "lumina" => wrong_lumina(tree, arguments),
        _ => None,
    }
}

fn wrong_cargo(tree: &Tree, arguments: &[&str]) -> Option<String> {
    let at = arguments.iter().position(|word| !word.starts_with(['-', '+']))?;
    let (command, rest) = (arguments[at], &arguments[at + 1..]);
    if !is_word(command) {
        return None;
    }
    if command == "xtask" {
        return wrong_xtask(tree, rest);
    }
    if !CARGO.contains(&command) {
        return Some(format!(
            "`cargo {command}` is no command of cargo's or of .cargo/config.toml"
        ));
    }
    let after = rest.iter().position(|word| *word == "--").unwrap_or(rest.len());
    let (own, passed) = (&rest[..after], rest.get(after + 1..).unwrap_or_default());
    let package = option(own, &["-p", "--package"]);
    if let Some(package) = package.filter(|package| is_word(package) && !is_package(tree, package)) {
        return Some(format!("there is no package `{package}`"));
    }
    if let Some(folder) = option(own, &["--path"]).filter(|folder| !tree.has_folder(folder.trim_end_matches('/'))) {
        return Some(format!("there is no folder `{folder}`"));
    }
    match (command, package.unwrap_or("lumina")) {
        ("run", "lumina") => wrong_lumina(tree, passed),
        ("run", "xtask") => wrong_xtask(tree, passed),
        _ => None,
    }
}

fn wrong_xtask(tree: &Tree, arguments: &[&str]) -> Option<String> {
    let (command, rest) = arguments.split_first()?;
    for command in command.split('|').filter(|command| is_word(command)) {
        if !COMMANDS.contains(&command) {
            return Some(format!(
                "`cargo xtask {command}` does not exist; there are {}",
                COMMANDS.join(", ")
            ));
        }
    }
    let folder = match *command {
        "bench" => "bench/src/",
        "chaos" => "chaos/src/",
        _ => "xtask/src/",
    };
    unknown_flag(tree, folder, rest).map(|flag| format!("`cargo xtask {command}` has no `{flag}`"))
}

fn wrong_lumina(tree: &Tree, arguments: &[&str]) -> Option<String> {
    let at = subcommand_at(tree, arguments)?;
    for name in arguments[at].split('|').filter(|name| is_word(name)) {
        if name != "help" && !is_subcommand(tree, name) {
            return Some(format!(
                "`lumina {name}` does not exist: {SUBCOMMANDS} has no file for it"
            ));
        }
        if let Some(nested) = arguments
            .get(at + 1)
            .and_then(|words| unknown_nested(tree, name, words))
        {
            return Some(format!(
                "`lumina {name} {nested}` does not exist: {SUBCOMMANDS} has no variant for it"
            ));
        }
    }
    unknown_flag(tree, BINARY, arguments).map(|flag| format!("no command of `lumina` has `{flag}`"))
}

/// Where the subcommand is: the first word that is no option, or, after an option, which may take a value, the
/// next one if only that is known. Nothing if there is none, or a placeholder stands there.
fn subcommand_at(tree: &Tree, arguments: &[&str]) -> Option<usize> {
    let plain = |at: &usize| !arguments[*at].starts_with('-');
    let first = (0..arguments.len()).find(plain)?;
    let known = |at: &usize| is_subcommand(tree, arguments[*at]);
    let at = if first > 0 && !known(&first) {
        (first..arguments.len()).find(known).unwrap_or(first)
    } else {
        first
    };
    arguments[at].split('|').all(is_word).then_some(at)
}

fn is_subcommand(tree: &Tree, name: &str) -> bool {
    let stem = format!("{SUBCOMMANDS}/{}", name.replace('-', "_"));
    name != "mod" && (tree.has_folder(&stem) || tree.text(&format!("{stem}.rs")).is_some())
}

/// The alternative among `words` that is no variant of `name`'s nested subcommands; nothing if it has none.
fn unknown_nested<'w>(tree: &Tree, name: &str, words: &'w str) -> Option<&'w str> {
    let stem = format!("{SUBCOMMANDS}/{}", name.replace('-', "_"));
    let belongs = |path: &str| path == format!("{stem}.rs") || path.starts_with(&format!("{stem}/"));
    let sources: Vec<_> = tree
        .texts()
        .filter(|(path, _)| belongs(path))
        .map(|(_, text)| text)
        .collect();
    if !sources.iter().any(|text| has_word(text, "Subcommand")) {
        return None;
    }
    let unknown = |word: &&str| is_word(word) && !sources.iter().any(|text| has_word(text, &pascal(word)));
    words.split('|').find(unknown)
}

/// The first long option that no source under `folder` declares. One that reads its arguments by hand spells the
/// option out; one that has clap read them may also have a field of its name.
fn unknown_flag<'w>(tree: &Tree, folder: &str, arguments: &[&'w str]) -> Option<&'w str> {
    let by_hand = folder != BINARY;
    let declares = |text: &str, name: &str| {
        text.contains(&format!("\"--{name}\""))
            || (!by_hand && (text.contains(&format!("\"{name}\"")) || has_word(text, &name.replace('-', "_"))))
    };
    let sources = || {
        tree.texts()
            .filter(|(path, _)| path.starts_with(folder) && path.ends_with(".rs"))
    };
    let known = |name: &str| matches!(name, "help" | "version") || sources().any(|(_, text)| declares(text, name));
    let flags = arguments
        .iter()
        .map(|word| word.trim_matches(['[', ']']).split('=').next().unwrap_or_default());
    flags.into_iter().find(|flag| {
        flag.strip_prefix("--")
            .is_some_and(|name| is_word(name) && !known(name))
    })
}

/// The value of the first of these options, in either of its forms.
fn option<'w>(words: &[&'w str], names: &[&str]) -> Option<&'w str> {
    words
        .iter()
        .enumerate()
        .find_map(|(at, word)| match word.split_once('=') {
            Some((name, value)) if names.contains(&name) => Some(value),
            None if names.contains(word) => words.get(at + 1).copied(),
            _ => None,
        })
}

fn is_package(tree: &Tree, name: &str) -> bool {
    let line = format!("name = \"{name}\"");
    tree.texts()
        .any(|(path, text)| path.ends_with("Cargo.toml") && in_section(text, "package").any(|found| found == line))
}

/// A word as commands and flags are written; anything else is a placeholder.
fn is_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

/// `may-pay-twice` as `MayPayTwice`.
fn pascal(word: &str) -> String {
    let capital = |part: &str| part[..1].to_ascii_uppercase() + &part[1..];
    word.split('-').filter(|part| !part.is_empty()).map(capital).collect()
}

/// Whether `text` has `word` between characters that are in no identifier.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word)
        .any(|(at, _)| !part(text[..at].chars().next_back()) && !part(text[at + word.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        Tree::of(&[
            ("crates/lumina/Cargo.toml", "[package]\nname = \"lumina\"\n"),
            ("crates/workflow/Cargo.toml", "[package]\nname = \"lumina-workflow\"\n"),
            (
                "crates/lumina/src/main.rs",
                "struct Global { json: bool, config: PathBuf }",
            ),
            ("crates/lumina/src/commands/mod.rs", ""),
            (
                "crates/lumina/src/commands/demo.rs",
                "struct Demo { once: bool, sandbox_delay: Delay }",
            ),
            (
                "crates/lumina/src/commands/import.rs",
                "struct Import { #[arg(long = \"yes\")] agreed: bool }",
            ),
            (
                "crates/lumina/src/commands/workflows.rs",
                "#[derive(Subcommand)] enum Workflows { List, Show(Show) }",
            ),
            (
                "crates/lumina/src/commands/jobs/mod.rs",
                "#[derive(Subcommand)] enum Jobs { List, Retry(Retry) }",
            ),
            ("xtask/src/arguments.rs", "\"--sim-seed\" => x,"),
            ("bench/src/arguments.rs", "\"--json\" => x,"),
        ])
    }

    #[test]
    fn what_can_be_run_passes() {
        for line in [
            "cargo run --release -- demo",
            "cargo run --release -- demo --once --json --sandbox-delay=3s",
            "cargo xtask test retry --sim-seed 7",
            "cargo xtask bench floor --json",
            "cargo xtask ci|test",
            "cargo +nightly test -p lumina-workflow",
            "cargo install --path crates/lumina --locked",
            "lumina --config lumina.toml import subscribers.csv --yes",
            "FULLENRICH_API_KEY=secret lumina import FILE.csv",
            "./target/release/lumina workflows list|show",
            "lumina jobs retry && lumina demo; lumina help",
            "lumina demo # starts --everything",
            "lumina COMMAND --help",
            "lumina <command>",
            "lumina",
            "curl --fail http://127.0.0.1:7878/healthz | jq .",
            "cargo ...",
        ] {
            assert_eq!(wrong(&tree(), line), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn what_cannot_is_named() {
        for (line, part) in [
            ("cargo run -- dmo", "`lumina dmo`"),
            ("cargo rn", "`cargo rn`"),
            ("cargo xtask tset", "`cargo xtask tset`"),
            ("cargo xtask test --seed 7", "no `--seed`"),
            ("cargo xtask bench --quick", "no `--quick`"),
            ("cargo test -p lumina-workflw", "`lumina-workflw`"),
            ("cargo test --package=nope", "`nope`"),
            ("cargo install --path crates/gone", "`crates/gone`"),
            ("lumina demo && lumina gone", "`lumina gone`"),
            ("lumina workflows list|pause", "`lumina workflows pause`"),
            ("lumina jobs buy", "`lumina jobs buy`"),
            ("lumina --json mod", "`lumina mod`"),
            ("lumina demo --twice", "`--twice`"),
            ("X=1 lumina import list.csv [--force]", "`--force`"),
        ] {
            let wrong = wrong(&tree(), line);
            assert!(wrong.len() == 1 && wrong[0].contains(part), "{line}: {wrong:?}");
        }
    }

    #[test]
    fn names_are_matched_whole() {
        assert!(has_word("a sandbox_delay: b", "sandbox_delay"));
        assert!(!has_word("sandbox_delays and my_sandbox_delay", "sandbox_delay"));
        assert_eq!(pascal("may-pay-twice"), "MayPayTwice");
    }
}
