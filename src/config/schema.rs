//! The JSON Schema of the configuration (`hydrant schema`), and the list of keys that is read from it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::raw::Raw;
use super::unsupported;
use super::value::Given;

/// The schema for editors and `hydrant schema`: JSON Schema 2020-12, everything in place, each key described.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator();
    let mut schema = generator.into_root_schema_for::<Raw>().to_value();
    close(&mut schema);
    schema
}

/// Sections: no key is required (each has its default or its environment name), and no other key is known.
fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("required");
    let Some(Value::Object(properties)) = object.get_mut("properties") else { return };
    properties.values_mut().for_each(close);
    object.insert("additionalProperties".into(), json!(false));
}

/// A key that takes a value.
#[derive(Debug)]
pub struct Key {
    pub list: bool,
    pub default: Option<Given>,
}

/// Every key by its dotted name.
#[derive(Debug)]
pub struct Keys {
    keys: BTreeMap<String, Key>,
    /// Sections that may be written as a text, their `url`.
    short: BTreeSet<String>,
}

impl Keys {
    pub fn of_the_schema() -> Self {
        let mut keys = Self { keys: BTreeMap::new(), short: BTreeSet::new() };
        if let Some(properties) = schema().get("properties").and_then(Value::as_object) {
            keys.collect(properties, "");
        }
        keys
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &Key)> {
        self.keys.iter()
    }

    pub fn get(&self, name: &str) -> Option<&Key> {
        self.keys.get(name)
    }

    pub fn is_section(&self, name: &str) -> bool {
        self.keys.keys().any(|key| unsupported::is_below(key, name))
    }

    /// Sections in whose place a text may stand.
    pub fn short_forms(&self) -> impl Iterator<Item = &String> {
        self.short.iter()
    }

    /// The key whose value a text in place of this section is.
    pub fn short_form(&self, section: &str) -> Option<String> {
        self.short.get(section).map(|section| format!("{section}.url"))
    }

    /// The known key or section that `name` was probably meant to be: close in spelling, or the same word elsewhere.
    pub fn nearest(&self, name: &str) -> Option<String> {
        let mut candidates: Vec<&str> = Vec::new();
        for key in self.keys.keys() {
            candidates.push(key);
            candidates.extend(key.match_indices('.').map(|(at, _)| &key[..at]));
        }
        let (distance, closest) = candidates
            .iter()
            .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
            .min_by_key(|(distance, _)| *distance)?;
        if distance <= 3.min(name.len() / 3) {
            return Some(closest.to_owned());
        }
        let word = last(name);
        candidates.into_iter().find(|candidate| last(candidate) == word).map(str::to_owned)
    }

    fn collect(&mut self, properties: &Map<String, Value>, section: &str) {
        for (word, schema) in properties {
            let name = if section.is_empty() { word.clone() } else { format!("{section}.{word}") };
            if let Some(inner) = schema.get("properties").and_then(Value::as_object) {
                self.collect(inner, &name);
                if schema["type"].as_array().is_some_and(|types| types.iter().any(|one| one == "string")) {
                    self.short.insert(name);
                }
            } else {
                let list = schema.get("type").and_then(Value::as_str) == Some("array");
                self.keys.insert(name, Key { list, default: schema.get("default").map(Given::from_default) });
            }
        }
    }
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Hydra's environment name of a key: `urls.self.issuer` is `URLS_SELF_ISSUER`.
pub fn environment_name(key: &str) -> String {
    key.to_uppercase().replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &Value, name: &str) {
        let words = schema["description"].as_str().unwrap_or_default();
        assert!(words.ends_with('.'), "{name} has no description: {schema}");
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            assert_eq!(schema["additionalProperties"], false, "{name}");
            for (word, inner) in properties {
                check(inner, &format!("{name}.{word}"));
            }
        } else {
            assert!(schema.get("$ref").is_none(), "{name}");
        }
    }

    #[test]
    fn every_key_is_described() {
        let schema = schema();
        check(&schema, "");
        assert_eq!(schema["title"], "Hydrant");
        assert_eq!(schema["properties"]["ttl"]["properties"]["auth_code"]["default"], "10m");
        assert!(schema.get("required").is_none());
    }

    #[test]
    fn the_keys_are_hydras() {
        let keys = Keys::of_the_schema();
        for key in ["urls.self.issuer", "secrets.system", "dsn", "serve.public.tls.cert.path", "serve.tls.key.base64"] {
            assert!(keys.get(key).is_some(), "{key}");
        }
        assert!(keys.get("urls.self").is_none() && keys.is_section("urls.self"));
        assert!(keys.get("secrets.system").is_some_and(|key| key.list));
        assert_eq!(environment_name("serve.public.tls.cert.path"), "SERVE_PUBLIC_TLS_CERT_PATH");
    }

    #[test]
    fn no_two_keys_share_an_environment_name() {
        let keys = Keys::of_the_schema();
        let mut names: Vec<String> = keys.iter().map(|(key, _)| environment_name(key)).collect();
        let all = names.len();
        names.extend(keys.iter().map(|(key, _)| environment_name(key) + "_FILE"));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 2 * all);
    }

    #[test]
    fn no_key_is_both_known_and_without_effect() {
        for (key, _) in Keys::of_the_schema().iter() {
            assert_eq!(unsupported::ignored(key), None, "{key}");
            assert!(unsupported::missing().iter().all(|missing| missing.key != key), "{key}");
        }
    }

    #[test]
    fn the_nearest_key_is_a_good_guess() {
        let keys = Keys::of_the_schema();
        assert_eq!(keys.nearest("urls.self.isuer").as_deref(), Some("urls.self.issuer"));
        assert_eq!(keys.nearest("serve.public.prot").as_deref(), Some("serve.public.port"));
        assert_eq!(keys.nearest("serv").as_deref(), Some("serve"));
        assert_eq!(keys.nearest("issuer").as_deref(), Some("urls.self.issuer"));
        assert_eq!(keys.nearest("xyzzy"), None);
    }
}
