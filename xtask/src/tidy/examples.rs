//! Every public type, trait, function, method and macro of the engine's crates shows how it is used: by a compiled
//! example in its own documentation, in that of its type or of one of the type's `impl` blocks, or in a
//! place that it names in a sentence, which says "An example is at" and then links to it.
//!
//! Read from the sources line by line: `rustfmt` puts an item of a file at the line's beginning, and a method behind
//! four spaces. A method that a macro writes is not seen.

use std::collections::BTreeSet;

use crate::tidy::Failure;
use crate::tidy::tree::Tree;

/// The crates that others write programs with.
const CRATES: [&str; 3] = [
    "crates/workflow/src/",
    "crates/workflow-sqlite/src/",
    "crates/workflow-postgres/src/",
];

/// The suite's cases are used through its macros, whose modules have the examples.
const ASIDE: &str = "crates/workflow/src/conformance";

/// An example that is long has a file of its own.
const INCLUDED: &str = "#[doc = include_str!(";

/// Something public.
struct Item<'t> {
    file: &'t str,
    line: usize,
    name: &'t str,
    /// The type, for a method.
    of: Option<&'t str>,
    /// What its documentation says.
    docs: Vec<&'t str>,
}

impl<'t> Item<'t> {
    /// What its example is for: that of an `impl` block is for the type.
    fn shows(&self) -> &'t str {
        self.of.filter(|_| self.name.is_empty()).unwrap_or(self.name)
    }

    fn has_example(&self) -> bool {
        self.docs
            .iter()
            .any(|line| line.starts_with("```") || line.starts_with(INCLUDED))
    }
}

/// Every public item without an example.
pub fn check(tree: &Tree) -> Vec<Failure> {
    CRATES.iter().flat_map(|sources| check_crate(tree, sources)).collect()
}

fn check_crate(tree: &Tree, sources: &str) -> Vec<Failure> {
    let ours = |path: &str| path.starts_with(sources) && path.ends_with(".rs") && !path.starts_with(ASIDE);
    let texts = tree.texts().filter(|(path, _)| ours(path));
    let items: Vec<_> = texts.flat_map(|(path, text)| read(path, text)).collect();
    let types: BTreeSet<_> = items
        .iter()
        .filter(|item| item.of.is_none())
        .map(|item| item.name)
        .collect();
    let mut shown: BTreeSet<_> = items
        .iter()
        .filter(|item| item.has_example())
        .map(Item::shows)
        .collect();
    let is_shown = |item: &Item<'_>, shown: &BTreeSet<&str>| {
        let mut places = item.docs.iter().copied().filter_map(named_place).chain(item.of);
        item.has_example()
            || (item.of.is_none() && shown.contains(item.name))
            || places.any(|name| shown.contains(name))
    };
    // A type that names a place shows its methods there.
    let by_name: Vec<_> = items
        .iter()
        .filter(|item| item.of.is_none() && is_shown(item, &shown))
        .collect();
    shown.extend(by_name.into_iter().map(|item| item.name));
    let counts = |item: &&Item<'_>| !item.name.is_empty() && item.of.is_none_or(|of| types.contains(of));
    let silent = items.iter().filter(counts).filter(|item| !is_shown(item, &shown));
    silent.map(failure).collect()
}

fn failure(item: &Item<'_>) -> Failure {
    let name = item
        .of
        .map_or(item.name.to_owned(), |of| format!("{of}::{}", item.name));
    Failure::new(
        item.file,
        item.line,
        format!(
            "`{name}` is public and shows no example: give it one, or its type, or say \"An example is at [`..`].\""
        ),
    )
}

/// The place that such a sentence names: the type, or the function.
fn named_place(line: &str) -> Option<&str> {
    let after = line.split_once("xample is at [`")?.1;
    let path = after.split_once('`')?.0.trim_end_matches('!');
    let mut parts = path.split("::").filter(|part| part.starts_with(char::is_uppercase));
    parts.next().or_else(|| path.rsplit("::").next())
}

fn read<'t>(file: &'t str, text: &'t str) -> Vec<Item<'t>> {
    let mut items = vec![module(file, text)];
    let mut docs = Vec::new();
    let mut of = None;
    let mut exported = false;
    for (index, line) in text.lines().enumerate() {
        let code = line.trim_start();
        if let Some(doc) = code.strip_prefix("///") {
            docs.push(doc.trim_start());
            continue;
        }
        docs.extend(Some(code).filter(|code| code.starts_with(INCLUDED)));
        if line == "mod tests {" {
            break;
        }
        let (top, method) = (line == code, line.len() == code.len() + 4);
        if top && code.starts_with(char::is_alphabetic) {
            of = subject(code);
        }
        let name = match () {
            () if top && code.starts_with("impl") && of.is_some() => Some(""),
            () if top => public(code).or_else(|| word(code.strip_prefix("macro_rules! ")?).filter(|_| exported)),
            () if method && of.is_some() => public(code),
            () => None,
        };
        if let Some(name) = name {
            let (of, docs) = (of.filter(|_| method || name.is_empty()), std::mem::take(&mut docs));
            items.push(Item {
                file,
                line: index + 1,
                name,
                of,
                docs,
            });
        }
        exported = code == "#[macro_export]";
        if !code.starts_with("#[") && !code.starts_with(['"', ')']) {
            docs.clear();
        }
    }
    items
}

/// A module's own documentation, whose example others may name.
fn module<'t>(file: &'t str, text: &'t str) -> Item<'t> {
    let name = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".rs");
    let docs = text
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(str::trim_start);
    Item {
        file,
        line: 1,
        name: "",
        of: Some(name),
        docs: docs.collect(),
    }
}

/// The type whose own methods follow: those of a trait are its own to show.
fn subject(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?.split(" where ").next()?;
    let rest = match rest.strip_prefix('<') {
        Some(generic) => generic.split_once("> ")?.1,
        None => rest.trim_start(),
    };
    (!rest.contains(" for ")).then(|| word(rest)).flatten()
}

/// The name of what a line makes public.
fn public(code: &str) -> Option<&str> {
    let rest = code.strip_prefix("pub ")?;
    let kinds = ["const fn ", "async fn ", "fn ", "struct ", "enum ", "trait ", "type "];
    word(kinds.iter().find_map(|kind| rest.strip_prefix(kind))?)
}

fn word(text: &str) -> Option<&str> {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    Some(&text[..end]).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(source: &str) -> Vec<String> {
        let failures = check(&Tree::of(&[("crates/workflow/src/a.rs", source)]));
        let name = |failure: Failure| failure.what.split('`').nth(1).unwrap_or_default().to_owned();
        failures.into_iter().map(name).collect()
    }

    const SHOWN: &str = "/// It is.\n///\n/// ```\n/// a();\n/// ```\n";

    #[test]
    fn each_public_item_needs_an_example() {
        let table = [
            ("pub fn a() {}", "a"),
            ("/// A trait.\npub trait A {", "A"),
            ("pub async fn a() {}", "a"),
            ("pub type A = B;", "A"),
            ("#[macro_export]\nmacro_rules! a {", "a"),
            ("/// An example is at [`B`].\npub struct A;", "A"),
        ];
        for (source, name) in table {
            assert_eq!(silent(source), [name], "{source}");
            assert_eq!(silent(&format!("{SHOWN}{source}")), Vec::<String>::new(), "{source}");
        }
        let method = "pub struct A;\n\nimpl<T> A<T> {\n    pub const fn b() {}\n}\n";
        assert_eq!(silent(method), ["A", "A::b"]);
    }

    #[test]
    fn an_example_serves_what_belongs_to_it() {
        let of_the_type = format!("{SHOWN}pub struct A;\n\nimpl A {{\n    pub fn b() {{}}\n}}\n");
        let of_the_impl = format!("pub struct A;\n\n{SHOWN}impl A {{\n    pub fn b() {{}}\n}}\n");
        let named = format!("{SHOWN}pub fn a() {{}}\n\n/// B. An example is at [`a`](x).\npub struct B;\n");
        let of_the_module = format!(
            "{}/// B. An example is at [`a`](self).\npub struct B;\n",
            SHOWN.replace("///", "//!")
        );
        for source in [of_the_type, of_the_impl, named, of_the_module] {
            assert_eq!(silent(&source), Vec::<String>::new(), "{source}");
        }
    }

    #[test]
    fn what_nobody_outside_sees_needs_none() {
        let table = [
            "pub(crate) fn a() {}",
            "fn a() {}",
            "pub(super) struct A;\n\nimpl A {\n    pub fn b() {}\n}\n",
            "pub mod a;",
            "mod tests {\n    pub fn a() {}\n}",
        ];
        for source in table {
            assert_eq!(silent(source), Vec::<String>::new(), "{source}");
        }
    }
}
