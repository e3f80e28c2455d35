//! Every statement of `src/store/` is prepared on an empty, migrated database: a misspelt column or a word that one of
//! the two dialects lacks fails here, with its file and line, whether or not another test happens to run it.
//!
//! Statements stand where they can be found: in a macro (`sql!(on, method, "text", …)`) or a constant, for both; for one
//! database only in a constant that ends in `_POSTGRES`, `_PG` or `_SQLITE`, in an arm `Postgres(…) =>`, in a block
//! `if let Connection::Postgres(…) = …`, or in a field `sqlite:`. SQL anywhere else is an error, so that none escapes.

use std::env;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::migrate::Migrate as _;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqlSafeStr as _};

use crate::source::{self, Kind, Token};

/// A statement's first word.
const VERBS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];

/// Fewer than this, and the statements are no longer where this test looks for them.
const FEWEST: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Both,
    Postgres,
    Sqlite,
}

#[derive(Debug, PartialEq, Eq)]
struct Statement {
    /// `src/store/user.rs:12`.
    place: String,
    text: String,
    dialect: For,
}

/// The statements of one file, and the places of SQL that is no statement by the rules above.
fn statements(path: &str, source: &str) -> (Vec<Statement>, Vec<String>) {
    let tokens = without_unit_tests(&source::tokens(source));
    let (mut found, mut strays) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        let (text, after) = literal(&tokens, at);
        let Some(text) = text.filter(|text| is_statement(text)) else {
            at = after;
            continue;
        };
        let place = format!("src/{path}:{}", tokens[at].line);
        match dialect(&tokens, at) {
            Some(dialect) => found.push(Statement { place, text, dialect }),
            None => strays.push(place),
        }
        at = after;
    }
    (found, strays)
}

fn is_statement(text: &str) -> bool {
    text.split_whitespace().next().is_some_and(|word| VERBS.contains(&word)) && text.split_whitespace().count() > 1
}

/// The string that begins at `at`, `concat!("…", "…")` as one, and where to go on.
fn literal(tokens: &[Token], at: usize) -> (Option<String>, usize) {
    if let Some(text) = tokens[at].text() {
        return (Some(text.to_owned()), at + 1);
    }
    if tokens[at].ident() != Some("concat") || !tokens.get(at + 1).is_some_and(|t| t.is('!')) {
        return (None, at + 1);
    }
    let mut whole = String::new();
    for (offset, token) in tokens[at + 3..].iter().enumerate() {
        match &token.kind {
            Kind::Text(part) => whole.push_str(part),
            Kind::Punct(',') => {}
            // The end; or a part that is no string, which makes the text one that no database accepts.
            _ => return (Some(whole), at + 3 + offset),
        }
    }
    (Some(whole), tokens.len())
}

/// Which database the string at `at` is for, by what it stands in; `None` if it stands in nothing that we know.
fn dialect(tokens: &[Token], at: usize) -> Option<For> {
    // Backwards and outwards. `direct`: nothing was left yet, so what stands here is about the string itself.
    // `skipping`: in a `match`, the arms before ours say nothing about ours.
    let (mut depth, mut back, mut direct, mut skipping) = (0_usize, at, true, false);
    while back > 0 {
        back -= 1;
        match tokens[back].kind {
            Kind::Punct(')' | ']' | '}') => depth += 1,
            Kind::Punct('(' | '[' | '{') if depth > 0 => depth -= 1,
            // `name!(…, "text"`
            Kind::Punct('(')
                if direct && back >= 2 && tokens[back - 1].is('!') && tokens[back - 2].ident().is_some() =>
            {
                return Some(For::Both);
            }
            Kind::Punct('{') => {
                (direct, skipping) = (false, false);
                if let Some(found) = condition(tokens, back) {
                    return Some(found);
                }
            }
            Kind::Punct('(' | '[') => direct = false,
            _ if depth > 0 || skipping => {}
            // `Postgres(…) => "text"`, `Self::Sqlite { .. } => { … "text"`
            Kind::Punct('>') if back > 0 && tokens[back - 1].is('=') => match arm(tokens, back) {
                None => skipping = true,
                found => return found,
            },
            // `postgres: "text"`
            Kind::Punct(':') if direct && back + 1 == at => return one_database(&tokens[..back]),
            // `const NAME: &str = "text"`
            Kind::Punct('=') if direct && back + 1 == at => {
                let name = tokens[..back].iter().rev().take(8).skip_while(|t| !t.is(':')).nth(1)?.ident()?;
                return Some(if name.ends_with("_POSTGRES") || name.ends_with("_PG") {
                    For::Postgres
                } else if name.ends_with("_SQLITE") {
                    For::Sqlite
                } else {
                    For::Both
                });
            }
            Kind::Ident(ref name) if name == "fn" => return None,
            Kind::Punct(';') => direct = false,
            _ => {}
        }
    }
    None
}

/// The database that the pattern before the `=>` whose `>` is at `end` names.
fn arm(tokens: &[Token], end: usize) -> Option<For> {
    let start = tokens[..end].iter().rposition(|t| t.is(',') || t.is(';') || t.is('>')).unwrap_or(0);
    one_database(&tokens[start..end])
}

/// The database of a block that begins at `open`, where that is `if let Connection::Postgres(…) = … {`.
fn condition(tokens: &[Token], open: usize) -> Option<For> {
    let start = tokens[..open].iter().rposition(|t| t.is('{') || t.is('}') || t.is(';')).map_or(0, |at| at + 1);
    let head = &tokens[start..open];
    let let_at = head.iter().position(|t| t.ident() == Some("let"))?;
    if head.first()?.ident() != Some("if") {
        return None;
    }
    let end = head.iter().position(|t| t.is('='))?;
    one_database(head.get(let_at..end)?)
}

/// The database that the nearest name before names.
fn one_database(before: &[Token]) -> Option<For> {
    before.iter().rev().take(8).find_map(|token| match token.ident()? {
        "Postgres" | "PostgresTx" | "postgres" | "pg" => Some(For::Postgres),
        "Sqlite" | "SqliteTx" | "sqlite" => Some(For::Sqlite),
        _ => None,
    })
}

/// Unit tests may ask the database what they like.
fn without_unit_tests(tokens: &[Token]) -> Vec<Token> {
    let cfg_test = |at: usize| {
        let names: Vec<_> = tokens[at..].iter().take(7).map(|t| t.ident().unwrap_or("")).collect();
        tokens[at].is('#') && names.get(2) == Some(&"cfg") && names.get(4) == Some(&"test")
    };
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if cfg_test(at) && tokens[at..].iter().take(24).any(|t| t.ident() == Some("mod")) {
            let mut depth = 0;
            while at < tokens.len() {
                match tokens[at].kind {
                    Kind::Punct('{') => depth += 1,
                    Kind::Punct('}') if depth == 1 => break,
                    Kind::Punct('}') => depth -= 1,
                    Kind::Punct(';') if depth == 0 => break,
                    _ => {}
                }
                at += 1;
            }
        } else {
            kept.push(tokens[at].clone());
        }
        at += 1;
    }
    kept
}

/// The migrations' texts, in the order in which they run.
fn migrations() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "there are no migrations");
    files.into_iter().map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

/// Migrates, then prepares what is for this database; the places and reasons of what the database refuses.
macro_rules! refused {
    ($connection:expr, $statements:expr, $not_for:expr) => {{
        // The migrator's own table, which the store asks what was applied.
        $connection.ensure_migrations_table("_sqlx_migrations").await.unwrap();
        for (path, text) in migrations() {
            if let Err(error) = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *$connection).await {
                panic!("{path}: {error}");
            }
        }
        let mut refused = Vec::new();
        for statement in $statements.iter().filter(|statement| statement.dialect != $not_for) {
            let text = AssertSqlSafe(statement.text.clone()).into_sql_str();
            if let Err(error) = $connection.prepare(text).await {
                refused.push(format!("{}: {error}\n    {}", statement.place, statement.text));
            }
        }
        refused
    }};
}

async fn refused_by_sqlite(statements: &[Statement]) -> Vec<String> {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let refused = refused!(&mut connection, statements, For::Postgres);
    connection.close().await.unwrap();
    refused
}

/// On a database of its own, which is gone afterwards.
async fn refused_by_postgres(dsn: &str, statements: &[Statement]) -> Vec<String> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("statements_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut server = PgConnection::connect(dsn).await.unwrap();
    let mut command = async |text: String| server.execute(AssertSqlSafe(text)).await.unwrap();
    command(format!("CREATE DATABASE {name}")).await;
    let mut url = url::Url::parse(dsn).unwrap();
    url.set_path(&name);
    let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
    let refused = refused!(&mut connection, statements, For::Sqlite);
    connection.close().await.unwrap();
    command(format!("DROP DATABASE {name}")).await;
    refused
}

/// `None` where the tests run on SQLite only.
fn postgres() -> Option<String> {
    env::var("HYDRANT_TEST_DATABASE").ok().filter(|dsn| dsn.starts_with("postgres"))
}

async fn refused(statements: &[Statement]) -> Vec<String> {
    let mut refused = refused_by_sqlite(statements).await;
    if let Some(dsn) = postgres() {
        refused.extend(refused_by_postgres(&dsn, statements).await);
    }
    refused
}

#[tokio::test]
async fn every_statement_is_one_for_its_database() {
    let (mut all, mut strays) = (Vec::new(), Vec::new());
    for file in source::files().iter().filter(|file| file.path.starts_with("store/") || file.path == "store.rs") {
        let (found, stray) = statements(&file.path, &file.text);
        all.extend(found);
        strays.extend(stray);
    }
    assert!(strays.is_empty(), "SQL that is in no macro and no constant, so not prepared here:\n{}", strays.join("\n"));
    assert!(all.len() >= FEWEST, "only {} statements found in src/store", all.len());
    let refused = refused(&all).await;
    assert!(refused.is_empty(), "of {} statements the database refuses:\n{}", all.len(), refused.join("\n"));
}

/// A statement is a literal, so that nothing a client sends can become part of one. sqlx takes only `&'static str`;
/// what would get around that is `AssertSqlSafe` of something made at run time, or a string leaked to look static.
#[test]
fn no_statement_is_made_at_run_time() {
    let made: Vec<_> = source::files().iter().flat_map(|file| made_at_run_time(&file.path, &file.text)).collect();
    assert!(made.is_empty(), "a statement that is not a literal:\n{}", made.join("\n"));
}

fn made_at_run_time(path: &str, source: &str) -> Vec<String> {
    let tokens = without_unit_tests(&source::tokens(source));
    let in_store = path.starts_with("store");
    let mut made = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(name) = token.ident() else { continue };
        let bad = match name {
            // A literal or a CONSTANT may be asserted; so may it be imported.
            "AssertSqlSafe" if tokens.get(at + 1).is_some_and(|t| t.is('(')) => {
                let argument = &tokens[at + 2..];
                let constant = argument.first().is_some_and(|t| {
                    t.text().is_some() || t.ident().is_some_and(|name| !name.chars().any(char::is_lowercase))
                });
                !(constant && argument.get(1).is_some_and(|t| t.is(')')))
            }
            "QueryBuilder" => true,
            "leak" => in_store && at > 0 && (tokens[at - 1].is('.') || tokens[at - 1].is(':')),
            "query" | "query_as" | "query_scalar" | "raw_sql" | "query_with" if in_store => {
                argument(&tokens, at + 1).iter().any(|t| matches!(t.ident(), Some("format" | "String" | "to_string")))
            }
            _ => false,
        };
        if bad {
            made.push(format!("src/{path}:{}: {name}", token.line));
        }
    }
    made
}

/// The first argument of the call whose name ends before `at`; a turbofish may stand between.
fn argument(tokens: &[Token], mut at: usize) -> &[Token] {
    while tokens.get(at).is_some_and(|t| !t.is('(') && !t.is(';')) {
        at += 1;
    }
    let start = (at + 1).min(tokens.len());
    let mut depth = 0_usize;
    for (offset, token) in tokens[start..].iter().enumerate() {
        match token.kind {
            Kind::Punct('(' | '[' | '{') => depth += 1,
            Kind::Punct(')' | ']' | '}') if depth > 0 => depth -= 1,
            Kind::Punct(')' | ',' | ';') if depth == 0 => return &tokens[start..start + offset],
            _ => {}
        }
    }
    &tokens[start..]
}

mod tests {
    use super::*;

    const SAMPLE: &str = r##"
const ONE: &str = "SELECT 1 FROM clients";
const HIT_PG: &str = "SELECT UNNEST(CAST($1 AS TEXT[]))";
const HIT_SQLITE: &'static str = r#"SELECT value
  FROM json_each($1)"#;
fn f() {
    sql!(self, fetch_optional,
        "UPDATE clients SET origin = $1
          WHERE id = $2", origin, id,
    )?;
    sql!(&mut tx, execute, concat!("DELETE FROM ", "keys"));
    let _ = match db { Db::Postgres(_) => "SELECT 2 FROM keys", Db::Sqlite { .. } => "SELECT 3 FROM keys" };
    let _ = Texts { postgres: "SELECT 4 FROM keys", sqlite: "SELECT 5 FROM keys" };
    tracing::info!("UPDATE");
}
fn g() {
    if let Connection::Postgres(c) = tx.place(true).await?.connection() { query("SELECT 8 FROM keys").execute(c) }
    match place.connection() {
        Connection::Postgres(c) => { match there { true => { query("SELECT 9 FROM keys") } false => 0 } }
        Connection::Sqlite(c) => { let there = query("SELECT 10 FROM keys"); match there { _ => one(c) } }
        other => query("SELECT 11 FROM keys"),
    }
    query("SELECT 12 FROM keys")
}
#[cfg(test)]
mod tests { fn g() { query("SELECT 6 FROM keys") } }
fn h() { query("SELECT 7 FROM keys") }
"##;

    #[test]
    fn statements_are_found_in_each_of_their_forms() {
        let (found, strays) = statements("store/sample.rs", SAMPLE);
        let line = |statement: &Statement| {
            let text = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{} {:?} {text}", statement.place.trim_start_matches("src/store/sample.rs:"), statement.dialect)
        };
        assert_eq!(
            found.iter().map(line).collect::<Vec<_>>(),
            [
                "2 Both SELECT 1 FROM clients",
                "3 Postgres SELECT UNNEST(CAST($1 AS TEXT[]))",
                "4 Sqlite SELECT value FROM json_each($1)",
                "8 Both UPDATE clients SET origin = $1 WHERE id = $2",
                "11 Both DELETE FROM keys",
                "12 Postgres SELECT 2 FROM keys",
                "12 Sqlite SELECT 3 FROM keys",
                "13 Postgres SELECT 4 FROM keys",
                "13 Sqlite SELECT 5 FROM keys",
                "17 Postgres SELECT 8 FROM keys",
                "19 Postgres SELECT 9 FROM keys",
                "20 Sqlite SELECT 10 FROM keys",
            ]
        );
        assert_eq!(strays, [21, 23, 27].map(|line| format!("src/store/sample.rs:{line}")));
    }

    #[tokio::test]
    async fn a_wrong_statement_is_refused_by_each_database() {
        let statement =
            |text: &str| Statement { place: "here:1".to_owned(), text: text.to_owned(), dialect: For::Both };
        let wrong =
            [statement("SELECT no_such_column FROM clients"), statement("SELECT id FROM clients WHERE id = $1")];
        let refused = refused(&wrong).await;
        assert_eq!(refused.len(), if postgres().is_some() { 2 } else { 1 }, "{refused:?}");
        assert!(
            refused.iter().all(|line| line.starts_with("here:1: ") && line.contains("no_such_column")),
            "{refused:?}"
        );
    }

    #[test]
    fn a_text_made_at_run_time_is_found() {
        for bad in [
            "fn f() { query(AssertSqlSafe(format!(\"SELECT {x}\"))) }",
            "fn f() { let q = AssertSqlSafe(text); }",
            "fn f() { sqlx::query_as::<Postgres, Row>(&format!(\"SELECT {x}\")) }",
            "fn f() { let t: &'static str = String::leak(text); }",
            "fn f() { let t: &'static str = text.leak(); }",
            "use sqlx::QueryBuilder;",
        ] {
            assert_ne!(made_at_run_time("store/x.rs", bad), [""; 0], "{bad}");
        }
        for good in [
            "use sqlx::AssertSqlSafe;",
            "fn f() { raw_sql(AssertSqlSafe(MIGRATION)) }",
            "fn f() { query(\"SELECT 1\").bind(format!(\"{x}\")) }",
            "fn f() { url.query() ; format!(\"x\") }",
        ] {
            assert_eq!(made_at_run_time("store/x.rs", good), [""; 0], "{good}");
        }
    }
}
