//! Clients that register themselves, as their own software does it.

use hydrant::config::Registration;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::requests::{Answer, Authorize};
use super::{Server, VERIFIER};

/// A client that has registered itself: the server's answer.
pub struct Own(pub Value);

impl Own {
    pub fn text(&self, member: &str) -> &str {
        self.0[member].as_str().unwrap_or_else(|| panic!("no {member} in {}", self.0))
    }

    pub fn id(&self) -> &str {
        self.text("client_id")
    }

    pub fn token(&self) -> &str {
        self.text("registration_access_token")
    }

    pub fn secret(&self) -> &str {
        self.text("client_secret")
    }

    /// What a client sends back to change something: all that it was shown.
    #[expect(clippy::needless_pass_by_value, reason = "a test writes the JSON in place")]
    pub fn with(&self, change: Value) -> Value {
        let mut body = self.0.clone();
        body.as_object_mut().unwrap().remove("client_secret");
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    }
}

/// The registration that the tests vary.
#[expect(clippy::needless_pass_by_value, reason = "a test writes the JSON in place")]
pub fn app(more: Value) -> Value {
    let mut body = json!({
        "client_name": "App", "redirect_uris": ["https://app.example/cb"], "scope": "openid offline_access",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

impl Server {
    /// A server that lets anybody register, as often as a test wants.
    pub async fn open_to_all(change: impl FnOnce(&mut Registration)) -> Self {
        Self::with(|config| {
            config.oidc.registration.enabled = true;
            config.oidc.registration.per_address = 100_000;
            change(&mut config.oidc.registration);
        })
        .await
    }

    pub async fn register(&self, body: &Value) -> Answer {
        self.register_with(None, body).await
    }

    /// With an initial access token.
    pub async fn register_with(&self, token: Option<&str>, body: &Value) -> Answer {
        let request = self.http.post(self.url("/connect/register")).json(body);
        let request = token.into_iter().fold(request, RequestBuilder::bearer_auth);
        Answer::of(request.send().await.unwrap()).await
    }

    /// Registers [`app`] with what a test adds.
    pub async fn own_client(&self, more: Value) -> Own {
        let answer = self.register(&app(more)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        Own(answer.json())
    }

    pub fn manage(&self, method: Method, id: &str) -> RequestBuilder {
        self.http.request(method, self.url(&format!("/connect/register/{id}")))
    }

    /// Reads, replaces or deletes a registration with this token.
    pub async fn manage_with(&self, method: Method, id: &str, token: &str, body: Option<&Value>) -> Answer {
        let request = self.manage(method, id).bearer_auth(token);
        let request = body.into_iter().fold(request, RequestBuilder::json);
        Answer::of(request.send().await.unwrap()).await
    }

    /// Alice signs in to the client, and it redeems the code.
    pub async fn sign_in_to(&self, client: &Own) -> Answer {
        let request = Authorize::of(client.id(), "https://app.example/cb").set("scope", "openid offline_access");
        let code = self.browser().code(&request, "alice").await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", "https://app.example/cb"),
            ("code_verifier", VERIFIER),
        ];
        let request = self.http.post(self.url("/oauth2/token"));
        let request = request.basic_auth(client.id(), Some(client.secret())).form(&fields);
        Answer::of(request.send().await.unwrap()).await
    }

    /// How many clients have registered themselves.
    pub async fn self_registered(&self) -> usize {
        self.database.column("SELECT id FROM clients WHERE origin = 'registration'").await.len()
    }
}
