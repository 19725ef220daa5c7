//! The reference model passes the suite that it is the measure of: a case that contradicts it
//! would ask other stores for something else. The model's own unwritten choices are checked
//! by the walks' invariants.

lumina_workflow::conformance_suite!(lumina_workflow::conformance::MemoryBackend::new());

/// Every case that the suite's sources declare is in the macro's list, once.
#[test]
fn no_case_is_forgotten() {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src/conformance");
    let list = std::fs::read_to_string(format!("{sources}/list.rs")).unwrap();
    let listed: Vec<&str> = list.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let mut cases = 0;
    for entry in std::fs::read_dir(sources).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = std::fs::read_to_string(path).unwrap();
        for case in source.lines().filter_map(case_name) {
            assert_eq!(
                listed.iter().filter(|name| **name == case).count(),
                1,
                "{case} is in the list once"
            );
            cases += 1;
        }
    }
    assert!(
        cases > 100,
        "only {cases} cases were found: is the suite still in {sources}?"
    );
}

fn case_name(line: &str) -> Option<&str> {
    line.strip_prefix("pub fn ")?.strip_suffix("(stage: &Stage<'_>) {")
}
