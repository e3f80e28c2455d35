//! Request objects: RFC 9101, and OpenID Connect Core section 6 where the client does not ask for more.
//!
//! An object that nobody vouches for leads to a page, never to a redirect. What an object that is genuine has wrong in it
//! is told to its own redirect URI.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::authorization_request::{Refused, reply_to};
use super::client_metadata::ClientMetadata;
use super::jwt_claims::{Fault, LEEWAY, Times, is_for, text};
use super::params::{Params, REPEATABLE};
use super::{Error, ErrorCode, Result};
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::jose::{Algorithm, MacAlgorithm};
use crate::secret;

/// What `typ` may say, if it says anything (RFC 9101 section 10.8).
pub const TYPES: &[&str] = &["JWT", "oauth-authz-req+jwt"];

/// OpenID Connect Core section 6.2.
const LONGEST_URI: usize = 512;
/// How long a signed object may be good.
const LIFETIME: Duration = Duration::from_hours(1);
/// As many as a query may have.
const MOST_PARAMETERS: usize = 100;

/// What a JWT says of itself; none of it is a parameter.
const CLAIMS: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// RFC 9101 section 4 and OpenID Connect Core section 6.1: an object holds no other object. Nor is a client registered by
/// a request.
const FORBIDDEN: [&str; 3] = ["request", "request_uri", "registration"];

/// Of these a value of another type is an error. What is nobody's parameter is left alone, as it is in a query.
const KNOWN: [&str; 20] = [
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "display",
    "prompt",
    "max_age",
    "ui_locales",
    "claims_locales",
    "id_token_hint",
    "login_hint",
    "acr_values",
    "claims",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "audience",
];

/// Where the object of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given<'a> {
    Nowhere,
    Value(&'a str),
    Reference(&'a str),
}

/// How a client's request objects are protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Registered as `none`.
    Unsecured,
    Mac(MacAlgorithm),
    /// By one of the client's keys.
    Signature(Vec<Algorithm>),
}

/// By what an object is judged.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub id: &'a ClientId,
    pub client: &'a ClientMetadata,
    pub issuer: &'a str,
    pub now: Timestamp,
}

/// OpenID Connect Core section 6: by value or by reference, and once.
pub fn given(params: &Params) -> Result<Given<'_>> {
    if ["request", "request_uri"].iter().any(|name| params.is_repeated(name)) {
        return Err(ErrorCode::InvalidRequest.because("A request object is given more than once."));
    }
    match (params.get("request"), params.get("request_uri")) {
        (None, None) => Ok(Given::Nowhere),
        (Some(object), None) => Ok(Given::Value(object)),
        (None, Some(uri)) => Ok(Given::Reference(uri)),
        (Some(_), Some(_)) => {
            Err(ErrorCode::InvalidRequest.because("The parameters request and request_uri can not be used together."))
        }
    }
}

/// Whether the object may be fetched from there: only a URI that the client has registered, letter for letter.
pub fn check_uri(uri: &str, client: &ClientMetadata, dev: bool) -> Result<()> {
    let refuse = |why| Err(ErrorCode::InvalidRequestUri.because(why));
    if uri.len() > LONGEST_URI {
        return refuse("The request_uri is longer than 512 characters.");
    }
    let is_safe = uri.starts_with("https://") || dev && uri.starts_with("http://");
    if !is_safe {
        return refuse("The request_uri must use https.");
    }
    if !client.request_uris.iter().any(|registered| registered == uri) {
        return refuse("The request_uri is not one that the client has registered.");
    }
    Ok(())
}

/// OpenID Connect Core section 6.2: a fragment is the SHA-256 of what is there, in base64url.
pub fn is_content_of(uri: &str, content: &[u8]) -> bool {
    uri.split_once('#').is_none_or(|(_, hash)| URL_SAFE_NO_PAD.encode(secret::sha256(content)) == hash)
}

/// As registered; where nothing is registered, signed by any algorithm that the client has a key for.
pub fn protection(client: &ClientMetadata) -> Protection {
    let alg = client.request_object_signing_alg.as_str();
    match (alg, alg.parse()) {
        ("none", _) => Protection::Unsecured,
        (_, Ok(mac)) => Protection::Mac(mac),
        ("", Err(_)) => Protection::Signature(Algorithm::ALL.to_vec()),
        (alg, Err(_)) => Protection::Signature(alg.parse().into_iter().collect()),
    }
}

/// What is told of an object that nobody vouches for. The reason is for the log.
pub fn unproven(fault: Fault) -> Error {
    ErrorCode::InvalidRequestObject.because("The request object is not one that the client has made.").caused_by(fault)
}

/// The request that counts: what is inside of a genuine object, and what `outer` adds to it.
///
/// A client with `require_signed_request_object` has said that nothing outside counts (RFC 9101 section 5). For others,
/// what is inside goes before what is outside (OpenID Connect Core section 6.3.3). Clients of OpenID Connect repeat the
/// `response_type` outside (section 6.1); those of RFC 9101 send `client_id` and the object alone, and are understood too.
pub fn effective(outer: &Params, claims: &Map<String, Value>, terms: &Terms<'_>) -> Result<Params, Refused> {
    let is_alone = terms.client.require_signed_request_object;
    let inside = judge(claims, terms).and_then(|()| inside(claims)).map_err(|fault| {
        // Whatever else is wrong with it, it says where its answer goes.
        let strings = claims.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        let form = ["state", "response_mode", "response_type"].into_iter();
        let outside = form.filter(|name| !is_alone && !claims.contains_key(*name));
        let outside = outside.filter_map(|name| Some((name, outer.get(name)?)));
        let error = ErrorCode::InvalidRequestObject.because(format!("The request object is refused: {fault}."));
        refused(&strings.chain(outside).collect(), terms, error)
    })?;
    let counts = |name: &str| match name {
        "request" | "request_uri" => false,
        "client_id" => !inside.has(name),
        _ => !is_alone && !inside.has(name),
    };
    let request: Params = inside.iter().chain(outer.iter().filter(|(name, _)| counts(name))).collect();
    let refuse = |error| Err(refused(&request, terms, error));
    if outer.repeated().is_some() {
        return refuse(ErrorCode::InvalidRequest.because("A parameter is given more than once."));
    }
    let same: &[&str] = if is_alone { &["client_id"] } else { &["client_id", "response_type"] };
    for name in same {
        if outer.get(name).is_some_and(|value| inside.has(name) && inside.get(name) != Some(value)) {
            return refuse(
                ErrorCode::InvalidRequestObject.because(format!("The {name} inside the request object is another.")),
            );
        }
    }
    Ok(request)
}

/// To the object's own redirect URI where the client has registered it, and to a page otherwise.
fn refused(request: &Params, terms: &Terms<'_>, error: Error) -> Refused {
    match request.get("redirect_uri").map(|_| reply_to(request, terms.id, terms.client)) {
        Some(Ok((reply_to, _))) => Refused::Back(reply_to, error),
        _ => Refused::Page(error),
    }
}

fn judge(claims: &Map<String, Value>, terms: &Terms<'_>) -> Result<(), Fault> {
    let is_signed = protection(terms.client) != Protection::Unsecured;
    let due = |name: &str| is_signed || claims.contains_key(name);
    if due("iss") && text(claims, "iss") != Some(terms.id.as_str()) {
        return Err("iss is not the client");
    }
    if due("aud") && !is_for(claims, &[terms.issuer]) {
        return Err("aud is not this server");
    }
    // RFC 9101 section 10.8: such a JWT could authenticate the client.
    if claims.get("sub").is_some_and(|sub| sub == terms.id.as_str()) {
        return Err("sub is the client, as in a client assertion");
    }
    let times = Times::current(claims, terms.now)?;
    if is_signed {
        let exp = times.exp.ok_or("there is no exp")?;
        if exp > times.nbf.unwrap_or(terms.now + LEEWAY) + LIFETIME {
            return Err("it is good for more than an hour");
        }
    }
    Ok(())
}

/// The parameters in an object: strings, but for the few that JSON has a better type for (RFC 9101 section 4).
fn inside(claims: &Map<String, Value>) -> Result<Params, Fault> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for (name, value) in claims.iter().filter(|(name, _)| !CLAIMS.contains(&name.as_str())) {
        let name = name.as_str();
        if FORBIDDEN.contains(&name) {
            return Err("request, request_uri and registration have no place in it");
        }
        match value {
            Value::String(text) => pairs.push((name, text.clone())),
            Value::Number(number) if name == "max_age" && number.is_u64() => pairs.push((name, number.to_string())),
            Value::Object(_) if name == "claims" => pairs.push((name, value.to_string())),
            Value::Array(items) if REPEATABLE.contains(&name) && items.iter().all(Value::is_string) => {
                pairs.extend(items.iter().filter_map(Value::as_str).map(|item| (name, item.to_owned())));
            }
            _ if KNOWN.contains(&name) => return Err("a parameter in it has the wrong type"),
            _ => {}
        }
    }
    if pairs.len() > MOST_PARAMETERS {
        return Err("it has more than 100 parameters");
    }
    if pairs.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
        return Err("it has the character NUL in it");
    }
    Ok(pairs.into_iter().collect())
}

#[cfg(test)]
mod tests;
