//! One setting: its value, its key, and where it was set, so that a rule can say all three.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::problem::{Place, Problem};
use super::value::{Given, Value};

/// A setting before its type is known; `source.rs` makes one for every key of the schema.
#[derive(Debug, Serialize, Deserialize)]
pub struct Slot {
    pub key: String,
    pub place: Place,
    pub given: Option<Given>,
    /// The schema's `default`.
    pub default: Option<Given>,
}

/// A setting of `raw.rs`. Its value can only be had through a [`Check`], which takes note if what was given is not one.
#[derive(Debug)]
pub struct Setting<T> {
    value: T,
    key: String,
    place: Place,
    wrong: Option<String>,
}

impl<T> Setting<T> {
    /// Whether somebody set it.
    pub fn is_set(&self) -> bool {
        self.place != Place::Unset
    }

    /// The problem that this setting has.
    fn problem(&self, what: impl Into<String>, fix: impl Into<String>) -> Problem {
        Problem::new(self.place.clone(), &self.key, what, fix)
    }
}

impl<'de, T: Value> Deserialize<'de> for Setting<T> {
    /// Never fails at what an operator wrote: the default stands in, so that the other rules can be checked too.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Slot { key, place, given, default } = Slot::deserialize(deserializer)?;
        let (value, wrong) = match given.as_ref().map(T::parse) {
            Some(Ok(value)) => (Some(value), None),
            Some(Err(wrong)) => (None, Some(wrong)),
            None => (None, None),
        };
        let value = value.or_else(|| default.and_then(|default| T::parse(&default).ok())).or_else(T::absent);
        let value = value.ok_or_else(|| D::Error::custom(format_args!("{key} has no default that is one")))?;
        Ok(Self { value, key, place, wrong })
    }
}

impl<T: Value> JsonSchema for Setting<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::try_from(T::schema()).unwrap_or_default()
    }
}

/// Collects everything that is wrong, and what is merely worth a word.
#[derive(Debug)]
pub struct Check {
    pub dev: bool,
    pub problems: Vec<Problem>,
    pub warnings: Vec<String>,
}

impl Check {
    /// The setting's value; its default, and a problem, where what was given is not one.
    pub fn read<T: Clone>(&mut self, setting: &Setting<T>) -> T {
        if let Some(wrong) = &setting.wrong {
            let problem = setting.problem(wrong, "");
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        setting.value.clone()
    }

    /// Notes a problem with the setting unless `holds`. A value of the wrong type is not judged again.
    pub fn rule<T>(&mut self, holds: bool, setting: &Setting<T>, what: impl Into<String>, fix: &str) {
        if !holds && setting.wrong.is_none() {
            self.problems.push(setting.problem(what, fix));
        }
    }

    /// The value, which must lie between two others, both allowed. `show` writes them for the operator.
    pub fn within<T: Clone + PartialOrd>(
        &mut self,
        setting: &Setting<T>,
        (least, most): (T, T),
        show: impl Fn(&T) -> String,
    ) -> T {
        let value = self.read(setting);
        let what = format!("must be from {} to {}", show(&least), show(&most));
        self.rule(least <= value && value <= most, setting, what, "");
        value
    }

    /// A sentence about a setting that works but does not do what one may think.
    pub fn warn<T>(&mut self, when: bool, setting: &Setting<T>, words: &str) {
        if when {
            self.warnings.push(setting.problem(words, "").to_string());
        }
    }
}
