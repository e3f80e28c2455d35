//! Standard claims by scope: OpenID Connect Core section 5.1 and 5.4.

use serde_json::{Map, Value};

use super::scope::Scope;

/// Which claims a scope asks for.
const BY_SCOPE: &[(&str, &[&str])] = &[
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// The claims that the granted scopes open, and no other; in these languages besides, where they are known (OpenID
/// Connect Core section 5.2).
pub fn released(claims: &Map<String, Value>, scope: &Scope, locales: &[String]) -> Map<String, Value> {
    let mut told = Map::new();
    for (_, names) in BY_SCOPE.iter().filter(|(name, _)| scope.contains(name)) {
        for name in *names {
            let languages = locales.iter().map(|tag| format!("{name}#{tag}"));
            for spelled in std::iter::once((*name).to_owned()).chain(languages) {
                if let Some(value) = claims.get(&spelled).filter(|value| is_sound(name, value)) {
                    told.insert(spelled, value.clone());
                }
            }
        }
    }
    told
}

/// A claim of the wrong JSON type is left out: relying parties fail on it.
pub fn is_sound(name: &str, value: &Value) -> bool {
    match name {
        "email_verified" | "phone_number_verified" => value.is_boolean(),
        "updated_at" => value.is_i64() || value.is_u64(),
        "address" => value.as_object().is_some_and(|address| !address.is_empty()),
        _ => value.as_str().is_some_and(|text| !text.is_empty()),
    }
}

/// The same for a claim that a request asks for by its name: one that no specification knows may have any value but none.
pub fn may_be_shown(name: &str, value: &Value) -> bool {
    if is_standard(name) { is_sound(name, value) } else { !value.is_null() }
}

fn is_standard(name: &str) -> bool {
    names().any(|standard| standard == name)
}

/// The scope that opens a claim.
pub fn scope_of(claim: &str) -> Option<&'static str> {
    BY_SCOPE.iter().find(|(_, names)| names.contains(&claim)).map(|(scope, _)| *scope)
}

/// Everything that is known of a person, under the names of claims: what the account says itself and what it was given.
pub fn known(claims: Option<Map<String, Value>>, username: Option<&str>, email: Option<&str>) -> Map<String, Value> {
    let Some(mut known) = claims else { return Map::new() };
    if let Some(email) = email {
        known.entry("email").or_insert_with(|| email.into());
        // Nobody has shown that it is theirs.
        known.entry("email_verified").or_insert(Value::Bool(false));
    }
    if let Some(username) = username {
        known.entry("preferred_username").or_insert_with(|| username.into());
    }
    known
}

/// The scopes that open claims, for discovery.
pub fn scopes() -> impl Iterator<Item = &'static str> {
    BY_SCOPE.iter().map(|(scope, _)| *scope)
}

/// Every standard claim that can be released, for discovery.
pub fn names() -> impl Iterator<Item = &'static str> {
    BY_SCOPE.iter().flat_map(|(_, names)| names.iter().copied())
}

/// What is wrong with claims that an administrator gives a user, if anything.
pub fn check(claims: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in claims {
        if is_standard(name) && !is_sound(name, value) {
            return Err(format!("the claim {name} has the wrong type (OpenID Connect Core section 5.1)"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_opens_its_own_claims_and_no_other() {
        let claims: Map<String, Value> = serde_json::from_value(serde_json::json!({
            "name": "Alice", "email": "a@b.example", "email_verified": "yes", "phone_number": "+1", "role": "admin",
            "address": {}, "updated_at": 1.5,
        }))
        .unwrap();
        let all = Scope::parse("openid profile email address").unwrap();
        assert_eq!(
            Value::Object(released(&claims, &all, &[])),
            serde_json::json!({ "name": "Alice", "email": "a@b.example" })
        );
        assert!(released(&claims, &Scope::parse("openid").unwrap(), &[]).is_empty());
    }
}
