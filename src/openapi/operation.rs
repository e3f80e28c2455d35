//! One operation: how it is written down, and its Operation Object (OpenAPI 3.1 section 4.8.10).

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::Port;
use super::schemas::{Body, Schemas};

pub struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    id: &'static str,
    summary: &'static str,
    tag: &'static str,
    /// Names and descriptions of what may stand in the query.
    query: Vec<(&'static str, &'static str)>,
    takes: Option<Body>,
    /// Statuses besides `default`, which is the error object.
    answers: Vec<(u16, &'static str, Option<Body>)>,
    security: &'static [&'static str],
    faults: Body,
}

macro_rules! methods {
    ($($method:ident),+) => { $(
        pub fn $method(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
            Operation::new(stringify!($method), path, id, summary)
        }
    )+ };
}
methods!(get, post, put, patch, delete);

impl Operation {
    fn new(method: &'static str, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            id,
            summary,
            tag: "oAuth2",
            query: Vec::new(),
            takes: None,
            answers: Vec::new(),
            security: &[],
            faults: Body::Named("errorOAuth2"),
        }
    }

    pub fn tag(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    pub fn query(mut self, parameters: &[(&'static str, &'static str)]) -> Self {
        self.query.extend(parameters);
        self
    }

    /// A list by pages, as Hydra's lists are (`admin/page.rs`).
    pub fn pages(self) -> Self {
        self.query(&[
            ("page_size", "How many at most, 1 to 500; 100 unless given."),
            ("page_token", "Where the page begins: from the header Link of the page before."),
        ])
    }

    pub fn takes(mut self, body: Body) -> Self {
        self.takes = Some(body);
        self
    }

    pub fn form(self, fields: &'static [(&'static str, &'static str)]) -> Self {
        self.takes(Body::Form(fields))
    }

    /// 200 with a body.
    pub fn gives(self, body: Body) -> Self {
        self.answers(200, "Done.", Some(body))
    }

    pub fn answers(mut self, status: u16, description: &'static str, body: Option<Body>) -> Self {
        self.answers.push((status, description, body));
        self
    }

    pub fn creates<T: JsonSchema>(self) -> Self {
        self.answers(201, "Made.", Some(Body::json::<T>()))
    }

    pub fn gives_nothing(self) -> Self {
        self.answers(204, "Done.", None)
    }

    pub fn redirects(self, description: &'static str) -> Self {
        self.answers(302, description, None)
    }

    pub fn or(self, status: u16, description: &'static str) -> Self {
        self.answers(status, description, Some(Body::Named("errorOAuth2")))
    }

    /// Any of these; an empty one stands for nobody in particular.
    pub fn by(mut self, security: &'static [&'static str]) -> Self {
        self.security = security;
        self
    }

    /// What goes wrong is shown to a person.
    pub fn for_people(mut self) -> Self {
        self.faults = Body::Html;
        self.tag("pages")
    }

    pub fn describe(&self, port: Port, schemas: &mut Schemas) -> Value {
        let mut operation = Map::new();
        operation.insert("operationId".into(), self.id.into());
        operation.insert("summary".into(), self.summary.into());
        operation.insert("tags".into(), json!([self.tag]));
        let parameters = self.parameters();
        if !parameters.is_empty() {
            operation.insert("parameters".into(), parameters.into());
        }
        if let Some(body) = &self.takes {
            let content = body.content(schemas, true);
            operation.insert("requestBody".into(), json!({ "required": true, "content": content }));
        }
        let mut responses = Map::new();
        for (status, description, body) in &self.answers {
            let mut response = json!({ "description": description });
            if let Some(body) = body {
                response["content"] = body.content(schemas, false);
            }
            if matches!(status, 302 | 303) {
                response["headers"] = json!({ "Location": { "schema": { "type": "string" } } });
            }
            responses.insert(status.to_string(), response);
        }
        let faults = self.faults.content(schemas, false);
        responses.insert("default".into(), json!({ "description": "What went wrong.", "content": faults }));
        operation.insert("responses".into(), responses.into());
        let security: Vec<_> = match port {
            Port::Admin => vec![json!({ "adminToken": [] }), json!({})],
            Port::Public => self.security.iter().copied().map(requirement).collect(),
        };
        operation.insert("security".into(), security.into());
        operation.into()
    }

    fn parameters(&self) -> Vec<Value> {
        let names = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let of_path =
            names.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
        let of_query = self.query.iter().map(|(name, description)| {
            let kind = if *name == "page_size" { "integer" } else { "string" };
            json!({ "name": name, "in": "query", "description": description, "schema": { "type": kind } })
        });
        of_path.chain(of_query).collect()
    }
}

fn requirement(name: &str) -> Value {
    if name.is_empty() { json!({}) } else { json!({ name: [] }) }
}
