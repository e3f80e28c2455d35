//! JSON Patch (RFC 6902) of a client as it is shown.

use std::slice;

use json_patch::jsonptr::{Pointer, PointerBuf};
use json_patch::{AddOperation, PatchErrorKind, PatchOperation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Input;
use crate::oauth::client_metadata::ClientMetadata;
use crate::oauth::{Error, ErrorCode, Result};
use crate::registration::Shown;
use crate::secret::Secret;
use crate::store::client::Client;

/// What a client can grow to by a patch: a few copies of copies would otherwise fill the memory.
const LONGEST: usize = 256 * 1024;
/// As deep as JSON may be that is read here.
const DEEPEST: usize = 127;
const MOST_OPERATIONS: usize = 100;

/// What the server makes, and only it changes.
const SERVER_MADE: [&str; 8] = [
    "client_id",
    "client_id_issued_at",
    "client_secret_expires_at",
    "client_secret_hash",
    "created_at",
    "updated_at",
    "registration_access_token",
    "registration_client_uri",
];

/// Lists that are not shown while they are empty: there is one to add to all the same.
const LISTS: [&str; 3] = ["request_uris", "default_acr_values", "post_logout_redirect_uris"];

#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Patch(Vec<PatchOperation>);

impl Patch {
    /// What leads from one to the other, and sets the secret where there is one: the rest is not touched, whatever becomes
    /// of it meanwhile.
    pub fn between(before: &ClientMetadata, after: &ClientMetadata, secret: Option<&Secret>) -> Result<Self> {
        let members = |metadata| match serde_json::to_value(metadata) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(Error::internal("a client is an object")),
            Err(error) => Err(Error::internal(error)),
        };
        let (before, after) = (members(before)?, members(after)?);
        let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name, Value::Null));
        let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(*value));
        let changed = changed.map(|(name, value)| (name, value.clone()));
        let mut operations: Vec<_> = gone.chain(changed).map(|(name, value)| set(name, value)).collect();
        operations.extend(secret.map(|secret| set("client_secret", secret.expose().into())));
        Ok(Self(operations))
    }

    /// The client as it is sent back once it is patched. A member that is set to null is unset.
    pub fn apply(&self, client: &Client) -> Result<Input> {
        if self.0.len() > MOST_OPERATIONS {
            return Err(refused(format!("A patch may have at most {MOST_OPERATIONS} operations.")));
        }
        let mut document = serde_json::to_value(Shown::new(client, None)).map_err(Error::internal)?;
        for name in LISTS {
            if document.get(name).is_none() {
                document[name] = Value::Array(Vec::new());
            }
        }
        for (number, operation) in (1..).zip(&self.0) {
            check_members(operation, number)?;
            let operation = to_add(operation, &document);
            json_patch::patch(&mut document, slice::from_ref(operation.as_ref().unwrap_or(&self.0[number - 1])))
                .map_err(|error| failed(number, &error.kind))?;
            let (length, depth) = measure(&document);
            if length > LONGEST || depth > DEEPEST {
                return Err(refused(format!("Operation {number} of the patch makes the client too large.")));
            }
        }
        let Value::Object(members) = document else { return Err(refused("A client is an object.")) };
        let input = read(&members)?;
        self.check_known(&members, &input)?;
        Ok(input)
    }

    /// Unknown members are dropped from a client that is sent as a whole, which was written for other servers as well. A
    /// patch is about this one: what it sets must be there afterwards.
    fn check_known(&self, members: &Map<String, Value>, input: &Input) -> Result<()> {
        input.metadata.unkept.check()?;
        let kept = serde_json::to_value(&input.metadata).map_err(Error::internal)?;
        for (number, operation) in (1..).zip(&self.0) {
            let Some(name) = first(operation.path()) else { continue };
            let is_set = members.get(&name).is_some_and(|value| !is_empty(value));
            if is_set && kept.get(&name).is_none() && name != "client_secret" && !SERVER_MADE.contains(&&*name) {
                return Err(refused(format!("Operation {number} of the patch sets what is no member of a client.")));
            }
        }
        Ok(())
    }
}

fn set(member: &str, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: PointerBuf::from_tokens([member]), value })
}

/// The member that a pointer is about; `None` for the client as a whole.
fn first(path: &Pointer) -> Option<String> {
    path.first().map(|token| token.decoded().into_owned())
}

/// What an operation changes may be changed.
fn check_members(operation: &PatchOperation, number: usize) -> Result<()> {
    let changed = match operation {
        PatchOperation::Test(_) => return Ok(()),
        PatchOperation::Move(moved) => vec![first(&moved.from), first(&moved.path)],
        other => vec![first(other.path())],
    };
    for name in changed {
        let name = name.ok_or_else(|| refused(format!("Operation {number} of the patch must name a member.")))?;
        if let Some(field) = SERVER_MADE.iter().find(|made| **made == name) {
            return Err(refused(format!("Field {field} is made by the server and can not be patched.")));
        }
    }
    Ok(())
}

/// A member that is not set is not shown, so that there is nothing to replace; but it is a member, and is set then.
fn to_add(operation: &PatchOperation, document: &Value) -> Option<PatchOperation> {
    let PatchOperation::Replace(replace) = operation else { return None };
    let is_missing = replace.path.count() == 1 && document.pointer(replace.path.as_str()).is_none();
    is_missing.then(|| PatchOperation::Add(AddOperation { path: replace.path.clone(), value: replace.value.clone() }))
}

fn read(members: &Map<String, Value>) -> Result<Input> {
    let parse = |members: Map<String, Value>| serde_json::from_value::<Input>(Value::Object(members));
    parse(members.clone()).map_err(|_| {
        // A member alone that can not be read is one that we know.
        let is_wrong =
            |(name, value): &(&String, &Value)| parse(Map::from_iter([((*name).clone(), (*value).clone())])).is_err();
        let name = members.iter().find(is_wrong).map_or("", |(name, _)| name);
        ErrorCode::InvalidClientMetadata.because(format!("Field {name} is of the wrong type."))
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// About how many bytes of JSON, and how deep.
fn measure(value: &Value) -> (usize, usize) {
    let inner = |length: usize, parts: &mut dyn Iterator<Item = (usize, usize)>| {
        parts.fold((length, 1), |(length, depth), (more, below)| (length + more + 1, depth.max(below + 1)))
    };
    match value {
        Value::String(text) => (text.len() + 2, 0),
        Value::Array(items) => inner(2, &mut items.iter().map(measure)),
        Value::Object(members) => inner(
            2,
            &mut members.iter().map(|(name, value)| {
                let (length, depth) = measure(value);
                (length + name.len() + 3, depth)
            }),
        ),
        _ => (5, 0),
    }
}

fn failed(number: usize, kind: &PatchErrorKind) -> Error {
    refused(match kind {
        PatchErrorKind::TestFailed => format!("Operation {number} of the patch is a test, and it has failed."),
        PatchErrorKind::InvalidFromPointer => format!("Operation {number} of the patch is from where nothing is."),
        PatchErrorKind::CannotMoveInsideItself => format!("Operation {number} of the patch moves a value into itself."),
        _ => format!("Operation {number} of the patch has a path that leads nowhere."),
    })
}

fn refused(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    ErrorCode::InvalidRequest.because(why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::http::json::parse;
    use crate::id::ClientId;

    fn client() -> Client {
        let metadata = json!({ "client_name": "Web", "redirect_uris": ["https://a.example/cb"], "contacts": ["x"] });
        let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
        Client::new(ClientId::new("web"), metadata.with_defaults(&[]), Timestamp::from_seconds(1))
    }

    fn patched(patch: &Value) -> Result<Input> {
        parse::<Patch>(patch.to_string().as_bytes())?.apply(&client())
    }

    fn refusal(patch: &Value) -> String {
        let error = patched(patch).expect_err(&patch.to_string());
        assert_eq!(error.status, 400);
        let is_clean = error.description.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E));
        assert!(is_clean, "RFC 6749 section 5.2: {}", error.description);
        error.description.into_owned()
    }

    #[test]
    fn members_are_set_and_unset() {
        let input = patched(&json!([
            { "op": "test", "path": "/client_id", "value": "web" },
            { "op": "replace", "path": "/client_name", "value": "Shop" },
            { "op": "add", "path": "/redirect_uris/-", "value": "https://b.example/cb" },
            { "op": "add", "path": "/post_logout_redirect_uris/0", "value": "https://a.example/out" },
            { "op": "replace", "path": "/skip_logout_consent", "value": true },
            { "op": "add", "path": "/metadata/a~1b", "value": { "c": 1 } },
            { "op": "copy", "from": "/client_name", "path": "/owner" },
            { "op": "replace", "path": "/contacts", "value": null },
            { "op": "replace", "path": "/client_secret", "value": "another one" },
            { "op": "remove", "path": "/redirect_uris/0" },
        ]))
        .unwrap();
        let metadata = &input.metadata;
        assert_eq!((metadata.client_name.as_str(), metadata.owner.as_str()), ("Shop", "Shop"));
        assert_eq!(metadata.redirect_uris, ["https://b.example/cb"]);
        assert_eq!(metadata.post_logout_redirect_uris, ["https://a.example/out"]);
        assert_eq!((metadata.skip_logout_consent, &metadata.contacts[..]), (Some(true), &[][..]));
        assert_eq!(metadata.metadata, json!({ "a/b": { "c": 1 } }));
        assert_eq!(input.client_secret, Some(Secret::new("another one")));
    }

    #[test]
    fn what_the_server_makes_is_named() {
        for field in SERVER_MADE {
            for patch in [
                json!([{ "op": "replace", "path": format!("/{field}"), "value": "x" }]),
                json!([{ "op": "remove", "path": format!("/{field}") }]),
                json!([{ "op": "add", "path": format!("/{field}/x"), "value": 1 }]),
                json!([{ "op": "move", "from": format!("/{field}"), "path": "/owner" }]),
            ] {
                assert!(refusal(&patch).contains(field), "{patch}");
            }
        }
        for patch in [
            json!([{ "op": "replace", "path": "", "value": {} }]),
            json!([{ "op": "remove", "path": "" }]),
            json!([{ "op": "copy", "from": "/metadata", "path": "" }]),
        ] {
            assert_eq!(refusal(&patch), "Operation 1 of the patch must name a member.");
        }
    }

    #[test]
    fn a_patch_that_is_none_is_refused() {
        for (patch, why) in [
            (json!([{ "op": "test", "path": "/client_name", "value": "Shop" }]), "Operation 1 of the patch is a test"),
            (json!([{ "op": "remove", "path": "/jwks_uri" }]), "leads nowhere"),
            (json!([{ "op": "replace", "path": "/redirect_uris/7", "value": "x" }]), "leads nowhere"),
            (json!([{ "op": "copy", "from": "/client_secret", "path": "/owner" }]), "from where nothing is"),
            (json!([{ "op": "move", "from": "/metadata", "path": "/metadata/x" }]), "into itself"),
            (
                json!([{ "op": "replace", "path": "/client_name", "value": 7 }]),
                "Field client_name is of the wrong type",
            ),
            (json!([{ "op": "add", "path": "/contacts/-", "value": {} }]), "Field contacts"),
            (json!([{ "op": "add", "path": "/redirect_uri", "value": ["x"] }]), "sets what is no member of a client"),
            (json!([{ "op": "replace", "path": "/rotated_secrets", "value": ["x"] }]), "sets what is no member"),
            (json!([{ "op": "add", "path": "/dpop_bound_access_tokens", "value": true }]), "dpop_bound_access_tokens"),
            (json!({ "op": "remove", "path": "/owner" }), "The request body"),
            (json!([{ "op": "merge", "path": "/owner" }]), "The request body"),
            (json!([{ "op": "add", "path": "/owner" }]), "The request body"),
            (json!([{ "op": "add", "path": "owner", "value": "x" }]), "The request body"),
        ] {
            let said = refusal(&patch);
            assert!(said.contains(why), "{patch}: {said}");
        }
        assert!(patched(&json!([])).is_ok());
        let many = Value::Array(vec![json!({ "op": "test", "path": "/client_id", "value": "web" }); 101]);
        assert_eq!(refusal(&many), "A patch may have at most 100 operations.");
    }

    /// A few copies of copies must not fill the memory, nor the stack.
    #[test]
    fn dr_29_a_patch_does_not_grow_without_end() {
        let mut wide = vec![json!({ "op": "add", "path": "/metadata/0", "value": "x".repeat(1000) })];
        wide.extend((1..90).map(|n| json!({ "op": "copy", "from": "/metadata", "path": format!("/metadata/{n}") })));
        assert!(refusal(&Value::Array(wide)).ends_with("makes the client too large."));
        let mut deep = vec![json!({ "op": "add", "path": "/metadata/a", "value": {} })];
        let mut path = "/metadata/a".to_owned();
        for _ in 0..20 {
            deep.push(json!({ "op": "copy", "from": "/metadata", "path": format!("{path}/b") }));
            path = format!("{path}/b{}", &path["/metadata".len()..]);
        }
        assert!(refusal(&Value::Array(deep)).ends_with("makes the client too large."));
    }

    /// What is as deep as a patch may make it can be read again.
    #[test]
    fn what_is_kept_can_be_read_again() {
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        for (depth, fits) in [(DEEPEST - 1, true), (DEEPEST, false)] {
            let patch = Patch(vec![set("metadata", nested(depth))]);
            match patch.apply(&client()) {
                Ok(input) => {
                    let text = serde_json::to_string(&input.metadata).unwrap();
                    assert!(fits && serde_json::from_str::<ClientMetadata>(&text).is_ok());
                }
                Err(error) => assert!(!fits, "{error}"),
            }
        }
    }

    /// `hydrant client update`
    #[test]
    fn a_difference_is_a_patch() {
        let before = client().metadata().clone();
        let after = ClientMetadata {
            client_name: "Shop".to_owned(),
            contacts: Vec::new(),
            subject_type: String::new(),
            owner: "me".to_owned(),
            ..before.clone()
        };
        let patch = Patch::between(&before, &after, Some(&Secret::new("another one"))).unwrap();
        let input = patch.apply(&client()).unwrap();
        assert_eq!((&input.metadata, input.client_secret), (&after, Some(Secret::new("another one"))));
        assert_eq!(Patch::between(&before, &before, None).unwrap().0, []);
    }
}
