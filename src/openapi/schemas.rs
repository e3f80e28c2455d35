//! Schemas: made from the types, and a few that no type of ours has.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::oauth::claims;

/// What a request or an answer is made of.
#[derive(Clone, Copy)]
pub enum Body {
    /// One of the types.
    Json(fn(&mut SchemaGenerator) -> Schema),
    Patch,
    /// One of `written`.
    Named(&'static str),
    /// Fields of `application/x-www-form-urlencoded` with their descriptions; those that begin with `!` are required.
    Form(&'static [(&'static str, &'static str)]),
    Html,
    Text,
    /// An OpenAPI document.
    Document,
    Image,
    Css,
    /// What a client chose: JSON or a JWT.
    UserInfo,
}

impl Body {
    pub fn json<T: JsonSchema>() -> Self {
        Self::Json(SchemaGenerator::subschema_for::<T>)
    }

    pub fn content(self, schemas: &mut Schemas, is_sent: bool) -> Value {
        let of = |media_type: &str, schema: Value| json!({ media_type: { "schema": schema } });
        let text = || json!({ "type": "string" });
        match self {
            Self::Json(make) => of("application/json", schemas.made(make, is_sent)),
            Self::Patch => of("application/json-patch+json", reference("jsonPatchDocument")),
            Self::Named(name) => of("application/json", reference(name)),
            Self::Form(fields) => of("application/x-www-form-urlencoded", form(fields)),
            Self::Html => of("text/html", text()),
            Self::Text => of("text/plain", text()),
            Self::Document => of("application/json", json!({ "type": "object" })),
            Self::Image => of("image/*", json!({ "type": "string", "contentMediaType": "image/*" })),
            Self::Css => of("text/css", text()),
            Self::UserInfo => json!({
                "application/json": { "schema": reference("oidcUserInfo") },
                "application/jwt": { "schema": { "type": "string" } },
            }),
        }
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn form(fields: &[(&str, &str)]) -> Value {
    let name = |field: &str| field.trim_start_matches('!').to_owned();
    let properties: Map<String, Value> = fields
        .iter()
        .map(|(field, description)| (name(field), json!({ "type": "string", "description": description })))
        .collect();
    let required: Vec<_> =
        fields.iter().filter(|(field, _)| field.starts_with('!')).map(|(field, _)| name(field)).collect();
    let mut form = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        form["required"] = required.into();
    }
    form
}

/// Collects what the operations refer to. A type is described as it is written, and as it is read where it is sent.
pub struct Schemas {
    written: SchemaGenerator,
    read: SchemaGenerator,
}

impl Schemas {
    pub fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            written: settings().for_serialize().into_generator(),
            read: settings().for_deserialize().into_generator(),
        }
    }

    fn made(&mut self, make: fn(&mut SchemaGenerator) -> Schema, is_sent: bool) -> Value {
        make(if is_sent { &mut self.read } else { &mut self.written }).to_value()
    }

    /// All of them, by name. What is both read and written need not be complete when it is sent.
    pub fn into_definitions(mut self) -> Value {
        let (mut written, read) = (self.written.take_definitions(true), self.read.take_definitions(true));
        for (name, schema) in read {
            match written.get_mut(&name) {
                None => drop(written.insert(name, schema)),
                Some(both) => {
                    both.as_object_mut().map(|members| members.remove("required"));
                    merge(both, schema);
                }
            }
        }
        let mut all = Value::Object(written);
        plain(&mut all);
        let Value::Object(mut all) = all else { return all };
        all.extend(by_hand());
        Value::Object(all)
    }
}

/// What is only read (the hash of a client's secret) and what is only written (its times), in one schema.
fn merge(into: &mut Value, from: Value) {
    let Value::Object(from) = from else { return };
    let Some(Value::Object(properties)) = from.get("properties") else { return };
    for (name, schema) in properties {
        if into["properties"].get(name).is_none() {
            into["properties"][name] = schema.clone();
        }
    }
}

/// Without null, which no answer has and no request needs, and without the defaults of empty members.
fn plain(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(members) => {
            if let Some(Value::Array(kinds)) = members.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [kind] = kinds.as_slice() {
                    let kind = kind.clone();
                    members.insert("type".into(), kind);
                }
            }
            if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
                choices.retain(|choice| choice["type"] != "null");
                if let [Value::Object(choice)] = choices.as_slice() {
                    let choice = choice.clone();
                    members.remove("anyOf");
                    members.extend(choice);
                }
            }
            // Of a schema: `default` may be a property's name as well.
            let is_default = members.contains_key("type") || members.contains_key("$ref");
            if is_default || members.get("default").is_some_and(Value::is_null) {
                members.remove("default");
            }
            members.values_mut().for_each(plain);
        }
        _ => {}
    }
}

/// What has no type of ours: the error object, sets of claims, keys, patches, health.
fn by_hand() -> Map<String, Value> {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let claim = |name: &str| match name {
        "email_verified" | "phone_number_verified" => json!({ "type": "boolean" }),
        "updated_at" => json!({ "type": "integer", "description": "Seconds since 1970." }),
        "address" => json!({ "type": "object", "additionalProperties": true }),
        _ => json!({ "type": "string" }),
    };
    let mut claims: Map<String, Value> = claims::names().map(|name| (name.to_owned(), claim(name))).collect();
    claims.insert("sub".into(), text("The subject, as this client knows it."));
    let schemas = json!({
        "errorOAuth2": {
            "description": "An error: RFC 6749 section 5.2.",
            "type": "object",
            "properties": {
                "error": text("A code."),
                "error_description": text("What is wrong, for developers."),
            },
            "required": ["error", "error_description"],
        },
        "oidcUserInfo": {
            "description": "The standard claims that the token's scope opens, and what a consent has added.",
            "type": "object", "properties": claims, "required": ["sub"], "additionalProperties": true,
        },
        "jsonWebKey": {
            "description": "A key: RFC 7517. Which members it has depends on `kty`.",
            "type": "object",
            "properties": {
                "kty": text("The type: RSA, EC, OKP, oct."), "use": text("`sig` or `enc`."),
                "alg": text("The algorithm."), "kid": text("The key's id."),
            },
            "required": ["kty"], "additionalProperties": true,
        },
        "jsonWebKeySet": {
            "description": "Keys: RFC 7517 section 5.",
            "type": "object",
            "properties": { "keys": { "type": "array", "items": reference("jsonWebKey") } },
            "required": ["keys"],
        },
        "jsonPatch": {
            "description": "One change: RFC 6902 section 4.",
            "type": "object",
            "properties": {
                "op": { "enum": ["add", "remove", "replace", "move", "copy", "test"] },
                "path": text("What is changed: a JSON pointer (RFC 6901)."),
                "from": text("Where it is taken from, by `move` and `copy`."),
                "value": { "description": "The value." },
            },
            "required": ["op", "path"],
        },
        "jsonPatchDocument": { "type": "array", "items": reference("jsonPatch") },
        "healthStatus": {
            "type": "object", "properties": { "status": text("`ok`.") }, "required": ["status"],
        },
        "healthNotReadyStatus": {
            "description": "Each check that failed, and why.",
            "type": "object",
            "properties": { "errors": { "type": "object", "additionalProperties": { "type": "string" } } },
            "required": ["errors"],
        },
        "version": { "type": "object", "properties": { "version": text("The version.") }, "required": ["version"] },
    });
    match schemas {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    }
}
