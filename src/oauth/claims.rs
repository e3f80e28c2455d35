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

/// The claims that the granted scopes open, and no other.
pub fn released(claims: &Map<String, Value>, scope: &Scope) -> Map<String, Value> {
    BY_SCOPE
        .iter()
        .filter(|(name, _)| scope.contains(name))
        .flat_map(|(_, names)| names.iter())
        .filter_map(|name| Some(((*name).to_owned(), claims.get(*name).filter(|value| is_sound(name, value))?.clone())))
        .collect()
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
        let standard = names().any(|standard| standard == name);
        if standard && !is_sound(name, value) {
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
            Value::Object(released(&claims, &all)),
            serde_json::json!({ "name": "Alice", "email": "a@b.example" })
        );
        assert!(released(&claims, &Scope::parse("openid").unwrap()).is_empty());
    }
}
