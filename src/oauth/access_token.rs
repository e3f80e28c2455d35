//! The JWT form of an access token: RFC 9068.

use serde::Serialize;
use serde_json::{Map, Value};

use super::scope::Scope;
use super::token::AccessToken;
use crate::clock::Timestamp;
use crate::config::ScopeClaim;
use crate::id::{ClientId, Subject, TokenId};

/// The claims (section 2.2).
#[derive(Debug, Serialize)]
pub struct JwtAccessToken<'a> {
    pub iss: &'a str,
    pub sub: &'a str,
    /// Never empty: where no audience was asked for it is the server itself (section 3), never the client, whose ID tokens
    /// have that.
    pub aud: Vec<&'a str>,
    pub exp: i64,
    pub iat: i64,
    pub nbf: i64,
    pub jti: String,
    pub client_id: &'a ClientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'a str>,
    /// Hydra's list of the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scp: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub amr: &'a [String],
    /// What the consent added; Hydra's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ext: Option<&'a Map<String, Value>>,
    /// The grant that it is of, and that grant's generation: what revocation goes by. Not there for a token without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<String>,
}

impl<'a> JwtAccessToken<'a> {
    pub fn of(
        token: &AccessToken,
        issuer: &'a str,
        subject: &'a str,
        client: &'a ClientId,
        scope: &'a Scope,
        audience: &'a [String],
        scope_claim: ScopeClaim,
    ) -> Self {
        let issued_at = token.issued_at().seconds();
        let gid = match token {
            AccessToken::Grant { grant, generation, .. } => Some(match generation {
                Some(generation) => format!("{grant}.{generation}"),
                None => grant.to_string(),
            }),
            AccessToken::Client { .. } | AccessToken::Asserted { .. } => None,
        };
        let aud = if audience.is_empty() { vec![issuer] } else { audience.iter().map(String::as_str).collect() };
        let is_some = !scope.is_empty();
        Self {
            iss: issuer,
            sub: subject,
            aud,
            exp: token.expires_at().seconds(),
            iat: issued_at,
            nbf: issued_at,
            jti: token.id().to_string(),
            client_id: client,
            scope: (is_some && scope_claim != ScopeClaim::List).then(|| scope.as_str()),
            scp: (is_some && scope_claim != ScopeClaim::String).then(|| scope.iter().collect()),
            auth_time: None,
            acr: None,
            amr: &[],
            ext: None,
            gid,
        }
    }
}

/// Reads the claims of a JWT whose signature was verified, back into what a sealed token says. `None` where they are not
/// those of an access token of this issuer.
pub fn read(claims: &Map<String, Value>, issuer: &str) -> Option<AccessToken> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| claims.get(name).and_then(Value::as_i64).map(Timestamp::from_seconds);
    if text("iss") != Some(issuer) {
        return None;
    }
    let scope = match (text("scope"), claims.get("scp")) {
        (Some(scope), _) => Scope::parse(scope).ok()?,
        (None, Some(Value::Array(values))) => values.iter().filter_map(Value::as_str).collect(),
        (None, _) => Scope::default(),
    };
    let Some(Value::Array(audience)) = claims.get("aud") else { return None };
    let audience: Vec<String> =
        audience.iter().filter_map(Value::as_str).filter(|one| *one != issuer).map(str::to_owned).collect();
    let id: TokenId = text("jti")?.parse().ok()?;
    // To the millisecond, which `iat` is not.
    let (issued_at, expires_at) = (id.made_at(), time("exp")?);
    let Some(gid) = text("gid") else {
        let (client, subject) = (ClientId::new(text("client_id")?), Subject::new(text("sub")?));
        let ext = claims.get("ext").filter(|ext| ext.is_object()).map(Value::to_string);
        // Without a person the subject is the client (section 2.2), and no person is called like one.
        return Some(match subject.as_str() == client.as_str() {
            true => AccessToken::Client { id, client, scope, audience, issued_at, expires_at, ext },
            false => AccessToken::Asserted { id, client, subject, scope, audience, issued_at, expires_at, ext },
        });
    };
    let (grant, generation) = match gid.split_once('.') {
        Some((grant, generation)) => (grant.parse().ok()?, Some(generation.parse().ok()?)),
        None => (gid.parse().ok()?, None),
    };
    Some(AccessToken::Grant {
        id,
        grant,
        generation,
        scope: Some(scope),
        audience: Some(audience),
        issued_at,
        expires_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::GrantId;

    const ISSUER: &str = "https://op.example";

    fn claims(token: &AccessToken, scope: &Scope, audience: &[String], claim: ScopeClaim) -> Map<String, Value> {
        let client = ClientId::new("web");
        let claims = JwtAccessToken::of(token, ISSUER, "alice", &client, scope, audience, claim);
        let Value::Object(claims) = serde_json::to_value(claims).unwrap() else { unreachable!() };
        claims
    }

    #[test]
    fn what_is_written_is_read_back() {
        let now = Timestamp::from_millis(1_753_358_400_123);
        let scope = Scope::parse("openid photos.read").unwrap();
        let audience = vec!["https://api.example".to_owned()];
        let (id, expires_at) = (TokenId::new(now), Timestamp::from_seconds(1_753_362_000));
        for generation in [None, Some(0), Some(7)] {
            let token = AccessToken::Grant {
                id,
                grant: GrantId::new(now),
                generation,
                scope: Some(scope.clone()),
                audience: Some(audience.clone()),
                issued_at: now,
                expires_at,
            };
            for claim in [ScopeClaim::List, ScopeClaim::String, ScopeClaim::Both] {
                assert_eq!(read(&claims(&token, &scope, &audience, claim), ISSUER).as_ref(), Some(&token));
            }
        }
        let own = AccessToken::Client {
            id,
            client: ClientId::new("web"),
            scope: Scope::default(),
            audience: Vec::new(),
            issued_at: now,
            expires_at,
            ext: None,
        };
        let mut written = claims(&own, &Scope::default(), &[], ScopeClaim::Both);
        written["sub"] = "web".into();
        assert_eq!(written["aud"], serde_json::json!([ISSUER]), "RFC 9068 section 3");
        assert!(!written.contains_key("scope") && !written.contains_key("scp") && !written.contains_key("gid"));
        assert_eq!(read(&written, ISSUER), Some(own));
        assert_eq!(read(&written, "https://other.example"), None);
        let mut told = written;
        told.insert("ext".to_owned(), serde_json::json!({ "tenant": "x" }));
        let ext = read(&told, ISSUER).and_then(|token| token.ext());
        assert_eq!(ext, serde_json::json!({ "tenant": "x" }).as_object().cloned());
        let asserted = AccessToken::Asserted {
            id,
            client: ClientId::new("web"),
            subject: Subject::new("alice"),
            scope: scope.clone(),
            audience: audience.clone(),
            issued_at: now,
            expires_at,
            ext: None,
        };
        let written = claims(&asserted, &scope, &audience, ScopeClaim::Both);
        assert!(!written.contains_key("gid"));
        assert_eq!(read(&written, ISSUER), Some(asserted));
    }
}
