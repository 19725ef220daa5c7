//! What the comparison says of this engine is shown by a test: one that is there.

use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).expect("a source is text"));
        }
    }
}

#[test]
fn each_promise_names_a_test_that_is_there() {
    let page = std::fs::read_to_string(format!("{ROOT}/../../docs/reference/comparison.md")).unwrap();
    let (_, table) = page.split_once("| promise | shown by |").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let mut code = String::new();
    for folder in ["src/conformance", "tests"] {
        sources(&Path::new(ROOT).join(folder), &mut code);
    }
    let names: Vec<&str> = table.split('`').skip(1).step_by(2).collect();
    assert!(names.len() > 15, "only {names:?}: is the table still there?");
    for name in names {
        assert!(code.contains(&format!("fn {name}(")), "no test is named {name}");
    }
}
