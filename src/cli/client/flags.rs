//! The flags of a client's metadata, by the names of Hydra's command line.

use anyhow::Result;
use clap::Args;

use super::key_flags::KeyFlags;
use super::logout_flags::LogoutFlags;
use crate::cli::input;
use crate::oauth::client_metadata::{ClientMetadata, GrantType};

/// What is not given stays as it is; a list is replaced as a whole, and one empty value empties it.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct Flags {
    /// What the pages call the client.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where browsers may be sent back to; compared letter for letter. Repeatable.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Option<Vec<String>>,
    /// `authorization_code`, `refresh_token`, `client_credentials`, or `implicit` for tokens from the browser. Repeatable.
    #[arg(long = "grant-type", value_name = "TYPE", value_delimiter = ',')]
    grant_types: Option<Vec<String>>,
    /// `code`, or what else `oauth2.response_types` of the server offers: `id_token`, `code id_token`, … Repeatable.
    #[arg(long = "response-type", value_name = "TYPE", value_delimiter = ',')]
    response_types: Option<Vec<String>>,
    /// What the client may ask for: `openid offline_access profile`. Repeatable.
    #[arg(long, value_delimiter = ',')]
    scope: Option<Vec<String>>,
    /// `client_secret_basic`, `client_secret_post`, `private_key_jwt`, `client_secret_jwt`, or `none` for applications that
    /// can keep no secret.
    #[arg(long, value_name = "METHOD")]
    token_endpoint_auth_method: Option<String>,
    #[command(flatten)]
    keys: KeyFlags,
    /// What its tokens may be for. Repeatable.
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    audience: Option<Vec<String>>,
    #[command(flatten)]
    logout: LogoutFlags,
    /// An origin whose scripts may call the server: `https://app.example.com`. Repeatable.
    #[arg(long = "allowed-cors-origin", value_name = "ORIGIN", value_delimiter = ',')]
    allowed_cors_origins: Option<Vec<String>>,
    /// For a client of your own: people are not asked for their consent. A consent application is told not to ask either.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    skip_consent: Option<bool>,
    /// The client's logo, for the consent page.
    #[arg(long, value_name = "URI")]
    logo_uri: Option<String>,
    /// What the client does with people's data.
    #[arg(long, value_name = "URI")]
    policy_uri: Option<String>,
    /// The client's terms of service.
    #[arg(long, value_name = "URI")]
    tos_uri: Option<String>,
    /// The client's home page.
    #[arg(long, value_name = "URI")]
    client_uri: Option<String>,
    /// Whose client it is; lists can be filtered by it.
    #[arg(long)]
    owner: Option<String>,
    /// Whom to ask about the client, an email usually. Repeatable.
    #[arg(long = "contact", value_name = "CONTACT")]
    contacts: Option<Vec<String>>,
    /// Anything that you want to keep with the client, as JSON.
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
}

impl Flags {
    pub fn are_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn apply(&self, client: &mut ClientMetadata) -> Result<()> {
        let texts = [
            (&self.name, &mut client.client_name),
            (&self.token_endpoint_auth_method, &mut client.token_endpoint_auth_method),
            (&self.logo_uri, &mut client.logo_uri),
            (&self.policy_uri, &mut client.policy_uri),
            (&self.tos_uri, &mut client.tos_uri),
            (&self.client_uri, &mut client.client_uri),
            (&self.owner, &mut client.owner),
        ];
        for (given, kept) in texts {
            if let Some(given) = given {
                kept.clone_from(given);
            }
        }
        let lists = [
            (&self.redirect_uris, &mut client.redirect_uris),
            (&self.grant_types, &mut client.grant_types),
            (&self.response_types, &mut client.response_types),
            (&self.audience, &mut client.audience),
            (&self.allowed_cors_origins, &mut client.allowed_cors_origins),
            (&self.contacts, &mut client.contacts),
        ];
        for (given, kept) in lists {
            if let Some(given) = given {
                *kept = given.iter().filter(|one| !one.is_empty()).cloned().collect();
            }
        }
        if let Some(scope) = &self.scope {
            client.scope = scope.iter().flat_map(|words| words.split_whitespace()).collect::<Vec<_>>().join(" ");
        }
        self.keys.apply(client)?;
        self.logout.apply(client);
        if let Some(skip) = self.skip_consent {
            client.skip_consent = skip;
        }
        if let Some(text) = &self.metadata {
            client.metadata = input::json(text, "--metadata")?;
        }
        Ok(())
    }
}

/// What Hydra's command line takes for a client that says nothing of it: the authorization code, and its response type.
pub fn fill_in(client: &mut ClientMetadata) {
    let code = GrantType::AuthorizationCode.as_str();
    if client.grant_types.is_empty() {
        client.grant_types.push(code.to_owned());
    }
    if client.response_types.is_empty() && client.grant_types.iter().any(|grant| grant == code) {
        client.response_types.push("code".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;
    use crate::cli::Misuse;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    fn read(line: &[&str]) -> Flags {
        Line::try_parse_from([&["x"], line].concat()).unwrap_or_else(|error| panic!("{line:?}: {error}")).flags
    }

    #[test]
    fn flags_become_metadata() {
        let flags = read(&[
            "--name",
            "Shop",
            "--redirect-uri",
            "https://a.example/cb?x=1,2",
            "--redirect-uri",
            "https://b.example/cb",
            "--grant-type",
            "authorization_code,refresh_token",
            "--scope",
            "openid profile",
            "--scope",
            "email",
            "--skip-consent",
            "--backchannel-logout-callback",
            "https://a.example/out",
            "--backchannel-logout-session-required",
            "--frontchannel-logout-callback",
            "https://a.example/gone",
            "--skip-logout-consent=false",
            "--post-logout-callback",
            "https://a.example/",
            "--metadata",
            r#"{"a": 1}"#,
        ]);
        let mut client = ClientMetadata::default();
        flags.apply(&mut client).unwrap();
        assert_eq!(client.redirect_uris, ["https://a.example/cb?x=1,2", "https://b.example/cb"]);
        assert_eq!(client.grant_types, ["authorization_code", "refresh_token"]);
        assert_eq!((client.scope.as_str(), client.skip_consent), ("openid profile email", true));
        assert_eq!((client.client_name.as_str(), &client.metadata), ("Shop", &json!({"a": 1})));
        assert_eq!(client.backchannel_logout_uri, "https://a.example/out");
        assert_eq!(client.frontchannel_logout_uri, "https://a.example/gone");
        assert_eq!(client.post_logout_redirect_uris, ["https://a.example/"]);
        assert!(client.backchannel_logout_session_required && !client.frontchannel_logout_session_required);
        assert_eq!(client.skip_logout_consent, Some(false));
    }

    #[test]
    fn what_is_not_given_stays_and_an_empty_value_empties() {
        let mut client = ClientMetadata {
            client_name: "Shop".to_owned(),
            redirect_uris: vec!["https://a.example/cb".to_owned()],
            contacts: vec!["a@a.example".to_owned()],
            skip_consent: true,
            ..ClientMetadata::default()
        };
        assert!(read(&[]).are_empty());
        let flags = read(&["--contact", "", "--skip-consent=false"]);
        assert!(!flags.are_empty());
        flags.apply(&mut client).unwrap();
        assert_eq!((client.client_name.as_str(), client.redirect_uris.len()), ("Shop", 1));
        assert!(client.contacts.is_empty() && !client.skip_consent);
        assert!(read(&["--metadata", "{"]).apply(&mut client).unwrap_err().is::<Misuse>());
    }

    #[test]
    fn keys_and_algorithms_have_their_flags() {
        let flags = read(&[
            "--jwks",
            r#"{"keys": []}"#,
            "--id-token-signed-response-alg",
            "ES256",
            "--request-uri",
            "https://a.example/r",
            "--subject-type",
            "pairwise",
            "--default-max-age",
            "60",
            "--require-signed-request-object",
        ]);
        let mut client = ClientMetadata::default();
        flags.apply(&mut client).unwrap();
        assert_eq!((client.jwks, client.id_token_signed_response_alg.as_str()), (json!({"keys": []}), "ES256"));
        assert_eq!((client.request_uris.len(), client.subject_type.as_str()), (1, "pairwise"));
        assert_eq!((client.default_max_age, client.require_signed_request_object), (Some(60), true));
        for text in ["{", "-----BEGIN PRIVATE KEY-----"] {
            let error = read(&["--jwks", text]).apply(&mut ClientMetadata::default()).unwrap_err();
            assert!(error.is::<Misuse>() && !format!("{error:#}").contains("PRIVATE"), "{error:#}");
        }
    }

    #[test]
    fn a_client_that_says_nothing_uses_the_code() {
        let mut client = ClientMetadata::default();
        fill_in(&mut client);
        assert_eq!(
            (client.grant_types, client.response_types),
            (vec!["authorization_code".into()], vec!["code".into()])
        );
        let mut robot = ClientMetadata { grant_types: vec!["client_credentials".into()], ..ClientMetadata::default() };
        fill_in(&mut robot);
        assert!(robot.response_types.is_empty());
    }
}
