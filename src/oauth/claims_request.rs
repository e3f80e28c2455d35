//! The `claims` and `claims_locales` parameters: claims that a request asks for one by one (OpenID Connect Core section
//! 5.2 and 5.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ErrorCode, Result, claims};
use crate::jose;

/// In bytes: with the rest of the request it travels sealed in a URL.
const LONGEST: usize = 2048;
const MOST_CLAIMS: usize = 50;
const MOST_VALUES: usize = 20;
const MOST_LOCALES: usize = 10;

/// What was asked for. Its members are told only where the person has allowed them and they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    /// To be had from userinfo.
    pub userinfo: BTreeMap<String, Wanted>,
    /// To be had in the ID token.
    pub id_token: BTreeMap<String, Wanted>,
    /// Language tags (BCP 47) in the person's preference.
    pub locales: Vec<String>,
}

/// How one claim is wanted (section 5.5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub essential: bool,
    /// The values that will do, each as JSON; none means any.
    pub values: Vec<String>,
}

impl Wanted {
    /// Whether this value will do.
    pub fn takes(&self, value: &Value) -> bool {
        self.values.is_empty() || self.values.contains(&value.to_string())
    }

    /// The values that are texts.
    fn texts(&self) -> impl Iterator<Item = String> {
        self.values.iter().filter_map(|value| serde_json::from_str(value).ok())
    }
}

impl ClaimsRequest {
    /// Reads both parameters. What is no JSON object, too deep, too long or of another form is `invalid_request`; members
    /// that section 5.5 does not know are ignored, as it says.
    pub fn parse(claims: Option<&str>, locales: Option<&str>) -> Result<Self> {
        let mut request = match claims {
            Some(text) => Self::read(text).ok_or_else(|| {
                ErrorCode::InvalidRequest
                    .because("claims must be a JSON object of at most 2048 bytes (OpenID Connect Core section 5.5).")
            })?,
            None => Self::default(),
        };
        let tags = locales.unwrap_or_default().split(' ').filter(|tag| is_language_tag(tag));
        request.locales = tags.take(MOST_LOCALES).map(str::to_owned).collect();
        Ok(request)
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let Some(Value::Object(members)) = jose::strict_json(text.as_bytes()) else { return None };
        let part = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Some(BTreeMap::new()),
            Some(Value::Object(claims)) => wanted(claims),
            Some(_) => None,
        };
        Some(Self { userinfo: part("userinfo")?, id_token: part("id_token")?, locales: Vec::new() })
    }

    pub fn is_empty(&self) -> bool {
        self.userinfo.is_empty() && self.id_token.is_empty() && self.locales.is_empty()
    }

    /// Every claim that is asked for, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let others = self.id_token.keys().filter(|name| !self.userinfo.contains_key(*name));
        self.userinfo.keys().chain(others).map(String::as_str)
    }

    /// Leaves only the claims that may be told.
    pub fn retain(&mut self, may_be_told: impl Fn(&str) -> bool) {
        self.userinfo.retain(|name, _| may_be_told(name));
        self.id_token.retain(|name, _| may_be_told(name));
    }

    /// The subjects that `sub` was asked to be (section 5.5.1); an empty list means anybody. Both parts hold where both
    /// ask: `None` where nobody can be what they ask for.
    pub fn subjects(&self) -> Option<Vec<String>> {
        let of = |part: &BTreeMap<String, Wanted>| -> Vec<String> {
            part.get("sub").map(|sub| sub.texts().collect()).unwrap_or_default()
        };
        let (mut asked, others) = (of(&self.id_token), of(&self.userinfo));
        if asked.is_empty() {
            return Some(others);
        }
        asked.retain(|sub| others.is_empty() || others.contains(sub));
        (!asked.is_empty()).then_some(asked)
    }

    /// The `acr` values of which one must be reached (section 5.5.1.1); none means that none must.
    pub fn essential_acr(&self) -> Vec<String> {
        self.id_token.get("acr").filter(|acr| acr.essential).map(|acr| acr.texts().collect()).unwrap_or_default()
    }
}

fn wanted(claims: &Map<String, Value>) -> Option<BTreeMap<String, Wanted>> {
    if claims.len() > MOST_CLAIMS {
        return None;
    }
    claims.iter().map(|(name, how)| Some((name.clone(), one(how)?))).collect()
}

fn one(how: &Value) -> Option<Wanted> {
    let members = match how {
        Value::Null => return Some(Wanted::default()),
        Value::Object(members) => members,
        _ => return None,
    };
    let essential = match members.get("essential") {
        None => false,
        Some(Value::Bool(essential)) => *essential,
        Some(_) => return None,
    };
    let values = match (members.get("value"), members.get("values")) {
        (None, None) => Vec::new(),
        (Some(value), None) => vec![value.to_string()],
        (None, Some(Value::Array(values))) if !values.is_empty() && values.len() <= MOST_VALUES => {
            values.iter().map(Value::to_string).collect()
        }
        _ => return None,
    };
    Some(Wanted { essential, values })
}

/// RFC 5646 section 2.1, as far as it takes to be harmless.
fn is_language_tag(tag: &str) -> bool {
    (1..=35).contains(&tag.len())
        && tag.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The claim without its language: `name` of `name#fr-CA` (section 5.2).
pub fn base_name(name: &str) -> &str {
    name.split('#').next().unwrap_or(name)
}

/// What of `known` one part of a request gets: each claim that it names, where the value is sound and one that will do.
/// With `locales`, the languages of each claim come along.
pub fn told(known: &Map<String, Value>, asked: &BTreeMap<String, Wanted>, locales: &[String]) -> Map<String, Value> {
    let mut told = Map::new();
    for (name, wanted) in asked {
        let base = base_name(name);
        let languages = locales.iter().map(|tag| format!("{base}#{tag}"));
        for name in std::iter::once(name.clone()).chain(languages) {
            if let Some(value) =
                known.get(&name).filter(|value| claims::may_be_shown(base, value) && wanted.takes(value))
            {
                told.insert(name, value.clone());
            }
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<ClaimsRequest> {
        ClaimsRequest::parse(Some(&value.to_string()), None)
    }

    /// The example of OpenID Connect Core section 5.5.
    #[test]
    fn the_example_of_the_specification() {
        let request = parse(&json!({
            "userinfo": {
                "given_name": {"essential": true}, "nickname": null, "email": {"essential": true},
                "email_verified": {"essential": true}, "picture": null, "http://example.info/claims/groups": null,
            },
            "id_token": { "auth_time": {"essential": true}, "acr": {"values": ["urn:mace:incommon:iap:silver"]} },
        }))
        .unwrap();
        assert_eq!(request.userinfo.len(), 6);
        assert!(request.userinfo["email"].essential && !request.userinfo["nickname"].essential);
        assert_eq!(request.essential_acr(), [""; 0], "it was not essential");
        assert_eq!(request.names().count(), 8);
    }

    #[test]
    fn sub_and_acr_are_read_out() {
        let request = parse(&json!({"id_token": {
            "sub": {"value": "248289761001"}, "acr": {"essential": true, "values": ["1", "2"]},
        }}))
        .unwrap();
        assert_eq!(
            (request.subjects().unwrap(), request.essential_acr()),
            (vec!["248289761001".to_owned()], vec!["1".to_owned(), "2".to_owned()])
        );
    }

    /// AZ-26: whatever is not of the form is refused, and cheaply.
    #[test]
    fn another_form_is_refused() {
        let deep = format!("{}1{}", "{\"userinfo\":".repeat(200), "}".repeat(200));
        let long = json!({"userinfo": {"name": {"value": "x".repeat(3000)}}}).to_string();
        let many: Map<String, Value> = (0..51).map(|number| (number.to_string(), Value::Null)).collect();
        for text in [
            "",
            "x",
            "[]",
            "1",
            "null",
            "{",
            "{} {}",
            &deep,
            &long,
            r#"{"userinfo": []}"#,
            r#"{"userinfo": {"name": true}}"#,
            r#"{"userinfo": {"name": {"essential": "yes"}}}"#,
            r#"{"userinfo": {"name": {"value": 1, "values": [1]}}}"#,
            r#"{"userinfo": {"name": {"values": "a"}}}"#,
            r#"{"userinfo": {"name": {"values": []}}}"#,
            r#"{"userinfo": {"name": null, "name": null}}"#,
            &json!({"id_token": many}).to_string(),
        ] {
            assert_eq!(
                ClaimsRequest::parse(Some(text), None).unwrap_err().code,
                ErrorCode::InvalidRequest,
                "{text:.60}"
            );
        }
        assert!(parse(&json!({"transaction": {"x": 1}, "userinfo": null})).unwrap().is_empty());
    }

    #[test]
    fn only_sound_claims_of_the_asked_value_are_told() {
        let known = json!({
            "name": "Alice", "name#de": "Alicia", "name#fr": "", "email": "a@b.example", "role": "admin",
            "updated_at": "yesterday", "groups": ["a"], "nothing": null,
        });
        let Value::Object(known) = known else { unreachable!() };
        let request = parse(&json!({"userinfo": {
            "name": null, "email": {"value": "other@b.example"}, "updated_at": null, "groups": {"values": [["a"], ["b"]]},
            "nothing": null, "unknown": {"essential": true},
        }}))
        .unwrap();
        let locales = ["de".to_owned(), "fr".to_owned()];
        let told = told(&known, &request.userinfo, &locales);
        assert_eq!(Value::Object(told), json!({"name": "Alice", "name#de": "Alicia", "groups": ["a"]}));
    }

    #[test]
    fn locales_are_language_tags() {
        let request = ClaimsRequest::parse(None, Some("fr-CA de \u{0} x\"y en_US toolongtobeone")).unwrap();
        assert_eq!(request.locales, ["fr-CA", "de"]);
    }
}
