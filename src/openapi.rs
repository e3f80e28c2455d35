//! The OpenAPI 3.1 document of both ports.
//!
//! The operations are a table, a line each (`openapi/public.rs`, `openapi/admin.rs`), under Hydra's names where Hydra has
//! them; tests hold the table to the router. The schemas are made from the types that are read and written: JSON Schema
//! 2020-12, which is what OpenAPI 3.1 has, so that `schemars` makes them as it makes the configuration's.

mod admin;
mod operation;
mod public;
mod schemas;

use serde_json::{Map, Value, json};

use self::operation::Operation;
use self::schemas::Schemas;

/// Which of the two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Public,
    Admin,
}

/// Method and path of every operation; those of the admin port without `/admin`.
pub fn operations(port: Port) -> Vec<(&'static str, &'static str)> {
    table(port).iter().map(|operation| (operation.method, operation.path)).collect()
}

fn table(port: Port) -> Vec<Operation> {
    match port {
        Port::Public => public::operations(),
        Port::Admin => admin::operations(),
    }
}

/// The document. `public` is where the public port is reached; the admin port is where the document comes from.
pub fn document(public: &str) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: Map<String, Value> = Map::new();
    for (port, prefix) in [(Port::Public, ""), (Port::Admin, "/admin")] {
        for operation in table(port) {
            let at = paths.entry(format!("{prefix}{}", operation.path)).or_insert_with(|| match port {
                Port::Public => json!({}),
                Port::Admin => json!({ "servers": [{ "url": "/", "description": "The admin port." }] }),
            });
            at[operation.method] = operation.describe(port, &mut schemas);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hydrant",
            "summary": "An OAuth 2.0 authorization server and OpenID provider that speaks Ory Hydra's API.",
            "description": "Admin paths stand without `/admin` too. No member of an answer is ever null, and null \
                            counts as not sent.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": public, "description": "The public port." }],
        "tags": [
            { "name": "oAuth2", "description": "OAuth 2.0" },
            { "name": "oidc", "description": "OpenID Connect" },
            { "name": "wellknown", "description": "Published documents" },
            { "name": "jwk", "description": "JSON Web Keys" },
            { "name": "users", "description": "The people who sign in at the built-in pages" },
            { "name": "metadata", "description": "Health, version, metrics" },
            { "name": "pages", "description": "What people see in their browsers" },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas.into_definitions(),
            "securitySchemes": {
                "adminToken": {
                    "type": "http", "scheme": "bearer",
                    "description": "One of `serve.admin.tokens`; not asked for where none is listed.",
                },
                "client": {
                    "type": "http", "scheme": "basic",
                    "description": "A client's id and secret; or `client_id` with `client_secret` or \
                                    `client_assertion` in the form, as the client has registered.",
                },
                "accessToken": { "type": "http", "scheme": "bearer", "description": "An access token." },
                "registrationToken": {
                    "type": "http", "scheme": "bearer",
                    "description": "An initial access token, or the registration access token of the client.",
                },
            },
        },
    })
}

#[cfg(test)]
mod tests;
