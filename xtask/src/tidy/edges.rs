//! Which package may depend on which: flat and wide, never a chain.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::tidy::Failure;
use crate::tidy::tree::{Tree, line_of};

/// What a package may depend on among ours, and what it must do without.
struct Package {
    name: &'static str,
    ours: Ours,
    /// Crates of others that it must not name, with the reason.
    without: (&'static [&'static str], &'static str),
}

enum Ours {
    /// These alone.
    Only(&'static [&'static str]),
    /// Every package under `crates/`, and these.
    EveryCrateAnd(&'static [&'static str]),
}

const NO_HTTP_NO_SQL: (&[&str], &str) = (
    &[
        "axum",
        "http",
        "hyper",
        "libsqlite3-sys",
        "reqwest",
        "rusqlite",
        "sqlx",
        "tokio-postgres",
        "tower",
        "tower-http",
    ],
    "the engine knows no HTTP and no SQL dialect",
);

const NO_IO: (&[&str], &str) = (
    &[
        "async-trait",
        "axum",
        "futures",
        "futures-util",
        "http",
        "hyper",
        "reqwest",
        "rusqlite",
        "tokio",
        "tokio-postgres",
    ],
    "the domain does no I/O and is not async",
);

const NO_SERVER: (&[&str], &str) = (
    &["axum", "hyper", "rusqlite", "tokio-postgres"],
    "a client serves and stores nothing",
);

const NO_CLIENT: (&[&str], &str) = (
    &["reqwest", "rusqlite", "tokio-postgres"],
    "the sandbox shares nothing with what it is tested against",
);

const NO_STORE: (&[&str], &str) = (
    &["axum", "reqwest", "rusqlite", "tokio", "tokio-postgres"],
    "intake turns bytes into rows and touches nothing else",
);

const ANYTHING: (&[&str], &str) = (&[], "");

const PACKAGES: [Package; 13] = [
    Package {
        name: "lumina-workflow",
        ours: Ours::Only(&[]),
        without: NO_HTTP_NO_SQL,
    },
    Package {
        name: "lumina-workflow-sqlite",
        ours: Ours::Only(&["lumina-workflow"]),
        without: ANYTHING,
    },
    Package {
        name: "lumina-workflow-postgres",
        ours: Ours::Only(&["lumina-workflow"]),
        without: ANYTHING,
    },
    Package {
        name: "lumina-workflow-sim",
        ours: Ours::Only(&["lumina-workflow", "lumina-workflow-sqlite", "lumina-workflow-postgres"]),
        without: ANYTHING,
    },
    Package {
        name: "lumina-enrichment",
        ours: Ours::Only(&[]),
        without: NO_IO,
    },
    Package {
        name: "lumina-fullenrich",
        ours: Ours::Only(&[]),
        without: NO_SERVER,
    },
    Package {
        name: "lumina-fullenrich-sandbox",
        ours: Ours::Only(&[]),
        without: NO_CLIENT,
    },
    Package {
        name: "lumina-intake",
        ours: Ours::Only(&["lumina-enrichment"]),
        without: NO_STORE,
    },
    Package {
        name: "lumina",
        ours: Ours::EveryCrateAnd(&[]),
        without: ANYTHING,
    },
    Package {
        name: "lumina-bench",
        ours: Ours::EveryCrateAnd(&["lumina-bench-floor"]),
        without: ANYTHING,
    },
    Package {
        name: "lumina-bench-floor",
        ours: Ours::Only(&[]),
        without: ANYTHING,
    },
    Package {
        name: "lumina-chaos",
        ours: Ours::Only(&["lumina-workflow-postgres"]),
        without: ANYTHING,
    },
    Package {
        name: "xtask",
        ours: Ours::Only(&[]),
        without: ANYTHING,
    },
];

/// Packages whose crates of others are few and fixed: what they are for depends on it.
const FEW: [(&str, &[&str], &str); 2] = [
    ("xtask", &["anyhow", "serde_json"], "it builds first and fails first"),
    (
        "lumina-bench-floor",
        &["rusqlite", "tokio", "tokio-postgres", "uuid"],
        "a floor is a plain database",
    ),
];

/// Crates that need more than the Rust toolchain and a C compiler to build, wherever they come from.
const UNBUILDABLE: [&str; 4] = ["aws-lc-sys", "cmake", "native-tls", "openssl-sys"];

/// One dependency, as `cargo metadata` lists it.
struct Edge<'m> {
    from: &'m str,
    manifest: String,
    to: &'m str,
    /// Needed by tests only.
    dev: bool,
}

/// Every edge that the tables do not allow, and every package that they do not know.
pub fn check(tree: &Tree, metadata: &Value) -> Vec<Failure> {
    let packages: Vec<_> = metadata["packages"].as_array().into_iter().flatten().collect();
    let crates = names_under_crates(&packages, metadata);
    let known = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut failures = Vec::new();
    for package in &packages {
        for edge in edges(package, metadata) {
            failures.extend(judge(&edge, &crates, &known).map(|what| {
                let line = tree
                    .text(&edge.manifest)
                    .map_or(1, |text| line_of(text, |line| names(line, edge.to)));
                Failure::new(edge.manifest.clone(), line, what)
            }));
        }
        failures.extend(stranger(package, metadata));
    }
    failures.extend(unbuildable(tree));
    failures
}

fn judge(edge: &Edge<'_>, crates: &BTreeSet<&str>, known: &BTreeSet<&str>) -> Option<String> {
    let Edge { from, to, dev, .. } = *edge;
    let package = PACKAGES.iter().find(|package| package.name == from)?;
    if known.contains(to) {
        let itself_in_tests = dev && from == to;
        let allowed = itself_in_tests || package.ours.allow(to, crates);
        return (!allowed).then(|| {
            format!(
                "`{from}` must not depend on `{to}`: {}; move the code, or argue the edge in xtask/src/tidy/edges.rs",
                package.ours.rule()
            )
        });
    }
    if dev {
        return None;
    }
    if let Some((_, few, why)) = FEW.iter().find(|(name, _, _)| *name == from)
        && !few.contains(&to)
    {
        return Some(format!(
            "`{from}` depends on {} alone, because {why}; do without `{to}`",
            few.join(" and ")
        ));
    }
    let (without, why) = package.without;
    without
        .contains(&to)
        .then(|| format!("`{from}` must do without `{to}`: {why}"))
}

impl Ours {
    fn allow(&self, to: &str, crates: &BTreeSet<&str>) -> bool {
        match self {
            Self::Only(names) => names.contains(&to),
            Self::EveryCrateAnd(names) => names.contains(&to) || crates.contains(to),
        }
    }

    fn rule(&self) -> String {
        match self {
            Self::Only([]) => "it depends on no package of ours".to_owned(),
            Self::Only(names) => format!("of ours it depends on {} alone", names.join(", ")),
            Self::EveryCrateAnd(_) => "of ours it depends on the packages under crates/".to_owned(),
        }
    }
}

/// A package that the table does not know has no allowed edges, and therefore may not be there.
fn stranger(package: &Value, metadata: &Value) -> Option<Failure> {
    let name = package["name"].as_str()?;
    let known = PACKAGES.iter().any(|package| package.name == name);
    (!known).then(|| {
        let what = format!("the package `{name}` has no allowed dependencies yet; add it to xtask/src/tidy/edges.rs");
        Failure::new(relative_manifest(package, metadata), 1, what)
    })
}

fn unbuildable(tree: &Tree) -> Vec<Failure> {
    let lock = tree.text("Cargo.lock").unwrap_or_default();
    let locked = |name: &&str| lock.lines().any(|line| line == format!("name = \"{name}\""));
    let failure = |name: &str| {
        let line = line_of(lock, |line| line == format!("name = \"{name}\""));
        let what = format!(
            "`{name}` needs more than Rust and a C compiler to build; `cargo tree --invert {name}` says who wants it"
        );
        Failure::new("Cargo.lock", line, what)
    };
    UNBUILDABLE
        .iter()
        .filter(|name| locked(name))
        .map(|name| failure(name))
        .collect()
}

fn edges<'m>(package: &'m Value, metadata: &Value) -> Vec<Edge<'m>> {
    let from = package["name"].as_str().unwrap_or_default();
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let edge = |dependency: &'m Value| Edge {
        from,
        manifest: relative_manifest(package, metadata),
        to: dependency["name"].as_str().unwrap_or_default(),
        dev: dependency["kind"] == "dev",
    };
    dependencies.map(edge).collect()
}

fn names_under_crates<'m>(packages: &[&'m Value], metadata: &Value) -> BTreeSet<&'m str> {
    let under = |package: &&&Value| relative_manifest(package, metadata).starts_with("crates/");
    packages
        .iter()
        .filter(under)
        .filter_map(|package| package["name"].as_str())
        .collect()
}

fn relative_manifest(package: &Value, metadata: &Value) -> String {
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let path = package["manifest_path"].as_str().unwrap_or_default();
    path.strip_prefix(root)
        .unwrap_or(path)
        .trim_start_matches(['/', '\\'])
        .replace('\\', "/")
}

/// Whether a manifest's line is the one that declares `name`.
fn names(line: &str, name: &str) -> bool {
    let rest = line.trim_start().trim_start_matches('"').strip_prefix(name);
    rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=', '"']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is said when the package `from` depends on `to`.
    fn said(from: &str, to: &str, kind: Option<&str>) -> Vec<String> {
        let package = |name: &str, dependencies: Value| {
            let folder = match name {
                "xtask" => name.to_owned(),
                "lumina-bench" => "bench".to_owned(),
                "lumina-bench-floor" => "bench/floor".to_owned(),
                "lumina-chaos" => "chaos".to_owned(),
                _ => format!("crates/{}", name.trim_start_matches("lumina-")),
            };
            json!({"name": name, "manifest_path": format!("/r/{folder}/Cargo.toml"), "dependencies": dependencies})
        };
        let mut packages: Vec<_> = PACKAGES
            .iter()
            .filter(|other| other.name != from)
            .map(|other| package(other.name, json!([])))
            .collect();
        packages.push(package(from, json!([{"name": to, "kind": kind}])));
        let metadata = json!({"workspace_root": "/r", "packages": packages});
        let tree = Tree::of(&[(
            "crates/workflow/Cargo.toml",
            "[dependencies]\nx = 1\nrusqlite.workspace = true\n",
        )]);
        check(&tree, &metadata).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_allowed_edges_pass() {
        let table = [
            ("lumina-workflow-sqlite", "lumina-workflow", None),
            ("lumina-workflow-sim", "lumina-workflow-postgres", None),
            ("lumina-intake", "lumina-enrichment", None),
            ("lumina", "lumina-fullenrich-sandbox", None),
            ("lumina-bench", "lumina-bench-floor", None),
            ("lumina-bench-floor", "tokio-postgres", None),
            ("lumina-workflow", "lumina-workflow", Some("dev")),
            ("lumina-workflow", "tokio", None),
            ("lumina-enrichment", "tokio", Some("dev")),
            ("xtask", "anyhow", None),
        ];
        for (from, to, kind) in table {
            assert_eq!(said(from, to, kind), Vec::<String>::new(), "{from} -> {to}");
        }
    }

    #[test]
    fn every_other_edge_is_refused() {
        let table = [
            ("lumina-workflow", "lumina-enrichment", None, "no package of ours"),
            (
                "lumina-workflow",
                "lumina-workflow-sqlite",
                Some("dev"),
                "no package of ours",
            ),
            ("lumina-workflow", "rusqlite", None, "no HTTP and no SQL dialect"),
            (
                "lumina-fullenrich-sandbox",
                "lumina-fullenrich",
                Some("dev"),
                "no package of ours",
            ),
            (
                "lumina-fullenrich",
                "lumina-fullenrich-sandbox",
                Some("build"),
                "no package of ours",
            ),
            ("lumina-intake", "lumina-workflow", None, "lumina-enrichment alone"),
            ("lumina-enrichment", "tokio", None, "no I/O"),
            ("lumina", "lumina-bench-floor", None, "under crates/"),
            ("lumina-bench-floor", "lumina-workflow", None, "no package of ours"),
            ("lumina-bench-floor", "sqlx", None, "a plain database"),
            ("lumina-chaos", "lumina", None, "lumina-workflow-postgres alone"),
            ("lumina", "lumina-chaos", None, "under crates/"),
            ("xtask", "clap", None, "anyhow and serde_json alone"),
            (
                "lumina-novel",
                "serde",
                None,
                "`lumina-novel` has no allowed dependencies yet",
            ),
        ];
        for (from, to, kind, part) in table {
            let said = said(from, to, kind);
            assert!(said.len() == 1 && said[0].contains(part), "{from} -> {to}: {said:?}");
        }
    }

    #[test]
    fn a_failure_points_at_the_line() {
        assert!(said("lumina-workflow", "rusqlite", None)[0].starts_with("crates/workflow/Cargo.toml:3: "));
    }

    #[test]
    fn a_crate_that_a_c_compiler_cannot_build_is_found_in_the_lock() {
        let tree = Tree::of(&[(
            "Cargo.lock",
            "[[package]]\nname = \"openssl-sys\"\nversion = \"1.0.0\"\n",
        )]);
        let failures = check(&tree, &json!({"packages": []}));
        assert_eq!((failures.len(), failures[0].line), (1, 2));
        let tree = Tree::of(&[("Cargo.lock", "[[package]]\nname = \"openssl-probe\"\n")]);
        assert_eq!(check(&tree, &json!({"packages": []})), []);
    }
}
