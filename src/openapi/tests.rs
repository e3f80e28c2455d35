//! The document holds together: every reference leads somewhere, every name is one.

use std::collections::{BTreeSet, HashSet};

use super::*;

fn the_document() -> Value {
    document("https://login.example.com")
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                found.insert(reference.clone());
            }
            members.values().for_each(|member| references(member, found));
        }
        _ => {}
    }
}

#[test]
fn every_reference_leads_to_a_schema_and_every_schema_is_led_to() {
    let document = the_document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let defined: BTreeSet<_> = schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
    assert_eq!(found, defined);
}

#[test]
fn operation_ids_are_unique_and_their_tags_are_known() {
    let document = the_document();
    let tags: HashSet<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "servers") {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} stands twice");
            assert!(tags.contains(&operation["tags"][0]), "{method} {path}");
            assert!(operation["responses"].as_object().unwrap().len() >= 2, "{method} {path} has no answer of its own");
            let names = operation["parameters"].as_array().into_iter().flatten();
            let names: Vec<_> = names.map(|parameter| (&parameter["name"], &parameter["in"])).collect();
            assert_eq!(names.len(), names.iter().collect::<HashSet<_>>().len(), "{method} {path}");
        }
    }
}

/// hydra.md section 3: the SDKs that are made from this have the methods and the models that Hydra's have.
#[test]
fn hydras_names_are_there() {
    let document = the_document();
    for (path, method, id) in [
        ("/admin/clients", "get", "listOAuth2Clients"),
        ("/admin/clients/{id}", "patch", "patchOAuth2Client"),
        ("/admin/oauth2/auth/requests/consent/accept", "put", "acceptOAuth2ConsentRequest"),
        ("/admin/oauth2/introspect", "post", "introspectOAuth2Token"),
        ("/oauth2/token", "post", "oauth2TokenExchange"),
        ("/oauth2/register/{id}", "put", "setOidcDynamicClient"),
        ("/.well-known/openid-configuration", "get", "discoverOidcConfiguration"),
        ("/userinfo", "get", "getOidcUserInfo"),
    ] {
        assert_eq!(document["paths"][path][method]["operationId"], id);
    }
    for (schema, member) in [
        ("oAuth2Client", "redirect_uris"),
        ("oAuth2Client", "registration_access_token"),
        ("oAuth2Client", "jwt_bearer_grant_access_token_lifespan"),
        ("oAuth2Client", "software_id"),
        ("oAuth2Client", "client_secret_hash"),
        ("oAuth2Client", "created_at"),
        ("oAuth2LoginRequest", "oidc_context"),
        ("acceptOAuth2LoginRequest", "extend_session_lifespan"),
        ("acceptOAuth2ConsentRequest", "session"),
        ("introspectedOAuth2Token", "token_use"),
        ("oAuth2TokenExchange", "id_token"),
        ("oidcConfiguration", "jwks_uri"),
        ("oidcUserInfo", "preferred_username"),
        ("errorOAuth2", "error_description"),
    ] {
        let schema_of = &document["components"]["schemas"][schema];
        assert!(schema_of["properties"][member].is_object(), "{schema} has no {member}: {schema_of}");
    }
}

/// No answer has null, so that no schema says that it may.
#[test]
fn nothing_is_null() {
    fn look(value: &Value, at: &str) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| look(item, at)),
            Value::Object(members) => members.iter().for_each(|(name, member)| look(member, &format!("{at}/{name}"))),
            Value::String(text) => assert!(!(at.ends_with("/type") && text == "null"), "{at}"),
            Value::Null => panic!("{at} is null"),
            _ => {}
        }
    }
    look(&the_document(), "");
}
