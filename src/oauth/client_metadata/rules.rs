//! What this server can keep of client metadata.

use super::{AuthMethod, GrantType};
use crate::config::Config;
use crate::jose::{Algorithm, ContentEncryption, KeyManagement, MacAlgorithm};
use crate::oauth::redirect_uri::Http;
use crate::oauth::response_mode::ResponseType;

/// What this server honours: metadata that asks for anything else is refused, because a client that is registered with
/// it would believe in it. The server's own metadata is made of the same lists.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Plain http redirect and logout URIs are fine.
    pub dev: bool,
    /// `oauth2.localhost_redirect_uris`.
    pub localhost: bool,
    pub grant_types: Vec<&'static str>,
    pub response_types: Vec<ResponseType>,
    pub auth_methods: Vec<&'static str>,
    pub subject_types: Vec<&'static str>,
    /// Of ID tokens. Userinfo may be signed by the same, and besides with nothing.
    pub id_token_algs: Vec<String>,
    pub userinfo_algs: Vec<String>,
    pub assertion_algs: Vec<&'static str>,
    pub request_object_algs: Vec<&'static str>,
    pub encryption_algs: Vec<&'static str>,
    pub encryption_encs: Vec<&'static str>,
    pub access_token_strategies: Vec<&'static str>,
    pub request_by_value: bool,
    pub request_by_reference: bool,
}

impl Rules {
    pub fn of(config: &Config) -> Self {
        let defaults = Self::new(config.dev, &config.oauth2.response_types);
        let unsigned = config.oidc.request_unsigned.then_some("none");
        let mut subject_types = vec!["public"];
        subject_types.extend(config.oidc.pairwise_salt.is_some().then_some("pairwise"));
        Self {
            localhost: config.oauth2.localhost_redirect_uris,
            subject_types,
            id_token_algs: config.oidc.signing_algs.clone(),
            request_object_algs: unsigned.into_iter().chain(defaults.request_object_algs.iter().copied()).collect(),
            request_by_value: config.oidc.request_by_value,
            request_by_reference: config.oidc.request_by_reference,
            ..defaults
        }
        .with_userinfo_algs()
    }

    pub(in crate::oauth) fn new(dev: bool, response_types: &[ResponseType]) -> Self {
        let implicit = response_types.iter().any(|kind| kind.is_front());
        let offered = |grant: &&GrantType| implicit || **grant != GrantType::Implicit;
        let macs = MacAlgorithm::ALL.map(MacAlgorithm::as_str);
        let signed: Vec<_> = Algorithm::ALL.map(Algorithm::as_str).into_iter().chain(macs).collect();
        Self {
            dev,
            localhost: false,
            grant_types: GrantType::ALL.iter().filter(offered).map(|grant| grant.as_str()).collect(),
            response_types: response_types.to_vec(),
            auth_methods: AuthMethod::ALL.iter().map(|method| method.as_str()).collect(),
            subject_types: vec!["public"],
            id_token_algs: signed.iter().map(|&alg| alg.to_owned()).collect(),
            userinfo_algs: Vec::new(),
            assertion_algs: signed.clone(),
            request_object_algs: signed,
            encryption_algs: KeyManagement::ALL.map(KeyManagement::as_str).to_vec(),
            encryption_encs: ContentEncryption::ALL.map(ContentEncryption::as_str).to_vec(),
            access_token_strategies: vec!["opaque", "jwt"],
            request_by_value: true,
            request_by_reference: true,
        }
        .with_userinfo_algs()
    }

    /// Where redirect URIs may use plain http.
    pub(in crate::oauth) fn http(&self) -> Http {
        match (self.dev, self.localhost) {
            (true, _) => Http::Everywhere,
            (false, true) => Http::Localhost,
            (false, false) => Http::Nowhere,
        }
    }

    pub(in crate::oauth) fn with_userinfo_algs(mut self) -> Self {
        let signed = self.id_token_algs.iter().filter(|alg| *alg != "none").cloned();
        self.userinfo_algs = std::iter::once("none".to_owned()).chain(signed).collect();
        self
    }
}
