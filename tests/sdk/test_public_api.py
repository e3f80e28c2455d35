"""The eleven operations of seed.md, called by the SDK that it documents (PyPI ory-client 0.2.0a48).

The SDK's own parser is the judge: a null, a number that is no integer or an empty scope raises ApiTypeError.
"""

import datetime
import unittest

import ory_client
from ory_client.api.public_api import PublicApi
from ory_client.model.o_auth2_client import OAuth2Client
from ory_client.model.oauth2_token_response import Oauth2TokenResponse
from ory_client.model.string_slice_pipe_delimiter import StringSlicePipeDelimiter as Words
from ory_client.model.userinfo_response import UserinfoResponse
from ory_client.model.well_known import WellKnown

from recorder import Recorder, main
from server import Server

CALLBACK = "http://127.0.0.1:5999/callback"
SCOPE = "openid offline_access profile email"
ALL = {
    "disconnect_user", "discover_open_id_configuration", "dynamic_client_registration_create_o_auth2_client",
    "dynamic_client_registration_delete_o_auth2_client", "dynamic_client_registration_get_o_auth2_client",
    "dynamic_client_registration_update_o_auth2_client", "oauth2_token", "oauth_auth", "revoke_o_auth2_token",
    "userinfo", "well_known",
}


class PublicApiTest(unittest.TestCase):
    called = set()

    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        status, log = cls.server.stop()
        assert status == 0, f"SIGTERM ended it with {status}:\n{log}"
        assert cls.called == ALL, f"never called: {ALL - cls.called}"

    def api(self, authorization=None, **credentials):
        configuration = ory_client.Configuration(host=self.server.issuer, **credentials)
        client = ory_client.ApiClient(configuration)
        self.addCleanup(client.close)
        if authorization:
            client.set_default_header("Authorization", authorization)
        return Recorder(PublicApi(client), self.called)

    def register(self, **more):
        client = OAuth2Client(
            client_name="SDK", redirect_uris=Words([CALLBACK]), scope=SCOPE,
            grant_types=Words(["authorization_code", "refresh_token"]), response_types=Words(["code"]),
            token_endpoint_auth_method="client_secret_basic", contacts=Words(["sdk@example.com"]), **more)
        return self.api().dynamic_client_registration_create_o_auth2_client(client)

    def refused(self, status, call, *arguments):
        with self.assertRaises(ory_client.ApiException) as raised:
            call(*arguments)
        self.assertEqual(raised.exception.status, status, raised.exception.body)
        self.assertIn('"error"', raised.exception.body)

    def test_discovery(self):
        document = self.api().discover_open_id_configuration()
        self.assertIsInstance(document, WellKnown)
        self.assertEqual(document.issuer, self.server.issuer)
        self.assertEqual(document.registration_endpoint, f"{self.server.issuer}/connect/register")
        self.assertIn("RS256", document.id_token_signing_alg_values_supported)

    def test_json_web_keys(self):
        keys = self.api().well_known().keys
        self.assertTrue(keys)
        for key in keys:
            self.assertTrue(key.alg and key.kid and key.kty and key.use)

    def test_registration_from_its_beginning_to_its_end(self):
        created = self.register()
        self.assertIsInstance(created, OAuth2Client)
        self.assertTrue(created.client_id and created.client_secret and created.registration_access_token)
        self.assertEqual(created.client_secret_expires_at, 0)
        self.assertIsInstance(created.created_at, datetime.datetime)
        self.assertEqual(created.scope, SCOPE)

        mine = self.api(f"Bearer {created.registration_access_token}")
        found = mine.dynamic_client_registration_get_o_auth2_client(created.client_id)
        self.assertEqual((found.client_id, found.contacts), (created.client_id, created.contacts))
        self.assertNotIn("client_secret", found)

        found.client_name = "SDK, renamed"
        found.client_secret = "a secret that the client chose"
        updated = mine.dynamic_client_registration_update_o_auth2_client(created.client_id, found)
        self.assertEqual(updated.client_name, "SDK, renamed")
        self.assertEqual(updated.client_secret, "a secret that the client chose")
        self.assertNotEqual(updated.registration_access_token, created.registration_access_token)
        self.refused(401, mine.dynamic_client_registration_get_o_auth2_client, created.client_id)
        self.refused(401, self.api().dynamic_client_registration_get_o_auth2_client, created.client_id)

        again = self.api(f"Bearer {updated.registration_access_token}")
        found.client_secret = "weak"
        self.refused(400, again.dynamic_client_registration_update_o_auth2_client, created.client_id, found)
        self.assertIsNone(again.dynamic_client_registration_delete_o_auth2_client(created.client_id))
        self.refused(401, again.dynamic_client_registration_get_o_auth2_client, created.client_id)

    def test_a_registration_is_managed_with_the_clients_own_credentials(self):
        created = self.register()
        basic = ory_client.Configuration(username=created.client_id, password=created.client_secret)
        mine = self.api(basic.get_basic_auth_token())
        found = mine.dynamic_client_registration_get_o_auth2_client(created.client_id)
        found.client_name = "By Basic"
        updated = mine.dynamic_client_registration_update_o_auth2_client(created.client_id, found)
        self.assertEqual(updated.client_name, "By Basic")
        self.assertIsNone(mine.dynamic_client_registration_delete_o_auth2_client(created.client_id))

    def test_tokens_of_a_person(self):
        client = self.register()
        api = self.api(username=client.client_id, password=client.client_secret)
        code = self.server.code(client.client_id, CALLBACK, SCOPE)
        tokens = api.oauth2_token("authorization_code", code=code, redirect_uri=CALLBACK)
        self.assertIsInstance(tokens, Oauth2TokenResponse)
        self.assertTrue(tokens.access_token and tokens.refresh_token and tokens.id_token)
        self.assertIsInstance(tokens.expires_in, int)

        person = self.api(access_token=tokens.access_token).userinfo()
        self.assertIsInstance(person, UserinfoResponse)
        self.assertEqual((person.name, person.email_verified), ("Alice Adams", True))
        self.assertEqual(person.updated_at, 1700000000)
        self.assertEqual(person.email, "alice@example.com")

        fresh = api.oauth2_token("refresh_token", refresh_token=tokens.refresh_token)
        self.assertNotEqual(fresh.refresh_token, tokens.refresh_token)
        self.assertIsNone(api.revoke_o_auth2_token(fresh.refresh_token))
        self.refused(401, self.api(access_token=fresh.access_token).userinfo)
        self.refused(400, api.oauth2_token, "authorization_code")

    def test_browser_operations(self):
        # Without parameters: the one is refused, the other ends at a page.
        self.refused(400, self.api().oauth_auth)
        self.assertIsNone(self.api().disconnect_user())


if __name__ == "__main__":
    main()
