//! Rust source as a list of tokens, for the tests that read it: comments are gone, strings have their value, every
//! token knows its line.

use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Ident(String),
    /// A string literal's value, escapes resolved.
    Text(String),
    Punct(char),
    /// A number, a character, a lifetime: nothing here looks into them.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    /// From 1.
    pub line: usize,
}

impl Token {
    pub fn ident(&self) -> Option<&str> {
        if let Kind::Ident(name) = &self.kind { Some(name) } else { None }
    }

    pub fn text(&self) -> Option<&str> {
        if let Kind::Text(value) = &self.kind { Some(value) } else { None }
    }

    pub fn is(&self, punct: char) -> bool {
        self.kind == Kind::Punct(punct)
    }
}

/// A file under `src/`: its path from there, and its text.
pub struct File {
    pub path: String,
    pub text: String,
}

/// Every `.rs` file under `src/`, in the order of their paths.
pub fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| File {
            text: fs::read_to_string(&path).unwrap(),
            path: path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/"),
        })
        .collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            into.push(path);
        }
    }
}

/// The tokens of a Rust file that compiles; what it makes of another one is not said.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { chars: source.chars().collect(), at: 0, line: 1 };
    let mut tokens = Vec::new();
    loop {
        reader.skip_blanks();
        let line = reader.line;
        let Some(kind) = reader.next() else { break };
        tokens.push(Token { kind, line });
    }
    tokens
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(next == '\n');
        Some(next)
    }

    /// White space and comments; block comments nest.
    fn skip_blanks(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(blank), _) if blank.is_whitespace() => {
                    self.bump();
                }
                (Some('/'), Some('/')) => while self.peek(0).is_some() && self.bump() != Some('\n') {},
                (Some('/'), Some('*')) => {
                    let mut depth = 0;
                    while let Some(next) = self.bump() {
                        if next == '/' && self.peek(0) == Some('*') {
                            self.bump();
                            depth += 1;
                        } else if next == '*' && self.peek(0) == Some('/') {
                            self.bump();
                            depth -= 1;
                            if depth == 0 {
                                break;
                            }
                        }
                    }
                }
                _ => return,
            }
        }
    }

    fn next(&mut self) -> Option<Kind> {
        let first = self.peek(0)?;
        if first == '"' {
            self.bump();
            return Some(Kind::Text(self.quoted()));
        }
        if first == '\'' {
            self.character_or_lifetime();
            return Some(Kind::Other);
        }
        if first.is_ascii_digit() {
            // `1..2` is a number and a range, `1.5` a number.
            while self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_')
                || (self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()))
            {
                self.bump();
            }
            return Some(Kind::Other);
        }
        if !(first.is_alphabetic() || first == '_') {
            self.bump();
            return Some(Kind::Punct(first));
        }
        let mut name = String::new();
        while let Some(next) = self.peek(0).filter(|c| c.is_alphanumeric() || *c == '_') {
            name.push(next);
            self.bump();
        }
        let prefixes_raw = matches!(name.as_str(), "r" | "br" | "cr");
        match self.peek(0) {
            Some('"') if prefixes_raw => Some(Kind::Text(self.raw())),
            Some('#') if prefixes_raw => {
                let hashes = self.chars[self.at..].iter().take_while(|c| **c == '#').count();
                if self.peek(hashes) == Some('"') {
                    return Some(Kind::Text(self.raw()));
                }
                self.bump(); // `r#type` is the name `type`
                self.next()
            }
            Some('"') if matches!(name.as_str(), "b" | "c") => {
                self.bump();
                Some(Kind::Text(self.quoted()))
            }
            Some('\'') if name == "b" => {
                self.character_or_lifetime();
                Some(Kind::Other)
            }
            _ => Some(Kind::Ident(name)),
        }
    }

    fn raw(&mut self) -> String {
        let mut hashes = 0;
        while self.bump() == Some('#') {
            hashes += 1;
        }
        let mut value = String::new();
        while let Some(next) = self.bump() {
            if next == '"' && (0..hashes).all(|n| self.peek(n) == Some('#')) {
                self.at += hashes;
                break;
            }
            value.push(next);
        }
        value
    }

    fn quoted(&mut self) -> String {
        let mut value = String::new();
        while let Some(next) = self.bump() {
            match next {
                '"' => break,
                '\\' => match self.bump() {
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some('r') => value.push('\r'),
                    // A line's end and the blanks that begin the next are not part of the value.
                    Some('\n') => {
                        while self.peek(0).is_some_and(char::is_whitespace) {
                            self.bump();
                        }
                    }
                    Some(other) => value.push(other),
                    None => break,
                },
                _ => value.push(next),
            }
        }
        value
    }

    /// `'x'`, `'\n'`, `'\u{7f}'` or `'a`.
    fn character_or_lifetime(&mut self) {
        self.bump();
        if self.peek(0) == Some('\\') {
            self.bump();
            self.bump();
            while self.bump().is_some_and(|c| c != '\'') {}
        } else if self.peek(1) == Some('\'') {
            self.bump();
            self.bump();
        } else {
            while self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_') {
                self.bump();
            }
        }
    }
}

#[test]
fn tokens_keep_their_lines_and_strings_their_values() {
    let source = r##"
// crate::nothing "x"
/* /* "nested" */ sqlx */
fn f<'a>(c: char) -> &'a str { let q = '"'; let e = '\''; "two \
    parts" }
const R: &str = r#"a "quoted"
line"#;
r#type 1..2
"##;
    let tokens = tokens(source);
    let texts: Vec<_> = tokens.iter().filter_map(|t| t.text().map(|text| (t.line, text))).collect();
    assert_eq!(texts, [(4, "two parts"), (6, "a \"quoted\"\nline")]);
    assert!(tokens.iter().all(|t| !matches!(t.ident(), Some("sqlx" | "nothing"))));
    assert_eq!(tokens.iter().find(|t| t.ident() == Some("type")).map(|t| t.line), Some(8));
    assert_eq!(tokens.iter().filter(|t| t.line == 8 && t.is('.')).count(), 2);
}
