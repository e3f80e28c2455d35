//! The files that come with Hydrant say what the code does.

use super::*;
use crate::config::document::{self, Content, Node};
use crate::config::schema::Keys;
use crate::config::value::Given;

const EXAMPLE: &str = include_str!("../../../../config/hydrant.yml");
const DOCUMENT: &str = include_str!("../../../../docs/configuration.md");

#[test]
fn the_example_holds_with_the_two_required_settings() {
    let loaded = exactly(EXAMPLE, &[ISSUER, SECRET], false).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(format!("{:?}", loaded.config), format!("{:?}", config("", &[])), "it sets nothing");
}

/// The example with every `#key: value` line taken in, as dotted keys.
fn uncommented() -> HashMap<String, Given> {
    let text: Vec<String> = EXAMPLE
        .lines()
        .map(|line| {
            let bare = line.trim_start();
            match bare.strip_prefix('#') {
                Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => {
                    format!("{}{setting}", &line[..line.len() - bare.len()])
                }
                _ => line.to_owned(),
            }
        })
        .collect();
    let mut found = HashMap::new();
    flatten(document::parse("hydrant.yml", &text.join("\n")).unwrap(), "", &mut found);
    found
}

fn flatten(node: Node, key: &str, found: &mut HashMap<String, Given>) {
    let given = match node.content {
        Content::Map(entries) => {
            for entry in entries {
                let key = if key.is_empty() { entry.key } else { format!("{key}.{}", entry.key) };
                flatten(entry.value, &key, found);
            }
            return;
        }
        Content::Null => panic!("{key} has neither a default nor an example"),
        Content::Scalar(text) => Given::Text(text),
        Content::List(items) => Given::List(
            items
                .into_iter()
                .map(|item| match item.content {
                    Content::Scalar(text) => Given::Text(text),
                    other => panic!("{key}: {other:?}"),
                })
                .collect(),
        ),
    };
    found.insert(key.to_owned(), given);
}

#[test]
fn the_example_has_every_key_with_its_default() {
    let mut found = uncommented();
    for (key, kind) in Keys::of_the_schema().iter() {
        let shown = found.remove(key).unwrap_or_else(|| panic!("config/hydrant.yml lacks {key}"));
        if let Some(default) = &kind.default {
            assert_eq!(&shown, default, "{key}");
        }
    }
    assert_eq!(found, HashMap::new(), "the example has keys that the schema has not");
}

#[test]
fn the_document_has_every_key_with_its_default() {
    for (key, kind) in Keys::of_the_schema().iter() {
        let begin = format!("| `{key}` |");
        let shown = match &kind.default {
            None => "| – |".to_owned(),
            Some(Given::Text(text)) => format!("| `{text}` |"),
            Some(Given::List(items)) => {
                let texts = items.iter().map(|item| match item {
                    Given::Text(text) => text.as_str(),
                    other => panic!("{key}: {other:?}"),
                });
                format!("| `[{}]` |", texts.collect::<Vec<_>>().join(", "))
            }
            Some(Given::Section(_)) => panic!("{key}"),
        };
        let has = DOCUMENT.lines().any(|line| line.starts_with(&begin) && line.contains(&shown));
        assert!(has, "docs/configuration.md has no row of {key} with {shown}");
    }
}

#[test]
fn dev_mode_starts_from_nothing() {
    let loaded = Config::load(None, &|_| None, true).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert!(loaded.config.dev);
    assert_eq!(loaded.config.urls.issuer, "http://127.0.0.1:4444");
    assert_eq!(loaded.config.urls.issuer, "http://127.0.0.1:4444");
    assert!(loaded.config.serve.public.host.is_local());
}

/// SC-04: what is printed in this repository protects nobody.
#[test]
fn the_development_file_is_refused_without_dev() {
    let found: Vec<_> = exactly(DEV, &[], false).unwrap_err().iter().map(Problem::to_string).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("urls.self.issuer: must use https"), "{found:?}");
    assert!(found[1].contains("secrets.system: holds a sample secret"), "{found:?}");
}

#[test]
fn tests_get_free_ports_and_cheap_passwords() {
    let config = Config::for_tests("http://127.0.0.1:5000", "memory");
    assert_eq!((config.serve.public.port, config.serve.admin.port), (0, 0));
    assert_eq!((config.urls.issuer.as_str(), config.database.dsn.expose()), ("http://127.0.0.1:5000", "memory"));
    let argon2 = config.accounts.argon2;
    assert!(argon2::Params::new(argon2.memory_kib, argon2.iterations, argon2.parallelism, None).is_ok());
    assert!(config.dev);
}
