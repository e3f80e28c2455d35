//! Where settings come from: the file's tree, with the environment over it; unknown, repeated and missing keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Map, Value, json};

use super::document::{Content, Entry, Node};
use super::problem::{Place, Problem, unreadable};
use super::raw::Raw;
use super::schema::{Keys, environment_name};
use super::setting::Slot;
use super::unsupported::{self, Missing, is_below};
use super::value::Given;

/// Collects settings from weakest to strongest source: [`Source::file`], then [`Source::environment`].
#[derive(Debug)]
pub struct Source {
    keys: Keys,
    given: BTreeMap<String, (Given, Place)>,
    /// Keys and sections without effect that were set.
    pub ignored: BTreeSet<&'static str>,
    pub problems: Vec<Problem>,
}

impl Source {
    pub fn new() -> Self {
        Self { keys: Keys::of_the_schema(), given: BTreeMap::new(), ignored: BTreeSet::new(), problems: Vec::new() }
    }

    pub fn file(&mut self, file: &str, root: Node) {
        match root.content {
            Content::Null => {}
            Content::Map(entries) => self.section(file, "", entries),
            Content::Scalar(_) | Content::List(_) => {
                let place = Place::Line { file: file.to_owned(), line: root.line };
                self.problems.push(Problem::new(place, "", "must be keys and values, as in config/hydrant.yml", ""));
            }
        }
    }

    fn section(&mut self, file: &str, section: &str, entries: Vec<Entry>) {
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        for entry in entries {
            let place = Place::Line { file: file.to_owned(), line: entry.line };
            let key = if section.is_empty() { entry.key.clone() } else { format!("{section}.{}", entry.key) };
            if let Some(line) = lines.insert(entry.key.clone(), entry.line) {
                let what = format!("is set twice, first in line {line}");
                self.problems.push(Problem::new(place, &key, what, "keep one of them"));
            } else if entry.key.contains('.') {
                let what = "is one key with dots in it";
                self.problems.push(Problem::new(place, &key, what, "write a section for each part"));
            } else {
                self.entry(file, &key, place, entry.value);
            }
        }
    }

    fn entry(&mut self, file: &str, key: &str, place: Place, value: Node) {
        if self.keys.get(key).is_some() {
            if let Some(given) = given(value) {
                self.given.insert(key.to_owned(), (given, place));
            }
        } else if let Some(missing) = unsupported::missing().iter().find(|missing| missing.key == key) {
            if let Some(given) = given(value) {
                self.refuse(missing, &given, place);
            }
        } else if self.keys.is_section(key) || unsupported::missing().iter().any(|missing| is_below(missing.key, key)) {
            match value.content {
                Content::Null => {}
                Content::Map(entries) => self.section(file, key, entries),
                Content::Scalar(text) if let Some(whole) = self.keys.short_form(key) => {
                    self.given.insert(whole, (Given::Text(text), place));
                }
                Content::Scalar(_) | Content::List(_) => {
                    self.problems.push(Problem::new(place, key, "must be a section with keys of its own", ""));
                }
            }
        } else if let Some(ignored) = unsupported::ignored(key) {
            self.ignored.insert(ignored);
        } else {
            let fix = self.keys.nearest(key).map_or("remove it".into(), |near| format!("did you mean {near}?"));
            self.problems.push(Problem::new(place, key, "is not a known key", fix));
        }
    }

    fn refuse(&mut self, missing: &Missing, given: &Given, place: Place) {
        let harmless = matches!((given, missing.harmless), (Given::Text(text), Some(harmless)) if text == harmless);
        if !harmless {
            self.problems.push(Problem::new(
                place,
                missing.key,
                "is something this version does not have yet",
                missing.fix,
            ));
        }
    }

    /// Hydra's names; `<NAME>_FILE` names a file with the value. An empty variable counts as not set.
    pub fn environment(&mut self, env: &dyn Fn(&str) -> Option<String>) {
        let var = |name: &str| env(name).filter(|value| !value.is_empty());
        let sections: Vec<String> = self.keys.short_forms().cloned().collect();
        for section in sections {
            if let Some((text, place)) = self.variable(&section, &var) {
                self.whole_section(&section, &text, &place);
            }
        }
        let keys: Vec<(String, bool)> = self.keys.iter().map(|(key, kind)| (key.clone(), kind.list)).collect();
        for (key, is_list) in keys {
            if let Some((text, place)) = self.variable(&key, &var) {
                let given = if is_list { list(&text) } else { Given::Text(text) };
                self.given.insert(key, (given, place));
            }
        }
        for missing in unsupported::missing() {
            let name = environment_name(missing.key);
            if let Some(value) = var(&name) {
                self.refuse(missing, &Given::Text(value), Place::Environment(name));
            }
        }
    }

    /// What the environment says of this key, itself or by a file.
    fn variable(&mut self, key: &str, var: &dyn Fn(&str) -> Option<String>) -> Option<(String, Place)> {
        let name = environment_name(key);
        let file_name = format!("{name}_FILE");
        let (value, name) = match (var(&name), var(&file_name)) {
            (None, None) => return None,
            (Some(value), None) => (Ok(value), name),
            (None, Some(path)) => (fs::read_to_string(path), file_name),
            (Some(_), Some(_)) => {
                let what = format!("is set by both {name} and {file_name}");
                self.problems.push(Problem::new(Place::Environment(name), key, what, "unset one of them"));
                return None;
            }
        };
        let place = Place::Environment(name);
        match value {
            Ok(text) => Some((text.trim_end_matches(['\n', '\r']).to_owned(), place)),
            Err(error) => {
                let what = format!("names a file that cannot be read ({})", unreadable(&error));
                self.problems.push(Problem::new(place, key, what, "check the path and its permissions"));
                None
            }
        }
    }

    /// A section in one variable: its short form, or JSON. It takes the place of all that the file says there, as Hydra
    /// has it: what the file has beside one URL (an API key) is not for another.
    fn whole_section(&mut self, section: &str, text: &str, place: &Place) {
        self.given.retain(|key, _| !is_below(key, section));
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => self.members(section, members, place),
            _ => {
                let short = self.keys.short_form(section).unwrap_or_else(|| section.to_owned());
                self.given.insert(short, (Given::Text(text.to_owned()), place.clone()));
            }
        }
    }

    fn members(&mut self, section: &str, members: Map<String, Value>, place: &Place) {
        for (word, value) in members {
            let key = format!("{section}.{word}");
            match value {
                Value::Null => {}
                Value::Object(members) if self.keys.is_section(&key) => self.members(&key, members, place),
                value if self.keys.get(&key).is_some() => {
                    self.given.insert(key, (Given::from_default(&value), place.clone()));
                }
                _ => self.problems.push(Problem::new(place.clone(), &key, "is not a known key", "remove it")),
            }
        }
    }

    /// Every key's setting, typed. A key that had a problem of its own (an unreadable file) is as if it were not set.
    pub fn into_raw(mut self) -> (Raw, Vec<Problem>, BTreeSet<&'static str>) {
        let mut root = json!({});
        for (key, kind) in self.keys.iter() {
            let (given, place) = match self.given.remove(key) {
                Some((given, place)) => (Some(given), place),
                None => (None, Place::Unset),
            };
            let slot = Slot { key: key.clone(), place, given, default: kind.default.clone() };
            let at = key.split('.').fold(&mut root, |at, word| &mut at[word]);
            *at = serde_json::to_value(slot).unwrap_or(Value::Null);
        }
        let raw = serde_json::from_value(root).expect("the keys are Raw's own, and a test reads every default");
        (raw, self.problems, self.ignored)
    }
}

/// `None` where nothing stands behind the colon: the default holds.
fn given(node: Node) -> Option<Given> {
    match node.content {
        Content::Null => None,
        Content::Scalar(text) => Some(Given::Text(text)),
        Content::List(items) => {
            let item = |item| given(item).unwrap_or_else(|| Given::Text(String::new()));
            Some(Given::List(items.into_iter().map(item).collect()))
        }
        Content::Map(entries) => {
            let member = |entry: Entry| (entry.key, given(entry.value).unwrap_or_else(|| Given::Text(String::new())));
            Some(Given::Section(entries.into_iter().map(member).collect()))
        }
    }
}

/// A list in one variable: JSON, or separated by commas or line breaks.
fn list(text: &str) -> Given {
    if text.trim_start().starts_with('[')
        && let Ok(json @ Value::Array(_)) = serde_json::from_str(text)
    {
        return Given::from_default(&json);
    }
    let items = text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty());
    Given::List(items.map(|item| Given::Text(item.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_a_variable() {
        let texts = |items: &[&str]| Given::List(items.iter().map(|item| Given::Text((*item).into())).collect());
        assert_eq!(list("a, b,c"), texts(&["a", "b", "c"]));
        assert_eq!(list(r#"["a,b", "c"]"#), texts(&["a,b", "c"]));
        assert_eq!(list("a\nb\n"), texts(&["a", "b"]));
        assert_eq!(list("[::1]"), texts(&["[::1]"]));
        let member = ("a".to_owned(), Given::Text("1".into()));
        assert_eq!(list(r#"[{"a": 1}]"#), Given::List(vec![Given::Section(vec![member])]));
    }
}
