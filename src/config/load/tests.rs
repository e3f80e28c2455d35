#[test]
fn dump() { std::fs::write("/tmp/wt-config-schema.json", serde_json::to_string_pretty(&crate::config::schema()).unwrap()).unwrap(); }
