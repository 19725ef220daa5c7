//! The engine keeps its promises over the reference model.

lumina_workflow::engine_suite!(lumina_workflow::conformance::engine::ClockedMemory::new);

/// Every case that the suite's sources declare is in the macro's list, once.
#[test]
fn no_case_is_forgotten() {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src/conformance/engine");
    let list = std::fs::read_to_string(format!("{sources}/list.rs")).unwrap();
    let mut cases = 0;
    for entry in std::fs::read_dir(sources).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = std::fs::read_to_string(&path).unwrap();
        for case in source.lines().filter_map(case_name) {
            let line = format!(" {module}::{case},");
            assert_eq!(list.matches(&line).count(), 1, "{module}::{case} is in the list once");
            cases += 1;
        }
    }
    assert!(
        cases > 80,
        "only {cases} cases were found: is the suite still in {sources}?"
    );
}

fn case_name(line: &str) -> Option<&str> {
    line.strip_prefix("pub fn ")?.strip_suffix("(make: Make<'_>) {")
}
