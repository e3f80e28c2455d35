"""Hydra's API, called by Ory's SDK for it (PyPI ory-hydra-client 25.4.0): every method that it has.

The SDK's own models are the judge: each answer is parsed by pydantic, which wants every required member, of its type.
"""

import datetime
import json
import unittest
import urllib.parse

import ory_hydra_client as hydra
from pydantic import ValidationError

import keys
from recorder import Recorder, main
from server import Browser, Server

CALLBACK = "http://127.0.0.1:5999/callback"
APP = "http://127.0.0.1:5998"
AUDIENCE = "https://api.example/v1"
SECRET = "a secret that the operator chose"
APIS = (hydra.JwkApi, hydra.MetadataApi, hydra.OAuth2Api, hydra.OidcApi, hydra.WellknownApi)

# Of features that this server does not have: they are not there, and say so.
ABSENT = {
    "accept_user_code_request", "create_verifiable_credential", "o_auth2_device_flow",
    "perform_o_auth2_device_verification_flow",
}


def methods(api):
    named = (name for name in vars(api) if not name.startswith("_"))
    return {name for name in named if not name.endswith(("_with_http_info", "_without_preload_content"))}


ALL = set().union(*(methods(api) for api in APIS))


class AdminApiTest(unittest.TestCase):
    called = set()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(urls={name: f"{APP}/{name}" for name in ("login", "consent", "logout")})

    @classmethod
    def tearDownClass(cls):
        status, log = cls.server.stop()
        assert status == 0, f"SIGTERM ended it with {status}:\n{log}"
        assert cls.called == ALL, f"never called: {ALL - cls.called}"

    def api(self, kind, host=None, **credentials):
        client = hydra.ApiClient(hydra.Configuration(host=host or self.server.admin, **credentials))
        return Recorder(kind(client), self.called)

    def setUp(self):
        self.admin = self.api(hydra.OAuth2Api)
        self.public = self.api(hydra.OAuth2Api, self.server.issuer)

    def refused(self, status, call, *arguments, **named):
        with self.assertRaises(hydra.ApiException) as raised:
            call(*arguments, **named)
        self.assertEqual(raised.exception.status, status, raised.exception.body)
        return json.loads(raised.exception.body)

    def client(self, **more):
        fields = {
            "client_name": "SDK", "redirect_uris": [CALLBACK], "scope": "openid offline profile", "audience": [AUDIENCE],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "client_secret": SECRET,
        }
        return self.admin.create_o_auth2_client(hydra.OAuth2Client(**{**fields, **more}))

    # -- clients ---------------------------------------------------------------------------------------------------

    def test_clients(self):
        made = self.client(client_id="chosen-id", owner="team-a", metadata={"tier": 1}, contacts=["a@example.com"])
        self.assertEqual((made.client_id, made.client_secret), ("chosen-id", SECRET))
        self.refused(409, self.client, client_id="chosen-id")
        found = self.admin.get_o_auth2_client("chosen-id")
        self.assertEqual((found.owner, found.metadata, found.client_secret), ("team-a", {"tier": 1}, None))
        found.client_name = "Renamed"
        self.assertEqual(self.admin.set_o_auth2_client("chosen-id", found).client_name, "Renamed")
        patched = self.admin.patch_o_auth2_client(
            "chosen-id", [hydra.JsonPatch(op="replace", path="/owner", value="team-b")])
        self.assertEqual((patched.owner, patched.client_name), ("team-b", "Renamed"))
        lifespans = hydra.OAuth2ClientTokenLifespans(client_credentials_grant_access_token_lifespan="90m")
        long = self.admin.set_o_auth2_client_lifespans("chosen-id", o_auth2_client_token_lifespans=lifespans)
        self.assertEqual(long.client_credentials_grant_access_token_lifespan, "1h30m0s")
        listed = self.admin.list_o_auth2_clients(owner="team-b", page_size=10)
        self.assertEqual([client.client_id for client in listed], ["chosen-id"])
        self.assertIsNone(self.admin.delete_o_auth2_client("chosen-id"))
        self.refused(404, self.admin.get_o_auth2_client, "chosen-id")
        self.refused(404, self.admin.delete_o_auth2_client, "chosen-id")

    def test_registration(self):
        oidc = self.api(hydra.OidcApi, self.server.issuer)
        made = oidc.create_oidc_dynamic_client(
            hydra.OAuth2Client(client_name="Self", redirect_uris=["https://rp.example/cb"]))
        mine = self.api(hydra.OidcApi, self.server.issuer, access_token=made.registration_access_token)
        found = mine.get_oidc_dynamic_client(made.client_id)
        found.client_name = "Self, renamed"
        changed = mine.set_oidc_dynamic_client(made.client_id, found)
        self.assertEqual(changed.client_name, "Self, renamed")
        mine = self.api(hydra.OidcApi, self.server.issuer, access_token=changed.registration_access_token)
        self.assertIsNone(mine.delete_oidc_dynamic_client(made.client_id))

    # -- login, consent, logout ------------------------------------------------------------------------------------

    def authorize(self, browser, client, **more):
        query = {
            "response_type": "code", "client_id": client, "redirect_uri": CALLBACK, "scope": "openid offline profile",
            "state": "a state of this very request", "nonce": "a nonce of this very request", "audience": AUDIENCE,
            **more,
        }
        return browser.go(f"{self.server.issuer}/oauth2/auth?{urllib.parse.urlencode(query)}")

    def challenge(self, url, kind):
        self.assertTrue(url.startswith(f"{APP}/{kind}?"), url)
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))[f"{kind}_challenge"]

    def sign_in(self, browser, client, subject, **more):
        """Until the client has a code, and the requests that its apps have seen."""
        login = self.admin.get_o_auth2_login_request(self.challenge(self.authorize(browser, client, **more), "login"))
        accepted = self.admin.accept_o_auth2_login_request(login.challenge, hydra.AcceptOAuth2LoginRequest(
            subject=subject, remember=True, remember_for=3600, acr="1", amr=["pwd"], context={"from": "login"}))
        consent = self.admin.get_o_auth2_consent_request(
            self.challenge(browser.go(accepted.redirect_to), "consent"))
        accepted = self.admin.accept_o_auth2_consent_request(consent.challenge, hydra.AcceptOAuth2ConsentRequest(
            grant_scope=consent.requested_scope, grant_access_token_audience=consent.requested_access_token_audience,
            remember=True, remember_for=3600, context={"from": "consent"}, session=hydra.AcceptOAuth2ConsentRequestSession(
                access_token={"tenant": "blue"}, id_token={"email": f"{subject}@example.com"})))
        url = browser.go(accepted.redirect_to)
        self.assertTrue(url.startswith(CALLBACK), url)
        return login, consent, dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))["code"]

    def tokens(self, client, code):
        mine = self.api(hydra.OAuth2Api, self.server.issuer, username=client.client_id, password=SECRET)
        return mine, mine.oauth2_token_exchange("authorization_code", code=code, redirect_uri=CALLBACK)

    def test_a_journey_by_the_challenges(self):
        client = self.client()
        browser = Browser(self.server.issuer)
        login, consent, code = self.sign_in(browser, client.client_id, "alice")
        self.assertEqual((login.skip, login.subject, login.client.client_id), (False, "", client.client_id))
        self.assertEqual((consent.subject, consent.acr, consent.amr), ("alice", "1", ["pwd"]))
        self.assertEqual(consent.context, {"from": "login"})
        self.assertEqual(consent.login_session_id, login.session_id)

        mine, tokens = self.tokens(client, code)
        self.assertTrue(tokens.access_token and tokens.refresh_token and tokens.id_token)
        seen = self.admin.introspect_o_auth2_token(tokens.access_token)
        self.assertEqual((seen.active, seen.sub, seen.ext, seen.aud), (True, "alice", {"tenant": "blue"}, [AUDIENCE]))
        self.assertEqual((seen.token_type, seen.token_use), ("Bearer", "access_token"))
        person = self.api(hydra.OidcApi, self.server.issuer, access_token=tokens.access_token).get_oidc_user_info()
        self.assertEqual((person.sub, person.email), ("alice", "alice@example.com"))
        fresh = mine.oauth2_token_exchange("refresh_token", refresh_token=tokens.refresh_token)
        self.assertIsNone(mine.revoke_o_auth2_token(fresh.refresh_token))
        self.assertFalse(self.admin.introspect_o_auth2_token(fresh.access_token).active)
        self.assertEqual(self.refused(410, self.admin.get_o_auth2_login_request, login.challenge)["redirect_to"],
                         login.request_url)
        self.refused(404, self.admin.get_o_auth2_consent_request, "unknown")

    def test_consents_and_sessions(self):
        client = self.client()
        browser = Browser(self.server.issuer)
        _, consent, code = self.sign_in(browser, client.client_id, "bob")
        _, tokens = self.tokens(client, code)
        [listed] = self.admin.list_o_auth2_consent_sessions("bob")
        self.assertEqual((listed.grant_scope, listed.remember, listed.remember_for), (["openid", "offline", "profile"], True, 3600))
        self.assertEqual(listed.consent_request_id, consent.consent_request_id)
        self.assertEqual((listed.session.access_token, listed.context), ({"tenant": "blue"}, {"from": "consent"}))
        self.assertIsInstance(listed.handled_at, datetime.datetime)
        self.assertEqual(listed.consent_request.client.client_id, client.client_id)
        self.refused(400, self.admin.revoke_o_auth2_consent_sessions, subject="bob")
        self.assertIsNone(self.admin.revoke_o_auth2_consent_sessions(subject="bob", client=client.client_id))
        self.assertEqual(self.admin.list_o_auth2_consent_sessions("bob"), [])
        self.assertFalse(self.admin.introspect_o_auth2_token(tokens.access_token).active)

        skipped = self.admin.get_o_auth2_login_request(
            self.challenge(self.authorize(browser, client.client_id), "login"))
        self.assertEqual((skipped.skip, skipped.subject), (True, "bob"))
        self.refused(400, self.admin.revoke_o_auth2_login_sessions)
        self.assertIsNone(self.admin.revoke_o_auth2_login_sessions(subject="bob"))
        again = self.admin.get_o_auth2_login_request(self.challenge(self.authorize(browser, client.client_id), "login"))
        self.assertFalse(again.skip)

    def test_refusals(self):
        client = self.client()
        no = hydra.RejectOAuth2Request(error="access_denied", error_description="They said no", status_code=403)
        browser = Browser(self.server.issuer)
        challenge = self.challenge(self.authorize(browser, client.client_id), "login")
        url = browser.go(self.admin.reject_o_auth2_login_request(challenge, no).redirect_to)
        self.assertIn("error=access_denied", url)
        challenge = self.challenge(self.authorize(browser, client.client_id), "login")
        accepted = self.admin.accept_o_auth2_login_request(challenge, hydra.AcceptOAuth2LoginRequest(subject="carol"))
        challenge = self.challenge(browser.go(accepted.redirect_to), "consent")
        url = browser.go(self.admin.reject_o_auth2_consent_request(challenge, no).redirect_to)
        self.assertIn("error_description=They+said+no", url.replace("%20", "+"))

    def test_logout(self):
        client = self.client()
        browser = Browser(self.server.issuer)
        login, _, code = self.sign_in(browser, client.client_id, "dora", scope="openid profile")
        _, tokens = self.tokens(client, code)
        hint = urllib.parse.urlencode({"id_token_hint": tokens.id_token})
        url = browser.go(f"{self.server.issuer}/oauth2/sessions/logout?{hint}")
        asked = self.admin.get_o_auth2_logout_request(self.challenge(url, "logout"))
        self.assertEqual((asked.subject, asked.sid, asked.rp_initiated), ("dora", login.session_id, True))
        self.assertIsInstance(asked.expires_at, datetime.datetime)
        self.assertIsNone(self.admin.reject_o_auth2_logout_request(asked.challenge))
        accepted = self.admin.accept_o_auth2_logout_request(asked.challenge)
        self.assertTrue(accepted.redirect_to.startswith(self.server.issuer))
        browser.open(accepted.redirect_to)
        self.assertFalse(self.admin.introspect_o_auth2_token(tokens.access_token).active)

    # -- tokens, keys, trust ---------------------------------------------------------------------------------------

    def test_tokens_of_a_client(self):
        client = self.client(grant_types=["client_credentials"], response_types=[])
        mine = self.api(hydra.OAuth2Api, self.server.issuer, username=client.client_id, password=SECRET)
        tokens = mine.oauth2_token_exchange("client_credentials")
        self.assertTrue(self.admin.introspect_o_auth2_token(tokens.access_token).active)
        self.assertIsNone(self.admin.delete_o_auth2_token(client.client_id))
        self.assertFalse(self.admin.introspect_o_auth2_token(tokens.access_token).active)

    def test_json_web_keys(self):
        jwk = self.api(hydra.JwkApi)
        made = jwk.create_json_web_key_set("team", hydra.CreateJsonWebKeySet(alg="ES256", use="sig", kid="first"))
        self.assertEqual([(key.kid, key.alg, key.use) for key in made.keys], [("first", "ES256", "sig")])
        self.refused(409, jwk.create_json_web_key_set, "team", hydra.CreateJsonWebKeySet(alg="ES256", use="sig", kid="first"))
        self.refused(400, jwk.create_json_web_key_set, "team", hydra.CreateJsonWebKeySet(alg="HS256", use="sig", kid="x"))
        self.assertEqual(len(jwk.get_json_web_key_set("team").keys), 1)
        private = hydra.JsonWebKey(**keys.RSA_PRIVATE, kid="imported", use="sig", alg="RS256")
        self.assertEqual(jwk.set_json_web_key("team", "imported", private).kid, "imported")
        [found] = jwk.get_json_web_key("team", "imported").keys
        self.assertEqual((found.kid, found.n, found.d), ("imported", keys.RSA_PRIVATE["n"], None))
        replaced = jwk.set_json_web_key_set("team", hydra.JsonWebKeySet(keys=[private]))
        self.assertEqual([key.kid for key in replaced.keys], ["imported"])
        self.assertIsNone(jwk.delete_json_web_key("team", "imported"))
        jwk.create_json_web_key_set("team", hydra.CreateJsonWebKeySet(alg="RS256", use="sig", kid="last"))
        self.assertIsNone(jwk.delete_json_web_key_set("team"))
        self.refused(404, jwk.get_json_web_key_set, "team")
        published = self.api(hydra.WellknownApi, self.server.issuer).discover_json_web_keys()
        self.assertTrue(all(key.kid and key.use for key in published.keys))

    def test_trusted_issuers(self):
        ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)
        public = {name: keys.RSA_PRIVATE[name] for name in ("kty", "n", "e")}
        trust = hydra.TrustOAuth2JwtGrantIssuer(
            issuer="https://idp.example", subject="alice", scope=["profile"], expires_at=ends,
            jwk=hydra.JsonWebKey(**public, kid="k1", use="sig", alg="RS256"))
        made = self.admin.trust_o_auth2_jwt_grant_issuer(trust)
        self.assertEqual((made.issuer, made.subject, made.scope), ("https://idp.example", "alice", ["profile"]))
        self.assertEqual((made.public_key.kid, made.public_key.set), ("k1", "https://idp.example"))
        self.refused(409, self.admin.trust_o_auth2_jwt_grant_issuer, trust)
        self.assertEqual(self.admin.get_trusted_o_auth2_jwt_grant_issuer(made.id).id, made.id)
        listed = self.admin.list_trusted_o_auth2_jwt_grant_issuers(issuer="https://idp.example")
        self.assertEqual([one.id for one in listed], [made.id])
        self.assertIsNone(self.admin.delete_trusted_o_auth2_jwt_grant_issuer(made.id))
        self.refused(404, self.admin.get_trusted_o_auth2_jwt_grant_issuer, made.id)

    # -- what is left ----------------------------------------------------------------------------------------------

    def test_operations(self):
        metadata = self.api(hydra.MetadataApi)
        self.assertTrue(metadata.get_version().version)
        self.assertEqual((metadata.is_alive().status, metadata.is_ready().status), ("ok", "ok"))
        self.assertEqual(self.api(hydra.MetadataApi, self.server.issuer).is_ready().status, "ok")

    def test_discovery(self):
        # The SDK wants an endpoint of the device flow, which is not advertised because it is not there.
        with self.assertRaises(ValidationError) as raised:
            self.api(hydra.OidcApi, self.server.issuer).discover_oidc_configuration()
        missing = [(error["type"], error["loc"]) for error in raised.exception.errors()]
        self.assertEqual(missing, [("string_type", ("device_authorization_endpoint",))])

    def test_browser_operations(self):
        self.refused(400, self.public.o_auth2_authorize)
        self.assertIsNone(self.api(hydra.OidcApi, self.server.issuer).revoke_oidc_session())

    def test_what_is_absent_says_so(self):
        oidc = self.api(hydra.OidcApi, self.server.issuer)
        for call, arguments in [
            (self.admin.accept_user_code_request, ["x"]),
            (self.public.o_auth2_device_flow, []),
            (self.public.perform_o_auth2_device_verification_flow, []),
            (oidc.create_verifiable_credential, []),
        ]:
            self.assertEqual(self.refused(404, call, *arguments)["error"], "not_found")
        self.assertLessEqual(ABSENT, self.called)


if __name__ == "__main__":
    main()
