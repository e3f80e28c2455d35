//! The layers: `src/lib.rs` lists the modules lowest first, a blank line between layers, and a module imports only from
//! the layers below its own. Also which crates a layer may name, and what the pure ones may not do.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::source::{self, File, Kind, Token};

/// Where an outside crate may be named. `main.rs` is above all layers.
const CRATES: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("reqwest", &["fetch", "cli"]),
    ("axum", &["http", "admin", "endpoint", "router", "cli", "telemetry"]),
    ("axum_server", &["http", "cli"]),
];

/// What the pure modules may not name, beside the crates above: no I/O, no clock (design.md, decision 6).
const PURE: &[&str] = &["oauth", "jose"];
const IMPURE: &[&str] = &["await", "axum", "sqlx", "SystemTime", "tokio"];

/// How a statement of SQL begins. Only `store` holds such a text.
const STATEMENTS: &[&str] =
    &["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH ", "CREATE TABLE ", "ALTER TABLE ", "PRAGMA "];

/// Each module's layer, from 0, as `lib.rs` lists them.
fn layers(lib: &str) -> HashMap<String, usize> {
    let mut layers = HashMap::new();
    let mut layer = 0;
    let mut in_layer = false;
    for line in lib.lines().map(str::trim) {
        let declared = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "));
        if let Some(name) = declared.and_then(|rest| rest.strip_suffix(';')) {
            layers.insert(name.to_owned(), layer);
            in_layer = true;
        } else if line.is_empty() && in_layer {
            layer += 1;
            in_layer = false;
        }
    }
    layers
}

/// Every broken rule of one file, as `src/path:line: why`.
fn broken_rules(layers: &HashMap<String, usize>, file: &File) -> Vec<String> {
    let tokens = source::tokens(&file.text);
    let module = file.path.split(['/', '.']).next().unwrap();
    let mut broken = Vec::new();
    let mut report = |line: usize, why: String| broken.push(format!("src/{}:{line}: {why}", file.path));

    if !matches!(module, "lib" | "main") {
        let Some(own) = layers.get(module) else {
            report(1, format!("`{module}` is not in src/lib.rs"));
            return broken;
        };
        for (line, name) in imports(&file.path, &tokens) {
            match layers.get(&name) {
                _ if name == module => {}
                None => report(line, format!("`crate::{name}` is no module of src/lib.rs")),
                Some(layer) if layer > own => report(line, format!("`{module}` imports `{name}` from a higher layer")),
                Some(layer) if layer == own => report(line, format!("`{module}` imports `{name}` from its own layer")),
                Some(_) => {}
            }
        }
    }

    for (at, token) in tokens.iter().enumerate() {
        if let Some(text) = token.text() {
            let text = text.trim_start();
            if module != "store" && STATEMENTS.iter().any(|verb| text.starts_with(verb)) {
                report(token.line, "SQL belongs in `store`".to_owned());
            }
        }
        let Some(name) = token.ident() else { continue };
        if module != "main" {
            for (outside, allowed) in CRATES {
                if name == *outside && !allowed.contains(&module) {
                    report(token.line, format!("`{module}` names `{outside}`; only {} may", allowed.join(", ")));
                }
            }
        }
        // `await` counts as `.await`: a keyword cannot be anything else.
        if PURE.contains(&module) && IMPURE.contains(&name) && !already_reported(name) {
            report(token.line, format!("`{module}` is pure and names `{name}`"));
        }
        if PURE.contains(&module) && name == "fn" && at > 0 && tokens[at - 1].ident() == Some("async") {
            report(token.line, format!("`{module}` is pure and has an async function"));
        }
    }
    broken
}

fn already_reported(name: &str) -> bool {
    CRATES.iter().any(|(outside, _)| *outside == name)
}

/// The crate's modules that a file names, with the line: `use crate::{a, b::c}`, `crate::a::f()`, `$crate::a`, and
/// `super::a` where that reaches the root.
fn imports(path: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let file_depth = stem.split('/').filter(|part| *part != "mod").count();
    // The depths of braces at which an inline `mod name {` began.
    let (mut braces, mut inline) = (0_usize, Vec::new());
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        match &token.kind {
            Kind::Punct('{') => {
                braces += 1;
                if at >= 2 && tokens[at - 2].ident() == Some("mod") {
                    inline.push(braces);
                }
            }
            Kind::Punct('}') => {
                if inline.last() == Some(&braces) {
                    inline.pop();
                }
                braces = braces.saturating_sub(1);
            }
            Kind::Ident(name) if name == "crate" && is_path_separator(tokens, at + 1) => {
                first_segments(tokens, at + 3, &mut found);
            }
            Kind::Ident(name) if name == "super" && is_path_separator(tokens, at + 1) => {
                let mut supers = 1;
                let mut next = at + 3;
                while tokens.get(next).and_then(Token::ident) == Some("super") && is_path_separator(tokens, next + 1) {
                    supers += 1;
                    next += 3;
                }
                if supers == file_depth + inline.len() {
                    first_segments(tokens, next, &mut found);
                }
                at = next - 1;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn is_path_separator(tokens: &[Token], at: usize) -> bool {
    tokens.get(at).is_some_and(|t| t.is(':')) && tokens.get(at + 1).is_some_and(|t| t.is(':'))
}

/// The first name of the path, or of each path of the group, that begins at `at`.
fn first_segments(tokens: &[Token], at: usize, found: &mut Vec<(usize, String)>) {
    let Some(token) = tokens.get(at) else { return };
    if let Some(name) = token.ident() {
        found.push((token.line, name.to_owned()));
    } else if token.is('*') {
        found.push((token.line, "*".to_owned()));
    } else if token.is('{') {
        let mut depth = 1;
        let mut first = true;
        for token in &tokens[at + 1..] {
            match &token.kind {
                Kind::Punct('{') => depth += 1,
                Kind::Punct('}') => depth -= 1,
                Kind::Punct(',') if depth == 1 => first = true,
                Kind::Ident(name) if first => {
                    first = false;
                    if name != "self" {
                        found.push((token.line, name.clone()));
                    }
                }
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }
}

#[test]
fn every_file_keeps_to_its_layer() {
    let files = source::files();
    let lib = files.iter().find(|file| file.path == "lib.rs").unwrap();
    let layers = layers(&lib.text);
    assert!(layers.len() >= 20, "src/lib.rs lists only {} modules: is it still read rightly?", layers.len());
    let mut report = String::new();
    for broken in files.iter().flat_map(|file| broken_rules(&layers, file)) {
        writeln!(report, "  {broken}").unwrap();
    }
    assert!(report.is_empty(), "the layers of src/lib.rs are broken:\n{report}");
}

mod tests {
    use super::*;

    const LIB: &str = "//! Words.\n\npub mod clock;\npub mod id;\n\npub mod oauth;\n\npub mod store;\n\npub mod app;\n\n\npub mod grant;\n";

    fn check(path: &str, text: &str) -> Vec<String> {
        broken_rules(&layers(LIB), &File { path: path.to_owned(), text: text.to_owned() })
    }

    #[test]
    fn a_blank_line_begins_a_layer() {
        let layers = layers(LIB);
        let layer = |name: &str| layers[name];
        assert_eq!(
            [layer("clock"), layer("id"), layer("oauth"), layer("store"), layer("app"), layer("grant")],
            [0, 0, 1, 2, 3, 4]
        );
    }

    #[test]
    fn what_lies_below_may_be_imported() {
        let text = "use std::fmt;\nuse crate::{clock::Timestamp, id::{ClientId, Subject}, store};\nuse super::grant;\n\
                    // crate::grant in a comment\nfn f() { let _ = \"crate::grant::x\"; crate::app::App::new() }";
        assert_eq!(check("app.rs", &text.replace("use super::grant;\n", "")), [""; 0]);
        assert_eq!(check("app.rs", text), ["src/app.rs:3: `app` imports `grant` from a higher layer"]);
    }

    #[test]
    fn a_higher_layer_is_found_in_every_form() {
        for (text, line) in [
            ("use crate::grant::exchange;", 1),
            ("use crate::{\n    clock,\n    grant::{self, exchange},\n};", 3),
            ("fn f() {\n    crate::grant::exchange()\n}", 2),
            ("macro_rules! m { () => { $crate::grant::x() } }", 1),
            ("use super::super::grant;", 1),
            ("#[cfg(test)]\nmod tests {\n    use super::super::super::grant;\n}", 3),
            ("#[cfg(test)]\nmod tests {\n    use crate::grant;\n}", 3),
            ("pub use crate::grant as g;", 1),
        ] {
            let expected = format!("src/oauth/scope.rs:{line}: `oauth` imports `grant` from a higher layer");
            assert_eq!(check("oauth/scope.rs", text), [expected], "{text}");
        }
    }

    #[test]
    fn the_own_layer_and_unknown_names_are_found() {
        assert_eq!(check("id.rs", "use crate::clock;"), ["src/id.rs:1: `id` imports `clock` from its own layer"]);
        assert_eq!(
            check("id.rs", "use crate::id::{a, b};\nuse super::*;"),
            ["src/id.rs:2: `crate::*` is no module of src/lib.rs"]
        );
        assert_eq!(
            check("id.rs", "use crate::nonsense;"),
            ["src/id.rs:1: `crate::nonsense` is no module of src/lib.rs"]
        );
        assert_eq!(check("stray.rs", ""), ["src/stray.rs:1: `stray` is not in src/lib.rs"]);
        assert_eq!(check("id/a.rs", "pub(in crate::id) fn f() {} mod m { use super::super::b; }"), [""; 0]);
    }

    #[test]
    fn outside_crates_have_their_places() {
        assert_eq!(check("store/user.rs", "sqlx::query(\"SELECT 1\")"), [""; 0]);
        assert_eq!(check("app.rs", "use sqlx::PgPool;"), ["src/app.rs:1: `app` names `sqlx`; only store may"]);
        assert_eq!(check("app.rs", "\nlet q = \"SELECT 1\";"), ["src/app.rs:2: SQL belongs in `store`"]);
        assert_eq!(check("app.rs", "reqwest::Client::builder()").len(), 1);
        assert_eq!(check("grant.rs", "use axum::Json;").len(), 1);
        assert_eq!(check("main.rs", "use hydrant::cli; use axum::Router;"), [""; 0]);
    }

    #[test]
    fn the_pure_modules_do_nothing() {
        for text in
            ["x().await", "use std::time::SystemTime;", "#[tokio::test] fn f() {}", "axum::Json(1)", "sqlx::x()"]
        {
            assert_eq!(check("oauth/pkce.rs", text).len(), 1, "{text}");
        }
        assert_eq!(check("oauth/pkce.rs", "// awaits tokio\npub fn f(awaited: u8) {}"), [""; 0]);
    }
}
