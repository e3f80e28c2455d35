//! `docs/conformance.md` names tests: they are there.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_table_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/conformance.md")).unwrap();
    let mut found = 0;
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let tests = line.trim_end_matches([' ', '|']).rsplit('|').next().unwrap();
        for name in tests.split('`').skip(1).step_by(2) {
            found += 1;
            match name.split_once("::") {
                Some((file, test)) => {
                    let source = fs::read_to_string(root.join(format!("tests/it/{file}.rs"))).unwrap();
                    assert!(source.contains(&format!("fn {test}(")), "{name}");
                }
                None => assert!(root.join("tests/e2e").join(name).exists(), "{name}"),
            }
        }
    }
    assert!(found > 20, "{found}");
}
