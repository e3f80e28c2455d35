//! Client authentication: RFC 6749 section 2.3, OpenID Connect Core section 9.

mod assertion;

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::app::App;
use crate::client_secret;
use crate::id::ClientId;
use crate::oauth::client_metadata::AuthMethod;
use crate::oauth::params::Params;
use crate::oauth::{Error, ErrorCode, Result, client_assertion};
use crate::secret::{self, Secret};
use crate::store::client::Client;

/// What a request presents as proof of who the client is: exactly one method.
#[derive(Debug)]
pub struct Presented {
    pub client: ClientId,
    method: Method,
}

#[derive(Debug)]
enum Method {
    Basic(Secret),
    Post(Secret),
    /// `private_key_jwt` or `client_secret_jwt`: which, the client's registration says.
    Assertion(Secret),
    None,
}

impl Presented {
    /// Reads the credentials of a request: the values of its `Authorization` headers and its form. Nothing in a URL
    /// counts (RFC 6749 section 2.3.1).
    pub fn read(authorization: &[&str], form: &Params) -> Result<Self> {
        let named = form.get("client_id");
        let has_assertion = ["client_assertion", "client_assertion_type"].iter().any(|name| form.get(name).is_some());
        if has_assertion && (form.get("client_secret").is_some() || !authorization.is_empty()) {
            return Err(two_methods());
        }
        if let Some(assertion) = client_assertion::of(form)? {
            let client =
                client_assertion::claimed_client(assertion).map_err(|fault| assertion::refused(None, fault))?;
            if named.is_some_and(|named| named != client.as_str()) {
                return Err(assertion::refused(None, "client_id names another client"));
            }
            return Ok(Self { client, method: Method::Assertion(Secret::new(assertion)) });
        }
        let basic = match authorization {
            [] => None,
            [one] => basic(one)?,
            _ => return Err(two_methods()),
        };
        match (basic, form.get("client_secret")) {
            (Some(_), Some(_)) => Err(two_methods()),
            (Some((id, _)), None) if named.is_some_and(|named| named != id) => {
                Err(ErrorCode::InvalidRequest.because("The Authorization header and client_id name different clients."))
            }
            (Some((id, secret)), None) => Ok(Self { client: ClientId::new(id), method: Method::Basic(secret) }),
            (None, secret) => {
                let client = ClientId::new(named.ok_or_else(|| {
                    ErrorCode::InvalidClient.because("Client authentication failed: the request names no client.")
                })?);
                Ok(Self { client, method: secret.map_or(Method::None, |secret| Method::Post(Secret::new(secret))) })
            }
        }
    }
}

fn two_methods() -> Error {
    ErrorCode::InvalidRequest.because("The client must not use more than one authentication method a request.")
}

/// RFC 6749 section 2.3.1: id and secret are each form-encoded before they are joined. Another scheme is no
/// authentication of a client.
pub fn basic(header: &str) -> Result<Option<(String, Secret)>> {
    let Some((scheme, rest)) = header.split_once(' ') else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let malformed = || ErrorCode::InvalidClient.because("The Authorization header is not well-formed.");
    let decoded =
        STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(malformed)?;
    let (id, secret) = decoded.split_once(':').ok_or_else(malformed)?;
    let id = form_decoded(id).ok_or_else(malformed)?;
    let secret = form_decoded(secret).ok_or_else(malformed)?;
    if id.is_empty() {
        return Err(malformed());
    }
    Ok(Some((id, Secret::new(secret))))
}

/// One value by the rules of a form; a stray percent sign stands for itself, because many clients do not encode.
fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .filter(|decoded| !decoded.contains('\0'))
        .map(std::borrow::Cow::into_owned)
}

/// The client, once it has proven that it is the one, by the method that it registered. The address is the one that
/// guesses at a secret that somebody chose are counted by.
pub async fn authenticate(app: &App, presented: &Presented, address: IpAddr) -> Result<Arc<Client>> {
    let client = app.store.client(&presented.client).await?.filter(|client| !client.is_gone(app.clock.now()));
    let Some(client) = client else {
        // An unknown client costs what one with a secret of ours costs. A password's hash for every stranger would tell no
        // less (client ids are in URLs) and let strangers fill the hashing pool.
        if let Method::Basic(secret) | Method::Post(secret) = &presented.method {
            let _ = secret::same(secret::fingerprint(secret.expose()).as_bytes(), NOBODYS.as_bytes());
        }
        return Err(failed());
    };
    match &presented.method {
        Method::None => is_registered_for(&client, AuthMethod::None)?,
        Method::Basic(secret) => {
            is_registered_for(&client, AuthMethod::Basic)?;
            is_the_secret(app, &client, secret, address).await?;
        }
        Method::Post(secret) => {
            is_registered_for(&client, AuthMethod::Post)?;
            is_the_secret(app, &client, secret, address).await?;
        }
        Method::Assertion(assertion) => assertion::authenticate(app, &client, assertion.expose()).await?,
    }
    Ok(client)
}

fn is_registered_for(client: &Client, used: AuthMethod) -> Result<()> {
    let registered = client.metadata().auth_method();
    if registered == used {
        return Ok(());
    }
    Err(ErrorCode::InvalidClient.because(format!(
        "Client authentication failed: the client is registered for {}, but the request used {}.",
        registered.as_str(),
        used.as_str(),
    )))
}

async fn is_the_secret(app: &App, client: &Client, secret: &Secret, address: IpAddr) -> Result<()> {
    if client_secret::is_right(app, client, secret, address).await? { Ok(()) } else { Err(failed()) }
}

/// As long as a fingerprint, and none.
const NOBODYS: &str = "-------------------------------------------";

fn failed() -> Error {
    ErrorCode::InvalidClient
        .because("Client authentication failed (unknown client, no authentication included, or wrong credentials).")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authorization: &[&str], form: &str) -> Result<Presented> {
        Presented::read(authorization, &Params::parse(form.as_bytes()).unwrap())
    }

    fn basic_header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn both_parts_of_basic_are_form_decoded() {
        let presented = read(&[&basic_header("a%3Ab:p%2Bq+r%25")], "").unwrap();
        assert_eq!(presented.client.as_str(), "a:b");
        assert!(matches!(&presented.method, Method::Basic(secret) if secret.expose() == "p+q r%"));
    }

    #[test]
    fn an_empty_secret_is_none() {
        assert!(matches!(read(&[], "client_id=spa&client_secret=").unwrap().method, Method::None));
    }

    #[test]
    fn more_than_one_method_is_refused() {
        let header = basic_header("web:secret");
        for (headers, form) in [
            (vec![header.as_str()], "client_secret=x"),
            (vec![header.as_str()], "client_assertion=x"),
            (vec![header.as_str(), header.as_str()], ""),
            (vec![header.as_str()], "client_id=evil"),
        ] {
            assert_eq!(read(&headers, form).unwrap_err().code, ErrorCode::InvalidRequest, "{form}");
        }
    }

    /// RFC 7521 section 4.2: the assertion names the client, and `client_id` no other.
    #[test]
    fn an_assertion_names_its_client() {
        let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let form = |claims: &str, rest: &str| {
            format!(
                "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
                 &client_assertion={}.{}.eA{rest}",
                part(r#"{"alg":"ES256"}"#),
                part(claims)
            )
        };
        let own = r#"{"iss":"jwtc","sub":"jwtc"}"#;
        for rest in ["", "&client_id=jwtc"] {
            let presented = read(&[], &form(own, rest)).unwrap();
            assert_eq!(presented.client.as_str(), "jwtc");
            assert!(matches!(presented.method, Method::Assertion(_)) && !format!("{presented:?}").contains('.'));
        }
        for (claims, rest) in [
            (own, "&client_id=web"),
            (r#"{"iss":"jwtc","sub":"web"}"#, ""),
            (r#"{"sub":"jwtc"}"#, ""),
            (r#"{"iss":"jwtc","sub":7}"#, ""),
            (r#"{"iss":"","sub":""}"#, ""),
            (r#"{"iss":"a\u0000","sub":"a\u0000"}"#, ""),
            ("[]", ""),
        ] {
            assert_eq!(read(&[], &form(claims, rest)).unwrap_err().code, ErrorCode::InvalidClient, "{claims} {rest}");
        }
        assert_eq!(read(&[], &form(own, "&client_secret=x")).unwrap_err().code, ErrorCode::InvalidRequest);
    }

    #[test]
    fn what_is_malformed_fails_as_authentication() {
        for header in ["Basic !!!", "Basic", &basic_header("no colon"), &basic_header(":x")] {
            assert_eq!(read(&[header], "").unwrap_err().code, ErrorCode::InvalidClient, "{header}");
        }
    }
}
