//! The request object of an authorization request: had, opened, verified, and put in place of the request.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::app::App;
use crate::jose::{self, Expect, Form, MacKey, Refusal, Token, peek, read_unsecured};
use crate::oauth::authorization_request::Refused;
use crate::oauth::client_metadata::encryption_enc;
use crate::oauth::params::Params;
use crate::oauth::request_object::{self, Given, Protection, TYPES, Terms, unproven};
use crate::oauth::{ErrorCode, Result};
use crate::store::client::Client;
use crate::{client_keys, client_secret, token};

type Claims = Map<String, Value>;

/// The parameters that count: those of the request, or those that its object makes of them.
pub(super) async fn effective<'a>(app: &App, params: &'a Params, client: &Client) -> Result<Cow<'a, Params>, Refused> {
    let metadata = client.metadata();
    let object = match request_object::given(params).map_err(Refused::Page)? {
        Given::Nowhere if metadata.require_signed_request_object => {
            let why = "The client has to make its requests as signed request objects (RFC 9101).";
            return Err(Refused::Page(ErrorCode::InvalidRequest.because(why)));
        }
        Given::Nowhere => return Ok(Cow::Borrowed(params)),
        // What is switched off is refused where any request is judged.
        Given::Value(_) if !app.config.oidc.request_by_value => return Ok(Cow::Borrowed(params)),
        Given::Reference(_) if !app.config.oidc.request_by_reference => return Ok(Cow::Borrowed(params)),
        Given::Value(object) => Cow::Borrowed(object),
        Given::Reference(uri) => Cow::Owned(fetched(app, client, uri).await.map_err(Refused::Page)?),
    };
    let claims = proven(app, client, &object).await.map_err(|error| {
        tracing::warn!(client = %client.id, "a request object was refused");
        Refused::Page(error)
    })?;
    let now = app.clock.now();
    let terms = Terms { id: &client.id, client: metadata, issuer: &app.config.urls.issuer, now };
    request_object::effective(params, &claims, &terms).map(Cow::Owned)
}

async fn fetched(app: &App, client: &Client, uri: &str) -> Result<String> {
    request_object::check_uri(uri, client.metadata(), app.config.dev)?;
    // In the same words whatever the reason: who chose the URI must not learn what he can reach through us.
    let refuse = || ErrorCode::InvalidRequestUri.because("There is no such request object at the request_uri.");
    let content = app.fetch.request_object(uri, app.clock.now()).await.ok_or_else(refuse)?;
    if !request_object::is_content_of(uri, content.as_bytes()) {
        return Err(refuse().caused_by("its hash is not the fragment of the request_uri"));
    }
    Ok(content.trim_ascii().to_owned())
}

/// The claims of an object that is the client's.
async fn proven(app: &App, client: &Client, object: &str) -> Result<Claims> {
    let refuse = |refusal: Refusal| unproven(refusal.reason());
    let form = peek(object).map_err(refuse)?.form;
    let inner = match form {
        Form::Jws => Cow::Borrowed(object),
        Form::Jwe => Cow::Owned(decrypted(app, client, object).await?),
    };
    match request_object::protection(client.metadata()) {
        Protection::Unsecured if !app.config.oidc.request_unsigned => {
            Err(unproven("oidc.request_objects.unsigned is off"))
        }
        // Encrypted and nothing else: then the claims may be all that is inside (RFC 7519 section 7.1).
        Protection::Unsecured if form == Form::Jwe && inner.starts_with('{') => {
            match jose::strict_json(inner.as_bytes()) {
                Some(Value::Object(claims)) => Ok(claims),
                _ => Err(unproven("what was encrypted is no JSON object")),
            }
        }
        Protection::Unsecured => read_unsecured(&inner, TYPES, true).map_err(refuse),
        Protection::Mac(alg) => {
            let secret = client_secret::reveal(app, client)?;
            let secret = secret.ok_or_else(|| unproven("the client's secret has expired, or only its hash is kept"))?;
            let key = MacKey::new(alg, secret.expose().as_bytes());
            key.map_err(|_| unproven("the client's secret is too short"))?.verify(&inner, TYPES, true).map_err(refuse)
        }
        Protection::Signature(algs) => {
            let token = Token::read(&inner).map_err(refuse)?;
            let expect = Expect { algs: &algs, typ: TYPES, typ_optional: true };
            let verified = client_keys::verify(app, client, &token, &expect).await?;
            verified.map(|verified| verified.claims).map_err(refuse)
        }
    }
}

/// What is inside of a JWE to one of our keys. Another replica may have published that key a moment ago.
async fn decrypted(app: &App, client: &Client, object: &str) -> Result<String> {
    let opened = token::by_keys(app, |keys| keys.decrypt(object)).await?;
    let opened = opened.map_err(|refusal| unproven(refusal.reason()))?;
    let metadata = client.metadata();
    let fits = |registered: &str, used: &str| registered.is_empty() || registered == used;
    let alg = peek(object).map_err(|refusal| unproven(refusal.reason()))?.alg;
    let enc = match metadata.request_object_encryption_alg.as_str() {
        "" => "",
        _ => encryption_enc(&metadata.request_object_encryption_enc),
    };
    if !fits(&metadata.request_object_encryption_alg, &alg) || !fits(enc, opened.enc.as_str()) {
        return Err(unproven("it is not encrypted as the client has registered"));
    }
    String::from_utf8(opened.plaintext.to_vec()).map_err(|_| unproven("what was encrypted is not text"))
}
