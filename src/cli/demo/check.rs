//! `hydrant demo --check`: the whole journey, walked over HTTP as a browser and a relying party walk it. Each step says
//! what it expected; the walk ends at the first that does not hold.

use std::fmt::Display;
use std::time::Instant;

use anyhow::{Context as _, anyhow, ensure};
use serde_json::Value;
use url::Url;

use super::browser::{Browser, Page, Stop};
use super::oidc::{self, Client, Login, Query, Settings, Tokens};
use super::{say, seed};
use crate::clock::Clock;
use crate::jose::Verified;
use crate::secret::Secret;

pub async fn walk(settings: &Settings) -> anyhow::Result<()> {
    let began = Instant::now();
    let client = step("discovery", async {
        let client = Client::discover(settings.clone(), Clock::System).await?;
        endpoints_are_the_issuers(&client)?;
        Ok(client)
    })
    .await?;
    step("keys (JWKS)", async { expect(client.load_keys().await? > 0, "a key that verifies", "none") }).await?;

    let mut walk = Walk { client, browser: Browser::new()? };
    let login = Login::new();
    let page = step("authorization request leads to the sign-in page", walk.sign_in_page(&login)).await?;
    let page = step("a wrong password is refused on the same page", walk.wrong_password(&page)).await?;
    let page = step("the right password leads to the consent page", walk.right_password(&page)).await?;
    let code = step("consent leads back with a code, state and iss", walk.consent(&page, &login)).await?;
    let (tokens, id_token) = step("code exchange; the ID token is genuine", walk.exchange(&code, &login)).await?;
    step("userinfo", walk.userinfo(&tokens, &id_token)).await?;
    step("introspection", walk.introspection(&tokens, &id_token)).await?;
    let tokens =
        step("refresh: the same grant, the old access token is dead", walk.refresh(&tokens, &id_token)).await?;
    step("revocation of the access token, then of the grant", walk.revocation(&tokens)).await?;
    let id_token = step("single sign-on; a replayed code revokes its tokens", walk.replay()).await?;
    step("the demo's own pages", walk.own_pages()).await?;
    step("logout, then prompt=none says login_required", walk.logout(&id_token)).await?;
    say(&format!("\nall of it holds, in {} ms", began.elapsed().as_millis()));
    Ok(())
}

/// Runs one step and prints its line.
async fn step<T>(name: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let began = Instant::now();
    let done = work.await;
    let verdict = if done.is_ok() { "ok  " } else { "FAIL" };
    say(&format!("{verdict} {name:<56} {:>5} ms", began.elapsed().as_millis()));
    done.map_err(|error| {
        say(&format!("     {error:#}"));
        anyhow!("the check failed at this step: {name}")
    })
}

fn expect(holds: bool, expected: impl Display, came: impl Display) -> anyhow::Result<()> {
    ensure!(holds, "expected {expected}; came {came}");
    Ok(())
}

/// What came is a refusal with this OAuth error code.
fn expect_refusal<T>(code: &str, came: oidc::Result<T>) -> anyhow::Result<()> {
    match came {
        Ok(_) => expect(false, code, "success"),
        Err(failure) => expect(failure.code() == Some(code), code, failure),
    }
}

fn endpoints_are_the_issuers(client: &Client) -> anyhow::Result<()> {
    let metadata = &client.metadata;
    for url in [
        &metadata.authorization_endpoint,
        &metadata.token_endpoint,
        &metadata.userinfo_endpoint,
        &metadata.introspection_endpoint,
        &metadata.revocation_endpoint,
        &metadata.end_session_endpoint,
        &metadata.jwks_uri,
    ] {
        expect(url.as_str().starts_with(&format!("{}/", metadata.issuer)), "an endpoint of the issuer", url)?;
    }
    let iss = metadata.authorization_response_iss_parameter_supported;
    expect(iss, "iss in authorization responses (RFC 9207)", "metadata without it")
}

struct Walk {
    client: Client,
    browser: Browser,
}

impl Walk {
    async fn sign_in_page(&mut self, login: &Login) -> anyhow::Result<Page> {
        let url = self.client.authorization_url(login, "consent")?;
        let page = self.browser.go(url, Some(&self.client.settings.redirect_uri)).await?.page()?;
        expect(is_sign_in(&page) && page.status == 200, "the sign-in page", page.title())?;
        Ok(page)
    }

    async fn wrong_password(&mut self, page: &Page) -> anyhow::Result<Page> {
        let page = self.password(page, "not the password of anybody").await?.page()?;
        expect(is_sign_in(&page), "the sign-in page again", page.title())?;
        expect(page.has("role", "alert"), "a page that says what was wrong", page.title())?;
        Ok(page)
    }

    async fn right_password(&mut self, page: &Page) -> anyhow::Result<Page> {
        let page = self.password(page, seed::PASSWORD).await?.page()?;
        expect(is_consent(&page), "the consent page", page.title())?;
        for scope in seed::SCOPE.split(' ') {
            expect(page.has("value", scope), format_args!("the scope {scope} to choose"), page.title())?;
        }
        Ok(page)
    }

    async fn password(&mut self, page: &Page, password: &str) -> anyhow::Result<Stop> {
        let typed = [("email", seed::EMAIL), ("password", password)];
        self.browser.press(page, "accept", &typed, Some(&self.client.settings.redirect_uri)).await
    }

    async fn consent(&mut self, page: &Page, login: &Login) -> anyhow::Result<Secret> {
        let url = self.browser.press(page, "accept", &[], Some(&self.client.settings.redirect_uri)).await?.away()?;
        self.code(&url, login)
    }

    /// The code out of the response, after the checks that a relying party makes.
    fn code(&self, url: &Url, login: &Login) -> anyhow::Result<Secret> {
        let response = Query::read(url.query().unwrap_or_default());
        let state = response.get("state")?;
        expect(state == Some(login.state.expose()), "the state that was sent", state.map_or("none", |_| "another"))?;
        Ok(self.client.code(&response)?)
    }

    async fn exchange(&self, code: &Secret, login: &Login) -> anyhow::Result<(Tokens, Verified)> {
        let (tokens, id_token) = self.client.exchange(code, login).await?;
        expect(tokens.refresh_token.is_some(), "a refresh token, for offline_access", "none")?;
        expect(tokens.expires_in > 0, "an access token with some time to live", tokens.expires_in)?;
        expect(same_scope(&tokens.scope), seed::SCOPE, &tokens.scope)?;
        Ok((tokens, id_token))
    }

    async fn userinfo(&self, tokens: &Tokens, id_token: &Verified) -> anyhow::Result<()> {
        let claims = self.client.userinfo(&tokens.access_token, id_token.claims.get("sub")).await?;
        for (name, due) in [("email", Value::from(seed::EMAIL)), ("email_verified", Value::from(true))] {
            let came = claims.get(name).unwrap_or(&Value::Null);
            expect(*came == due, format_args!("{name} {due}"), came)?;
        }
        expect(claims.contains_key("name"), "name, for the scope profile", "none")
    }

    async fn introspection(&self, tokens: &Tokens, id_token: &Verified) -> anyhow::Result<()> {
        let answer = self.client.introspect(&tokens.access_token).await?;
        expect(answer["active"] == true, "an active token", &answer)?;
        expect(Some(&answer["sub"]) == id_token.claims.get("sub"), "the ID token's subject", &answer["sub"])?;
        expect(answer["client_id"] == *self.client.settings.client_id, "this client", &answer["client_id"])?;
        expect(answer["scope"].as_str().is_some_and(same_scope), seed::SCOPE, &answer["scope"])
    }

    async fn refresh(&self, old: &Tokens, old_id_token: &Verified) -> anyhow::Result<Tokens> {
        let refresh_token = old.refresh_token.as_ref().context("there is no refresh token")?;
        let (tokens, id_token) = self.client.refresh(refresh_token).await?;
        expect(tokens.access_token != old.access_token, "a new access token", "the same")?;
        expect(
            tokens.refresh_token.is_some() && tokens.refresh_token != old.refresh_token,
            "a new refresh token",
            "none",
        )?;
        // The session and the moment of the login stay those of the grant (OpenID Connect Core section 12.2).
        for name in ["iss", "sub", "aud", "auth_time", "sid"] {
            let (due, came) = (old_id_token.claims.get(name), id_token.claims.get(name));
            let shown = |value: Option<&Value>| value.map_or_else(|| "none".to_owned(), ToString::to_string);
            expect(due.is_some() && due == came, format_args!("{name} {}", shown(due)), shown(came))?;
        }
        self.active(&tokens.access_token, true).await?;
        self.active(&old.access_token, false).await?;
        expect_refusal("invalid_token", self.client.userinfo(&old.access_token, None).await)?;
        Ok(tokens)
    }

    async fn active(&self, token: &Secret, due: bool) -> anyhow::Result<()> {
        let answer = self.client.introspect(token).await?;
        expect(answer["active"] == due, format_args!("active: {due}"), &answer)
    }

    async fn revocation(&self, tokens: &Tokens) -> anyhow::Result<()> {
        self.client.revoke(&tokens.access_token).await?;
        self.active(&tokens.access_token, false).await?;
        expect_refusal("invalid_token", self.client.userinfo(&tokens.access_token, None).await)?;
        let refresh_token = tokens.refresh_token.as_ref().context("there is no refresh token")?;
        self.client.revoke(refresh_token).await?;
        expect_refusal("invalid_grant", self.client.refresh(refresh_token).await)
    }

    /// RFC 6749 section 4.1.2. With the session of the first sign-in nobody is asked for a password again.
    async fn replay(&mut self) -> anyhow::Result<Secret> {
        let login = Login::new();
        let url = self.client.authorization_url(&login, "consent")?;
        let away = self.client.settings.redirect_uri.clone();
        let page = self.browser.go(url, Some(&away)).await?.page()?;
        expect(is_consent(&page), "the consent page without another sign-in", page.title())?;
        let code = self.consent(&page, &login).await?;
        let (tokens, _) = self.client.exchange(&code, &login).await?;
        self.active(&tokens.access_token, true).await?;
        expect_refusal("invalid_grant", self.client.exchange(&code, &login).await)?;
        self.active(&tokens.access_token, false).await?;
        tokens.id_token.context("there is no ID token")
    }

    /// The relying party that people see: from its start page to its result page, and out again of nothing but itself.
    async fn own_pages(&mut self) -> anyhow::Result<()> {
        let base = Url::parse(&self.client.settings.base)?;
        let page = self.browser.go(base.join("/")?, None).await?.page()?;
        for id in ["demo-email", "demo-password", "sign-in"] {
            expect(page.has("id", id), format_args!("#{id} on the start page"), page.title())?;
        }
        let page = self.browser.go(base.join("/login")?, None).await?.page()?;
        expect(is_consent(&page), "the consent page without another sign-in", page.title())?;
        let page = self.browser.press(&page, "accept", &[], None).await?.page()?;
        let claims = page.text("claims").with_context(|| format!("expected #claims; came {}", page.title()))?;
        let claims: Value = serde_json::from_str(&claims)?;
        expect(claims["iss"] == *self.client.settings.issuer, "the ID token's claims", &claims)
    }

    async fn logout(&mut self, id_token: &Secret) -> anyhow::Result<()> {
        let before = self.silently().await?;
        expect(before != "login_required", "somebody signed in before the logout", before)?;
        let state = Secret::random();
        let away = self.client.settings.post_logout_redirect_uri.clone();
        let url = self.client.end_session_url(id_token, &state);
        let url = match self.browser.go(url, Some(&away)).await? {
            Stop::Away(url) => url,
            Stop::Page(page) => self.browser.press(&page, "accept", &[], Some(&away)).await?.away()?,
        };
        let query = Query::read(url.query().unwrap_or_default());
        expect(query.get("state")? == Some(state.expose()), "the logout's state", url.path())?;
        let after = self.silently().await?;
        expect(after == "login_required", "login_required", after)
    }

    /// What `prompt=none` answers: an error code, or `a code`.
    async fn silently(&mut self) -> anyhow::Result<String> {
        let login = Login::new();
        let url = self.client.authorization_url(&login, "none")?;
        let url = self.browser.go(url, Some(&self.client.settings.redirect_uri)).await?.away()?;
        match self.code(&url, &login) {
            Ok(_) => Ok("a code".to_owned()),
            Err(error) => match error.downcast_ref::<oidc::Failure>().and_then(oidc::Failure::code) {
                Some(code) => Ok(code.to_owned()),
                None => Err(error),
            },
        }
    }
}

fn is_sign_in(page: &Page) -> bool {
    page.has("name", "login_challenge") && page.has("id", "password")
}

fn is_consent(page: &Page) -> bool {
    page.has("name", "consent_challenge")
}

/// RFC 6749 section 3.3: the order does not matter.
fn same_scope(scope: &str) -> bool {
    let sorted = |scope: &str| {
        let mut words: Vec<String> = scope.split(' ').map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    sorted(scope) == sorted(seed::SCOPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_that_fails_names_itself() {
        let failed = step("a step", async { expect(false, "one", "another") }).await.unwrap_err();
        assert_eq!(failed.to_string(), "the check failed at this step: a step");
        assert_eq!(step("a step", async { Ok(7) }).await.unwrap(), 7);
    }

    #[test]
    fn a_message_says_what_was_expected_and_what_came() {
        let refused = || oidc::Failure::Refused { code: "invalid_grant".to_owned(), description: "Used.".to_owned() };
        assert!(expect_refusal::<()>("invalid_grant", Err(refused())).is_ok());
        let other = expect_refusal::<()>("invalid_token", Err(refused())).unwrap_err().to_string();
        assert_eq!(other, "expected invalid_token; came invalid_grant: Used.");
        let none = expect_refusal("invalid_token", Ok(())).unwrap_err().to_string();
        assert_eq!(none, "expected invalid_token; came success");
        assert!(expect_refusal::<()>("invalid_grant", Err(oidc::Failure::wrong("invalid_grant"))).is_err());
    }

    #[test]
    fn scopes_are_sets() {
        assert!(same_scope("email profile openid offline_access"));
        assert!(!same_scope("openid offline_access profile") && !same_scope(""));
    }
}
