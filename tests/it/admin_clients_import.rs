//! `hydrant client import`: what Hydra's list of clients gives, at the command line (AD-16).

use hydrant::clock::Clock;
use serde_json::{Value, json};

use crate::support::process::{Ran, run};
use crate::support::{Database, SECRET, Server};

const HASH: &str = "$pbkdf2-sha256$i=25000,l=32$AAECAwQFBgcICQoLDA0ODw$eWFAnc+AkKcmReXpYz2j2ghiAFnovLfxY5W08Fo0O/Y";

/// As Hydra shows it, with all its nulls.
fn of_hydra(id: &str, more: &Value) -> Value {
    let mut client = json!({
        "client_id": id, "client_name": "From Hydra", "redirect_uris": ["https://app.example/cb"], "grant_types": ["client_credentials"],
        "response_types": [], "scope": "offline_access offline openid", "audience": [], "owner": "", "policy_uri": "",
        "allowed_cors_origins": [], "tos_uri": "", "client_uri": "", "logo_uri": "", "contacts": null,
        "client_secret_expires_at": 0, "subject_type": "public", "jwks": {}, "token_endpoint_auth_method": "client_secret_basic",
        "userinfo_signed_response_alg": "none", "created_at": "2024-07-24T12:00:00Z", "updated_at": "2024-07-24T12:00:00Z",
        "metadata": {}, "skip_consent": false, "skip_logout_consent": null,
        "authorization_code_grant_access_token_lifespan": null, "client_credentials_grant_access_token_lifespan": "10m0s",
    });
    client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client
}

fn import(server: &Server, arguments: &[&str], input: &str) -> Ran {
    run(server.database.dsn(), &[&["client", "import", "-", "--dev"], arguments].concat(), input)
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn basic(server: &Server, id: &str, secret: &str) -> u16 {
    let request = server.http.post(server.url("/oauth2/token")).basic_auth(id, Some(secret));
    request.form(&[("grant_type", "client_credentials")]).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_hydra_come_over_with_their_secrets() {
    let server = Server::on(Database::new().await, Clock::System, |_| {}).await;
    let hashed = json!({ "client_secret_hash": HASH });
    let public = json!({ "client_secret_hash": HASH, "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"] });
    let list = json!([
        of_hydra("a", &hashed),
        of_hydra("b", &public),
        of_hydra("c", &json!({})),
        of_hydra("d", &json!({ "client_secret": "chosen-by-hand" }))
    ]);

    let tried = import(&server, &["--dry-run", "--format", "json"], &list.to_string());
    assert_eq!(tried.status, 0, "{}", tried.stderr);
    assert!(lines(&tried).iter().all(|line| line["outcome"] == "valid"), "{}", tried.stdout);
    server.admin(reqwest::Method::GET, "/clients/a", None).await.assert_error(404, "not_found");

    let done = import(&server, &["--format", "json"], &list.to_string());
    assert_eq!(done.status, 0, "{}", done.stderr);
    let told = lines(&done);
    for (line, (number, id)) in told.iter().zip([(1, "a"), (2, "b"), (3, "c"), (4, "d")]) {
        assert_eq!(
            (&line["record"], &line["client_id"], &line["outcome"]),
            (&json!(number), &json!(id), &json!("created"))
        );
    }
    assert!(told[0].get("client_secret").is_none() && told[1].get("client_secret").is_none(), "{}", done.stdout);
    assert_eq!(basic(&server, "a", "hydra-secret-1").await, 200);
    assert_eq!(basic(&server, "a", "wrong").await, 401);
    assert_eq!(basic(&server, "c", told[2]["client_secret"].as_str().unwrap()).await, 200);
    assert_eq!(basic(&server, "d", "chosen-by-hand").await, 200);
    let client = server.admin(reqwest::Method::GET, "/clients/a", None).await.json();
    assert_eq!(
        (&client["client_name"], &client["client_credentials_grant_access_token_lifespan"]),
        (&json!("From Hydra"), &json!("10m0s"))
    );
    assert!(!done.stdout.contains("pbkdf2") && !done.stderr.contains("pbkdf2"), "AD-07");
}

/// AD-16: each record by itself, by its position; what is good of it is done, and can be done again.
#[tokio::test(flavor = "multi_thread")]
async fn ad_16_every_bad_record_is_named_and_stops_no_other() {
    let server = Server::start().await;
    let records = [
        of_hydra("a", &json!({ "client_secret_hash": HASH })),
        of_hydra(
            "b",
            &json!({ "client_secret_hash": "$pbkdf2-sha256$i=4000000000,l=32$AAECAwQFBgcICQoLDA0ODw$eWFAnc" }),
        ),
        of_hydra("c", &json!({ "grant_types": ["password"] })),
        of_hydra("", &json!({})),
        json!(null),
        of_hydra("d", &json!({ "contacts": 7 })),
        of_hydra("web", &json!({ "client_secret_hash": HASH })),
        of_hydra("e\u{0}", &json!({})),
        of_hydra("f", &json!({ "metadata": "x".repeat(300_000) })),
        of_hydra("g", &json!({ "client_secret_hash": HASH })),
        of_hydra("g", &json!({ "client_secret_hash": HASH })),
    ];
    let text: Vec<_> = records.iter().map(Value::to_string).collect();
    let text = format!("{}\n{{\"client_id\": \"h\", \"client_id\": \"h\"}}\n{{nonsense}}\n", text.join("\n"));
    let bad = [
        (2, "client_secret_hash"),
        (3, "grant_types"),
        (4, "no client_id"),
        (5, "The request body"),
        (6, "of the wrong type"),
        (7, "in use"),
        (8, "client_id"),
        (9, "longer than 256 KiB"),
        (11, "in use"),
        (12, "given twice"),
        (13, "not JSON"),
    ];
    for dry_run in [true, false] {
        let more: &[&str] = if dry_run { &["--dry-run"] } else { &[] };
        let ran = import(&server, more, &text);
        assert_eq!(ran.status, 1);
        for (number, why) in bad {
            let line = ran.stderr.lines().find(|line| line.starts_with(&format!("record {number} (")));
            let line = line.unwrap_or_else(|| panic!("{number}: {}", ran.stderr));
            assert!(line.contains(why), "{line}");
        }
        assert!(ran.stderr.contains("11 records were refused") && !ran.stderr.contains("AAECAwQFBg"), "{}", ran.stderr);
        let done = if dry_run { "2 would be created" } else { "2 created" };
        assert_eq!(ran.stdout, format!("{done}, 0 skipped, 11 refused\n"));
        let created = server.admin(reqwest::Method::GET, "/clients/a", None).await.status;
        assert_eq!(created, if dry_run { 404 } else { 200 });
    }
    for id in ["b", "c", "d", "f", "h"] {
        assert_eq!(server.admin(reqwest::Method::GET, &format!("/clients/{id}"), None).await.status, 404, "{id}");
    }
    assert_eq!(basic(&server, "svc", SECRET).await, 200);

    let list = json!([
        records[0],
        records[6],
        records[9],
        of_hydra("new", &json!({ "client_secret_hash": HASH })),
        records[2]
    ]);
    for (arguments, outcomes) in [
        (vec!["--skip-existing", "--dry-run"], ["skipped", "skipped", "skipped", "valid", "refused"]),
        (vec!["--skip-existing"], ["skipped", "skipped", "skipped", "created", "refused"]),
        (vec!["--skip-existing"], ["skipped", "skipped", "skipped", "skipped", "refused"]),
    ] {
        let ran = import(&server, &[&arguments[..], &["--format", "json"]].concat(), &list.to_string());
        let told: Vec<_> = lines(&ran).iter().map(|line| line["outcome"].as_str().unwrap().to_owned()).collect();
        assert_eq!((told, ran.status), (outcomes.map(str::to_owned).to_vec(), 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_none_is_told() {
    let server = Server::start().await;
    for (text, why) in [
        ("[{\"client_id\": \"a\"}", "the list has no end"),
        ("{\"client_id\": \"a\"", "it has no end"),
        ("{},", "at record 1"),
    ] {
        let ran = import(&server, &[], text);
        assert!(ran.status == 1 && ran.stderr.contains(why), "{text}: {}", ran.stderr);
    }
    assert_eq!(import(&server, &[], "[]").stdout, "0 created, 0 skipped, 0 refused\n");
    run(server.database.dsn(), &["client", "import", "/nowhere/clients.json", "--dev"], "")
        .failed(1, "can not be read");
}

/// AD-16: a file of any length, with the memory of one record.
#[tokio::test(flavor = "multi_thread")]
async fn ad_16_a_large_file_is_read_as_it_comes() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.jsonl");
    let record = json!({ "client_id": "too long", "metadata": "x".repeat(1 << 20) }).to_string();
    let mut text = format!("{record}\n").repeat(100);
    text.push_str(&of_hydra("last", &json!({ "client_secret_hash": HASH })).to_string());
    std::fs::write(&file, text).unwrap();
    let ran = run(server.database.dsn(), &["client", "import", file.to_str().unwrap(), "--dev"], "");
    assert_eq!((ran.status, ran.stdout.as_str()), (1, "1 created, 0 skipped, 100 refused\n"), "{:.300}", ran.stderr);
}
