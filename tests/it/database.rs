//! What goes into the database and what it makes of it, on both of them.

use hydrant::clock::Timestamp;
use hydrant::id::{ClientId, Subject};
use hydrant::store::Error;
use hydrant::store::db::Json;
use hydrant::store::user::User;
use serde_json::json;

use crate::support::{Authorize, PASSWORD, SECRET, Server, VERIFIER};

const INJECTIONS: [&str; 10] = [
    "' OR 1=1--",
    "'; DROP TABLE grants; --",
    "\"; DROP TABLE users; --",
    "\\",
    "\\'",
    "$$; DELETE FROM sessions; $$",
    "%' OR '1'='1",
    "_%",
    "{\"a\":\"b\"}",
    "alice' --",
];

fn person(username: &str, email: Option<&str>, now: Timestamp) -> User {
    User {
        id: Subject::made(now),
        username: username.to_owned(),
        email: email.map(str::to_owned),
        password_hash: None,
        claims: Json(serde_json::Map::new()),
        disabled: false,
        tokens_valid_from: Timestamp::default(),
        created_at: now,
        updated_at: now,
    }
}

/// CWE-89: input is data in every place that takes a text.
#[tokio::test]
async fn db_01_input_is_never_a_statement() {
    let server = Server::with(|config| {
        config.limits.login_per_account = 1000;
        config.limits.login_per_address = 1000;
    })
    .await;
    let tokens = server.tokens_with("openid offline").await;
    let before = server.database.dump().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    for text in INJECTIONS {
        for name in ["client_id", "redirect_uri", "scope", "prompt", "response_type", "code_challenge"] {
            let answer = server.browser().authorize(&Authorize::web().set(name, text)).await;
            assert!(
                matches!(answer.status, 400 | 401) || answer.parameter("error").is_some(),
                "{name}={text}: {}",
                answer.body
            );
        }
        for name in ["ui_locales", "login_hint", "state", "nonce", "acr_values", "display"] {
            let answer = server.browser().authorize(&Authorize::web().set(name, text)).await;
            assert!(answer.has_field("login_challenge"), "{name}={text}: {}", answer.body);
        }
        assert_eq!(browser.submit_login(&page, text, text).await.status, 400, "{text}");
        let answer = server.http.post(server.url("/oauth2/token")).basic_auth(text, Some(text));
        let answer = answer.form(&[("grant_type", "client_credentials"), ("scope", text)]).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{text}");
        for (name, fields) in [
            (
                "code",
                [("grant_type", "authorization_code"), ("code", text), ("redirect_uri", text), ("code_verifier", text)],
            ),
            ("refresh", [("grant_type", "refresh_token"), ("refresh_token", text), ("scope", text), ("a", text)]),
        ] {
            assert_eq!(server.post_as("web", "/oauth2/token", &fields).await.status, 400, "{name} {text}");
        }
        assert_eq!(server.revoke("web", text).await.status, 200, "{text}");
        let inactive = server.post_as("rs1", "/oauth2/introspect", &[("token", text)]).await;
        assert_eq!(inactive.json(), json!({ "active": false }), "{text}");
        let cookie = format!("hydrant_session={text}; hydrant_browser={text}");
        let request = server.http.get(Authorize::web().url(&server)).header("cookie", cookie);
        assert_eq!(request.header("accept-language", text).send().await.unwrap().status(), 302, "{text}");
    }
    assert_eq!(server.database.dump().await, before, "nothing was written");
    assert_eq!(server.userinfo(&tokens.access_token).await.status, 200);
}

/// The same where it is stored: it comes back as it went in.
#[tokio::test]
async fn db_01_stored_text_comes_back_as_it_was() {
    let server = Server::start().await;
    let store = &server.app().store;
    for (number, text) in INJECTIONS.iter().enumerate() {
        let mut user = person(&format!("{text}{number}"), None, server.clock.now());
        user.claims = Json(json!({ "name": text }).as_object().unwrap().clone());
        store.insert_user(&user).await.unwrap();
        let found = store.user_by_name(&user.username).await.unwrap().unwrap();
        assert_eq!((found.username, found.claims.0["name"].as_str()), (user.username, Some(*text)));
        server
            .client(text, json!({ "redirect_uris": ["https://x.example/cb"], "scope": "openid", "client_name": text }))
            .await;
        let client = store.client(&ClientId::new(*text)).await.unwrap().unwrap();
        assert_eq!(client.metadata().client_name, *text);
        let tokens = server.http.post(server.url("/oauth2/token")).form(&[("grant_type", "x"), ("client_id", text)]);
        assert_eq!(tokens.basic_auth(encoded(text), Some(SECRET)).send().await.unwrap().status(), 400, "{text}");
    }
    assert_eq!(server.database.count("clients").await, 8 + 10);
}

/// RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// CVE-2026-47203: two spellings of one name are one person's, whichever of the two names it is.
#[tokio::test]
async fn db_04_one_name_is_one_persons() {
    let server = Server::start().await;
    let (store, now) = (&server.app().store, server.clock.now());
    store.insert_user(&person("Zo\u{eb}", Some("zoe@example.com"), now)).await.unwrap();
    for (username, email) in [
        ("zoe\u{308}", None),
        ("ZO\u{cb}", None),
        (" zo\u{eb} ", None),
        ("\u{ff5a}\u{ff4f}\u{eb}", None),
        ("other", Some("ZOE@Example.COM")),
        ("zoe@example.com", None),
        ("another", Some("zo\u{eb}")),
    ] {
        let refused = store.insert_user(&person(username, email, now)).await;
        assert!(matches!(refused, Err(Error::Conflict)), "{username} {email:?}");
        assert!(store.user_by_name(username).await.unwrap().is_none_or(|found| found.username == "Zo\u{eb}"));
    }
    for name in ["zoe", "\u{437}o\u{eb}", "zo\u{eb}1"] {
        store.insert_user(&person(name, None, now)).await.unwrap();
    }
    for name in ["ZOE\u{308}", "zoe@EXAMPLE.com", "zo\u{eb}"] {
        assert_eq!(store.user_by_name(name).await.unwrap().unwrap().username, "Zo\u{eb}", "{name}");
    }
}

/// CWE-178: ids and tokens are bytes. No letter is another one's capital, and a list has one order everywhere.
#[tokio::test]
async fn db_05_ids_and_tokens_are_compared_as_bytes() {
    let server = Server::start().await;
    let store = &server.app().store;
    for id in ["a", "A", "\u{e4}", "a\u{308}", "Z", "b", "_", "a "] {
        server
            .client(id, json!({ "redirect_uris": [format!("https://{}.example/cb", id.len())], "scope": "openid" }))
            .await;
    }
    for id in ["WEB", "Web", "web ", "w\u{435}b"] {
        assert!(store.client(&ClientId::new(id)).await.unwrap().is_none(), "{id}");
        let answer = server.browser().authorize(&Authorize::of(id, "https://rp.example/cb")).await;
        answer.assert_page(401, "invalid_client");
    }
    let tokens = server.tokens_with("openid offline").await;
    let swapped = |token: &str| -> String {
        let (prefix, rest) = token.split_at(4);
        let rest =
            rest.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
        prefix.chars().chain(rest).collect()
    };
    assert_eq!(server.userinfo(&swapped(&tokens.access_token)).await.status, 401);
    server.refresh("web", &swapped(tokens.refresh())).await.assert_error(400, "invalid_grant");
    assert_eq!(server.refresh("web", tokens.refresh()).await.status, 200);
    // Page by page, each client comes once.
    let mut after: Option<String> = None;
    let mut seen = Vec::new();
    loop {
        let page = store.clients(after.as_deref(), None, None, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.as_str().to_owned());
        seen.extend(page.into_iter().map(|client| client.id.as_str().to_owned()));
    }
    let mut unique = seen.clone();
    unique.sort();
    unique.dedup();
    assert_eq!((seen.len(), unique.len()), (16, 16), "{seen:?}");
}

/// Numbers that no clock reaches are refused; arithmetic does not wrap.
#[tokio::test]
async fn db_07_numbers_have_bounds() {
    let server = Server::start().await;
    for number in [
        "-1",
        "1000000000000000000",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999999",
        "1e9",
        "0x1",
        " 1",
        "1.0",
    ] {
        let answer = server.browser().authorize(&Authorize::web().set("max_age", number)).await;
        answer.assert_back(&server, 302, "invalid_request");
    }
    let answer = server.browser().authorize(&Authorize::web().set("max_age", "9999999999")).await;
    assert!(answer.has_field("login_challenge"), "{}", answer.body);
}

/// CVE-2026-1035: of many at once one gets the name, the others are told that it is taken.
#[tokio::test]
async fn db_10_one_of_many_gets_the_name() {
    let server = Server::start().await;
    let (store, now) = (&server.app().store, server.clock.now());
    let barrier = tokio::sync::Barrier::new(32);
    let racers = (0..32).map(|number| {
        let barrier = &barrier;
        async move {
            let name = if number % 2 == 0 { "racer" } else { "RACER" };
            barrier.wait().await;
            store.insert_user(&person(name, None, now)).await
        }
    });
    let outcomes = futures_util::future::join_all(racers).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(Error::Conflict))), "{outcomes:?}");
    let web = store.client(&ClientId::new("web")).await.unwrap().unwrap();
    let copies = (0..32).map(|_| {
        let (barrier, mut client) = (&barrier, (*web).clone());
        client.id = ClientId::new("racer");
        async move {
            barrier.wait().await;
            store.insert_client(&client).await
        }
    });
    let outcomes = futures_util::future::join_all(copies).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(Error::Conflict))), "{outcomes:?}");
    let conflict: hydrant::oauth::Error = Error::Conflict.into();
    assert_eq!(conflict.status, 409);
}

/// What hangs on a person or a client goes with them, and their tokens die with them.
#[tokio::test]
async fn db_11_what_hangs_on_a_row_goes_with_it() {
    let server = Server::start().await;
    let store = &server.app().store;
    let mut browser = server.browser();
    let code = browser.code(&Authorize::web().set("scope", "openid offline"), "alice").await;
    let tokens = server.token(&code).await.tokens();
    let pending = browser.code(&Authorize::web(), "alice").await;
    let alice = server.subject("alice").await;
    assert!(store.delete_user(&alice, server.ending()).await.unwrap());
    for (table, column) in
        [("sessions", "subject"), ("consents", "subject"), ("user_names", "user_id"), ("users", "id")]
    {
        let left = server.database.column(&format!("SELECT {column} FROM {table} WHERE {column} = '{alice}'")).await;
        assert_eq!(left, Vec::<String>::new(), "{table}");
    }
    assert_eq!(server.userinfo(&tokens.access_token).await.status, 401);
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
    server.token(&pending).await.assert_error(400, "invalid_grant");
    assert!(!store.delete_user(&alice, server.ending()).await.unwrap());

    let spa = Authorize::of("spa", "https://spa.example/cb").set("scope", "openid offline");
    let code = server.browser().code(&spa, "bob").await;
    let tokens = server.redeem("spa", &code, "https://spa.example/cb", Some(VERIFIER)).await.tokens();
    assert_eq!(server.database.count("client_origins").await, 1);
    assert!(store.delete_client(&ClientId::new("spa")).await.unwrap());
    assert_eq!(server.database.count("client_origins").await, 0, "foreign keys are on");
    assert_eq!(server.userinfo(&tokens.access_token).await.status, 401);
    server.refresh("spa", tokens.refresh()).await.assert_error(401, "invalid_client");
}

/// A client that is registered anew under an old id gets nothing that was given to the old one.
#[tokio::test]
async fn db_11_a_new_client_of_an_old_id_inherits_nothing() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline").await;
    let store = &server.app().store;
    assert!(store.delete_client(&ClientId::new("web")).await.unwrap());
    server.pass(1);
    let metadata = json!({
        "redirect_uris": ["https://rp.example/cb"], "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid offline",
    });
    server.client("web", metadata).await;
    assert_eq!(server.userinfo(&tokens.access_token).await.status, 401);
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let page = browser.login(&page, "alice", PASSWORD, false).await;
    assert!(page.has_field("consent_challenge"), "what was allowed to the old client is not remembered for the new");
}

/// The file that SQLite keeps is its owner's alone, is written through before it is acknowledged, and is no link.
#[cfg(unix)]
#[tokio::test]
async fn sc_11_db_13_the_sqlite_file_is_private_and_durable() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use hydrant::config::Config;
    use hydrant::store::Store;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made").join("hydrant.db");
    let dsn = format!("sqlite://{}", path.display());
    let store = Store::open(&Config::for_tests("http://127.0.0.1:4444", &dsn).database).await.unwrap();
    store.migrate().await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap().path();
        assert_eq!(mode(&entry), 0o600, "{}", entry.display());
        files += 1;
    }
    assert!(files >= 2, "the file and its write-ahead log");
    store.close().await;

    let link = folder.path().join("link.db");
    for target in [path.as_path(), folder.path().join("nowhere.db").as_path()] {
        symlink(target, &link).unwrap();
        let dsn = format!("sqlite://{}", link.display());
        let refused = Store::open(&Config::for_tests("http://127.0.0.1:4444", &dsn).database).await;
        assert!(refused.is_err(), "{}", target.display());
        std::fs::remove_file(&link).unwrap();
    }
    assert!(!folder.path().join("nowhere.db").exists());
}

/// RE-05: a request without credentials never writes, however many come.
#[tokio::test]
async fn re_05_requests_without_a_person_write_nothing() {
    let server = Server::start().await;
    let before = server.database.dump().await;
    for number in 0..200 {
        let request = Authorize::web().set("state", &format!("state {number}"));
        let page = server.browser().authorize(&request).await;
        assert_eq!(page.status, 200);
        if number % 20 == 0 {
            let mut browser = server.browser();
            let page = browser.authorize(&request).await;
            browser.submit_login(&page, &format!("nobody {number}"), PASSWORD).await;
            server.post("/oauth2/token", &[("grant_type", "authorization_code"), ("code", "x")]).await;
            server.get("/oauth2/sessions/logout").await;
        }
    }
    assert_eq!(server.database.dump().await, before);
}

/// RE-13: one connection (besides the one that listens) serves a crowd, because nobody holds it while hashing or waiting.
#[tokio::test]
async fn re_13_one_connection_is_enough_for_a_crowd() {
    let server = Server::with(|config| {
        config.database.max_connections = 2;
        config.limits.login_per_account = 1000;
        config.limits.login_per_address = 1000;
        config.limits.password_hashes = 4;
        config.accounts.argon2.memory_kib = 2048;
    })
    .await;
    let people = (0..16).map(|_| async {
        let code = server.browser().code(&Authorize::web().set("scope", "openid offline"), "alice").await;
        let tokens = server.token(&code).await.tokens();
        let tokens = server.refresh("web", tokens.refresh()).await.tokens();
        server.userinfo(&tokens.access_token).await.status
    });
    let statuses = futures_util::future::join_all(people).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

/// Each thread has connections of its own, and all are one server: what one has ended no other takes.
#[tokio::test]
async fn threads_are_one_server() {
    let server = Server::with(|config| {
        config.limits.threads = 3;
        config.database.max_connections = 12;
    })
    .await;
    let mut browser = server.browser();
    let code = browser.code(&Authorize::web().set("scope", "openid offline"), "alice").await;
    let tokens = server.token(&code).await.tokens();
    // Each by a connection of its own, and so by every thread.
    let ask = async || {
        let token = &tokens.access_token;
        let request = format!(
            "GET /userinfo HTTP/1.1\r\nHost: {{host}}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        server.raw_text(&request).await.status()
    };
    for _ in 0..9 {
        assert_eq!(ask().await, 200);
    }
    server.revoke("web", tokens.refresh()).await;
    for _ in 0..9 {
        assert_eq!(ask().await, 401);
    }
}
