//! A YAML 1.2 text as a tree in which every key and value knows its line.
//!
//! Scalars stay text: `0123` as a secret is not the number 123. What a value means is its key's to say (`value.rs`).

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, NonFiniteFloatPolicy, Spanned};

use super::problem::{Place, Problem};

/// A value and the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub line: u64,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// `~`, `null`, or nothing behind the colon.
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value. Keys that come twice are both here: to refuse them is the reader's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub line: u64,
    pub value: Node,
}

/// Reads the text of `file` (its name is for the problem only).
pub fn parse(file: &str, text: &str) -> Result<Node, Problem> {
    // Both of two equal keys come through, so that all of them can be reported, with the other problems of the file.
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        // A secret that looks like a number too large (`1e999`) keeps its spelling, and is no error with the secret in it.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false
    };
    let shape: Spanned<Shape> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = match error.location() {
            Some(at) if at.line() > 0 => Place::Line { file: file.to_owned(), line: at.line() },
            _ => Place::File(file.to_owned()),
        };
        // Without the excerpt: the line may hold a secret.
        let words = error.without_snippet().to_string();
        Problem::new(place, "", format!("is not valid YAML: {}", one_line(&words)), "")
    })?;
    Ok(node(shape, text))
}

fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What serde sees, before the source text is asked for what it dropped.
enum Shape {
    Null,
    Text(String),
    /// A number or boolean: its spelling is in the source, this is the value's own.
    Typed(String),
    List(Vec<Spanned<Shape>>),
    Map(Vec<(Spanned<String>, Spanned<Shape>)>),
}

fn node(shape: Spanned<Shape>, text: &str) -> Node {
    let content = match shape.value {
        Shape::Null => Content::Null,
        Shape::Text(scalar) => Content::Scalar(scalar),
        Shape::Typed(value) => Content::Scalar(spelling(shape.defined, text).map_or(value, str::to_owned)),
        Shape::List(items) => Content::List(items.into_iter().map(|item| node(item, text)).collect()),
        Shape::Map(entries) => Content::Map(
            entries
                .into_iter()
                .map(|(key, value)| Entry { line: key.referenced.line(), key: key.value, value: node(value, text) })
                .collect(),
        ),
    };
    Node { line: shape.referenced.line(), content }
}

/// How a plain scalar is written; `None` where the place is not that of one (a tag, quotes).
fn spelling(at: Location, text: &str) -> Option<&str> {
    let start = usize::try_from(at.span().byte_offset()?).ok()?;
    let length = usize::try_from(at.span().byte_len()?).ok()?;
    let written = text.get(start..start.checked_add(length)?)?.trim();
    let plain = !written.is_empty() && written.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c));
    plain.then_some(written)
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyShape;

        impl<'de> Visitor<'de> for AnyShape {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, a list or a section")
            }
            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::Null)
            }
            fn visit_str<E>(self, value: &str) -> Result<Shape, E> {
                Ok(Shape::Text(value.to_owned()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Shape, E> {
                Ok(Shape::Typed(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Shape, E> {
                Ok(Shape::Typed(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Shape, E> {
                Ok(Shape::Typed(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Shape, E> {
                Ok(Shape::Typed(value.to_string()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Shape::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Shape::Map(entries))
            }
            fn visit_newtype_struct<N: Deserializer<'de>>(self, inner: N) -> Result<Shape, N::Error> {
                de::Deserialize::deserialize(inner)
            }
        }

        deserializer.deserialize_any(AnyShape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<Entry> {
        match parse("t.yml", text).unwrap().content {
            Content::Map(entries) => entries,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_and_values_know_their_lines() {
        let top = entries("# words\na: 1\nb:\n  c:\n  - x\n  - y\n  d: e\n");
        assert_eq!((top[0].key.as_str(), top[0].line), ("a", 2));
        assert_eq!((top[1].key.as_str(), top[1].line), ("b", 3));
        let Content::Map(inner) = &top[1].value.content else { panic!() };
        assert_eq!((inner[0].key.as_str(), inner[0].line), ("c", 4));
        assert_eq!((inner[1].key.as_str(), inner[1].line), ("d", 7));
        let Content::List(items) = &inner[0].value.content else { panic!() };
        assert_eq!(items.iter().map(|item| item.line).collect::<Vec<_>>(), [5, 6]);
    }

    #[test]
    fn scalars_keep_their_spelling() {
        for written in [
            "0123456789012345",
            "123456789012345678901234567890",
            "1e5",
            "0x1F",
            "1.50",
            "1e999",
            ".inf",
            "true",
            "-1",
            "off",
            "1_000",
        ] {
            let top = entries(&format!("a: {written} # why\nb: 1\n"));
            assert_eq!(top[0].value.content, Content::Scalar(written.into()), "{written}");
        }
        assert_eq!(entries("a: \"1\"\n")[0].value.content, Content::Scalar("1".into()));
        assert_eq!(entries("ü: ä\na: 0012\n")[1].value.content, Content::Scalar("0012".into()));
        assert_eq!(entries("a: \"\"\n")[0].value.content, Content::Scalar(String::new()));
    }

    #[test]
    fn nothing_is_null() {
        assert_eq!(parse("t.yml", "").unwrap().content, Content::Null);
        assert_eq!(parse("t.yml", "# only words\n").unwrap().content, Content::Null);
        assert_eq!(entries("a:\nb: ~\n")[0].value.content, Content::Null);
    }

    #[test]
    fn a_key_that_comes_twice_is_seen_twice() {
        assert_eq!(entries("a: 1\nb: 2\na: 3\n").len(), 3);
    }

    #[test]
    fn broken_yaml_is_refused_with_its_line_and_without_its_text() {
        let problem = parse("t.yml", "a: 1\nsecret: \"hunter2hunter2\n").unwrap_err().to_string();
        assert!(problem.starts_with("t.yml:"), "{problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
        let problem = parse("t.yml", "a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(matches!(problem.place, Place::Line { line: 2..=4, .. }), "{problem}");
        assert!(!problem.to_string().contains('\n'));
    }
}
