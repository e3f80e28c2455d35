//! `hydrant session`: where people are signed in, and ending it at the command line.

use serde_json::{Value, json};

use crate::support::process;
use crate::support::{Authorize, Browser, Server, Tokens};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

async fn signed_in<'a>(server: &'a Server, username: &str) -> (Browser<'a>, Tokens) {
    let mut browser = server.browser().calling_itself(FIREFOX);
    let code = browser.code(&Authorize::web(), username).await;
    let tokens = server.token(&code).await.tokens();
    (browser, tokens)
}

fn run(server: &Server, arguments: &[&str]) -> process::Ran {
    process::run(server.database.dsn(), &[&["session", "--dev"], arguments].concat(), "")
}

fn json_of(server: &Server, arguments: &[&str]) -> Value {
    run(server, &[arguments, &["--format", "json"]].concat()).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_by_any_name_of_their_person() {
    let server = Server::start().await;
    let (_, first) = signed_in(&server, "alice").await;
    signed_in(&server, "bob").await;
    let id = server.subject("alice").await;
    let sid = first.claims()["sid"].as_str().unwrap().to_owned();
    for name in [&["alice"][..], &["ALICE@example.com"], &[id.as_str()], &["--subject", id.as_str()]] {
        let listed = json_of(&server, &[&["list"], name].concat());
        assert_eq!(listed.as_array().unwrap().len(), 1, "{name:?}");
        let one = &listed[0];
        assert_eq!((&one["id"], &one["subject"]), (&json!(sid), &json!(id.as_str())));
        assert_eq!((&one["address"], &one["user_agent"]), (&json!("127.0.0.1"), &json!(FIREFOX)));
        assert!(!listed.to_string().contains("null"), "{listed}");
    }
    let told = run(&server, &["list", "alice"]).stdout;
    for part in ["SESSION ID", &sid, "Firefox on Linux", "127.0.0.1"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    run(&server, &["list", "nobody"]).failed(1, "--subject");
    assert_eq!(json_of(&server, &["list", "--subject", "nobody"]), json!([]));
    run(&server, &["list"]).failed(2, "USER");
    run(&server, &["list", "alice", "--subject", "x"]).failed(2, "cannot be used");
}

/// What the command line ends is over for the running server, and its clients are to be told.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_ended_by_their_id_and_by_their_person() {
    let server = Server::start().await;
    server.change_client("web", |client| client["backchannel_logout_uri"] = json!("https://rp.example/bye")).await;
    let (mut one, first) = signed_in(&server, "alice").await;
    let (_, second) = signed_in(&server, "alice").await;
    let (_, third) = signed_in(&server, "alice").await;
    let (_, of_bob) = signed_in(&server, "bob").await;
    let sid = first.claims()["sid"].as_str().unwrap().to_owned();
    let active = async |tokens: &Tokens| server.introspect(&tokens.access_token).await.active;

    // All or nothing.
    run(&server, &["revoke", &sid, "0198c0de-3f7a-7c51-9d5e-1f6a3b0c2d4e"]).failed(1, "nothing was done");
    run(&server, &["revoke", &sid, "x"]).failed(2, "not the id of a session");
    assert!(active(&first).await);
    assert_eq!(json_of(&server, &["revoke", &sid]), json!({ "revoked": 1 }));
    assert!(!active(&first).await && active(&second).await);
    let silent = Authorize::web().set("prompt", "none");
    one.get(&silent.url(&server)).await.assert_back(&server, 302, "login_required");
    assert_eq!(server.database.count("logout_tokens").await, 1);
    run(&server, &["revoke", &sid]).failed(1, "there is no session");

    assert!(run(&server, &["revoke", "--user", "alice"]).stdout.contains("2 sessions have ended"));
    assert!(!active(&second).await && !active(&third).await && active(&of_bob).await);
    assert!(run(&server, &["revoke", "--all-of", "alice"]).stdout.contains("There was no session"));
    assert_eq!(json_of(&server, &["revoke", "--subject", "nobody"]), json!({ "revoked": 0 }));
    run(&server, &["revoke"]).failed(2, "required");
    run(&server, &["revoke", "--user", "nobody"]).failed(1, "nobody is no id, username or email");
    run(&server, &["revoke", &sid, "--user", "bob"]).failed(2, "cannot be used");
    assert!(active(&of_bob).await);
}
