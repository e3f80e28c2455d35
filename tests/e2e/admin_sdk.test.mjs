// Every method of Ory's SDK for Hydra (npm @ory/hydra-client), called once at least.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Configuration, JwkApi, MetadataApi, OAuth2Api, OidcApi, WellknownApi } from '@ory/hydra-client';
import * as jose from 'jose';
import { Browser, serve } from './hydrant.mjs';

const CALLBACK = 'http://127.0.0.1:5997/callback';
const APP = 'http://127.0.0.1:5996';
const SECRET = 'a secret that the operator chose';
const CLASSES = [JwkApi, MetadataApi, OAuth2Api, OidcApi, WellknownApi];
/** Of the device flow and of verifiable credentials, which are not there. */
const ABSENT = ['acceptUserCodeRequest', 'createVerifiableCredential', 'oAuth2DeviceFlow', 'performOAuth2DeviceVerificationFlow'];

const methods = (kind) => Object.getOwnPropertyNames(kind.prototype).filter((name) => name !== 'constructor');
const all = new Set(CLASSES.flatMap(methods));
const called = new Set();

const recorded = (api) => new Proxy(api, {
  get(target, name) {
    if (all.has(name)) called.add(name);
    return typeof target[name] === 'function' ? target[name].bind(target) : target[name];
  },
});

let server, admin;

const api = (kind, basePath, more = {}) => recorded(new kind(new Configuration({ basePath, ...more })));
const status = (promise) => promise.then((answer) => answer.status, (error) => error.response.status);

before(async () => {
  server = await serve({
    urls: Object.fromEntries(['login', 'consent', 'logout'].map((name) => [name, `${APP}/${name}`])),
    oidc: { dynamic_client_registration: { enabled: true } },
  });
  admin = api(OAuth2Api, server.admin);
});

after(async () => {
  await server?.stop();
  assert.deepEqual([...all].filter((name) => !called.has(name)), [], 'methods that were never called');
});

const client = async (more) => (await admin.createOAuth2Client({
  oAuth2Client: {
    redirect_uris: [CALLBACK], scope: 'openid offline', grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'], client_secret: SECRET, ...more,
  },
})).data;

test('clients', async () => {
  const made = await client({ client_id: 'chosen', owner: 'team-a' });
  assert.deepEqual([made.client_id, made.client_secret], ['chosen', SECRET]);
  const { data: found } = await admin.getOAuth2Client({ id: 'chosen' });
  assert.equal((await admin.setOAuth2Client({ id: 'chosen', oAuth2Client: { ...found, client_name: 'Renamed' } })).data.client_name, 'Renamed');
  const jsonPatch = [{ op: 'replace', path: '/owner', value: 'team-b' }];
  assert.equal((await admin.patchOAuth2Client({ id: 'chosen', jsonPatch })).data.owner, 'team-b');
  const lifespans = { client_credentials_grant_access_token_lifespan: '90m' };
  const long = await admin.setOAuth2ClientLifespans({ id: 'chosen', oAuth2ClientTokenLifespans: lifespans });
  assert.equal(long.data.client_credentials_grant_access_token_lifespan, '1h30m0s');
  assert.deepEqual((await admin.listOAuth2Clients({ owner: 'team-b' })).data.map((one) => one.client_id), ['chosen']);
  assert.equal((await admin.deleteOAuth2Token({ clientId: 'chosen' })).status, 204);
  assert.equal((await admin.deleteOAuth2Client({ id: 'chosen' })).status, 204);
  assert.equal(await status(admin.getOAuth2Client({ id: 'chosen' })), 404);
});

test('registration', async () => {
  const oidc = api(OidcApi, server.issuer);
  const { data: made } = await oidc.createOidcDynamicClient({ oAuth2Client: { redirect_uris: ['https://rp.example/cb'] } });
  const mine = (token) => api(OidcApi, server.issuer, { accessToken: token });
  const { data: found } = await mine(made.registration_access_token).getOidcDynamicClient({ id: made.client_id });
  const { data: changed } = await mine(made.registration_access_token).setOidcDynamicClient({ id: made.client_id, oAuth2Client: { ...found, client_name: 'Self' } });
  assert.equal(changed.client_name, 'Self');
  assert.equal((await mine(changed.registration_access_token).deleteOidcDynamicClient({ id: made.client_id })).status, 204);
});

test('login, consent, tokens, sessions and logout', async () => {
  const { client_id } = await client();
  const browser = new Browser();
  const begin = async () => {
    const query = new URLSearchParams({
      client_id, response_type: 'code', redirect_uri: CALLBACK, scope: 'openid offline', state: 'a-state', nonce: 'a-nonce-of-this',
    });
    return (await browser.go(`${server.issuer}/oauth2/auth?${query}`, `${APP}/login`)).searchParams.get('login_challenge');
  };
  const no = { error: 'access_denied', error_description: 'They said no' };
  const refused = await admin.rejectOAuth2LoginRequest({ loginChallenge: await begin(), rejectOAuth2Request: no });
  assert.equal((await browser.go(refused.data.redirect_to, CALLBACK)).searchParams.get('error'), 'access_denied');

  const signIn = async () => {
    const loginChallenge = await begin();
    assert.equal((await admin.getOAuth2LoginRequest({ loginChallenge })).data.client.client_id, client_id);
    const accepted = await admin.acceptOAuth2LoginRequest({ loginChallenge, acceptOAuth2LoginRequest: { subject: 'alice', remember: true } });
    return (await browser.go(accepted.data.redirect_to, `${APP}/consent`)).searchParams.get('consent_challenge');
  };
  const denied = await admin.rejectOAuth2ConsentRequest({ consentChallenge: await signIn(), rejectOAuth2Request: no });
  assert.equal((await browser.go(denied.data.redirect_to, CALLBACK)).searchParams.get('error_description'), 'They said no');
  const consentChallenge = await signIn();
  const { data: asked } = await admin.getOAuth2ConsentRequest({ consentChallenge });
  const accepted = await admin.acceptOAuth2ConsentRequest({ consentChallenge, acceptOAuth2ConsentRequest: { grant_scope: asked.requested_scope } });
  const code = (await browser.go(accepted.data.redirect_to, CALLBACK)).searchParams.get('code');

  const mine = api(OAuth2Api, server.issuer, { username: client_id, password: SECRET });
  const { data: tokens } = await mine.oauth2TokenExchange({ grantType: 'authorization_code', code, redirectUri: CALLBACK });
  assert.equal((await admin.introspectOAuth2Token({ token: tokens.access_token })).data.sub, 'alice');
  assert.equal((await api(OidcApi, server.issuer, { accessToken: tokens.access_token }).getOidcUserInfo()).data.sub, 'alice');
  const logout = new URLSearchParams({ id_token_hint: tokens.id_token });
  const url = await browser.go(`${server.issuer}/oauth2/sessions/logout?${logout}`, `${APP}/logout`);
  const logoutChallenge = url.searchParams.get('logout_challenge');
  assert.equal((await admin.getOAuth2LogoutRequest({ logoutChallenge })).data.subject, 'alice');
  assert.equal((await admin.rejectOAuth2LogoutRequest({ logoutChallenge })).status, 204);
  assert.ok((await admin.acceptOAuth2LogoutRequest({ logoutChallenge })).data.redirect_to.startsWith(server.issuer));

  assert.equal((await admin.listOAuth2ConsentSessions({ subject: 'alice' })).data.length, 1);
  assert.equal((await admin.revokeOAuth2ConsentSessions({ subject: 'alice', all: true })).status, 204);
  assert.equal((await admin.introspectOAuth2Token({ token: tokens.access_token })).data.active, false);
  assert.equal((await admin.revokeOAuth2LoginSessions({ subject: 'alice' })).status, 204);
  assert.equal((await mine.revokeOAuth2Token({ token: tokens.refresh_token })).status, 200);
});

test('keys', async () => {
  const keys = api(JwkApi, server.admin);
  const make = (kid, alg) => keys.createJsonWebKeySet({ set: 'team', createJsonWebKeySet: { alg, use: 'sig', kid } });
  assert.equal((await make('first', 'ES256')).data.keys[0].kid, 'first');
  assert.equal(await status(make('first', 'ES256')), 409);
  const pair = await jose.generateKeyPair('ES256', { extractable: true });
  const mine = { ...await jose.exportJWK(pair.privateKey), kid: 'mine', alg: 'ES256', use: 'sig' };
  assert.equal((await keys.setJsonWebKey({ set: 'team', kid: 'mine', jsonWebKey: mine })).data.kid, 'mine');
  const [shown] = (await keys.getJsonWebKey({ set: 'team', kid: 'mine' })).data.keys;
  assert.deepEqual([shown.x, shown.d], [mine.x, undefined], 'nothing private comes out');
  assert.equal((await keys.setJsonWebKeySet({ set: 'team', jsonWebKeySet: { keys: [mine] } })).data.keys.length, 1);
  assert.equal((await keys.getJsonWebKeySet({ set: 'team' })).data.keys.length, 1);
  assert.equal((await keys.deleteJsonWebKey({ set: 'team', kid: 'mine' })).status, 204);
  await make('last', 'RS256');
  assert.equal((await keys.deleteJsonWebKeySet({ set: 'team' })).status, 204);
  assert.ok((await api(WellknownApi, server.issuer).discoverJsonWebKeys()).data.keys.length > 0);
});

test('trusted issuers, and a token for an assertion of one', async () => {
  const pair = await jose.generateKeyPair('ES256', { extractable: true });
  const jwk = { ...await jose.exportJWK(pair.publicKey), kid: 'k1', alg: 'ES256', use: 'sig' };
  const trust = { issuer: 'https://idp.example', subject: 'alice', scope: ['openid'], expires_at: new Date(Date.now() + 86_400_000).toISOString(), jwk };
  const { data: made } = await admin.trustOAuth2JwtGrantIssuer({ trustOAuth2JwtGrantIssuer: trust });
  assert.deepEqual([made.issuer, made.public_key.kid], ['https://idp.example', 'k1']);
  assert.equal((await admin.getTrustedOAuth2JwtGrantIssuer({ id: made.id })).data.id, made.id);
  assert.equal((await admin.listTrustedOAuth2JwtGrantIssuers({ issuer: trust.issuer })).data.length, 1);
  const { client_id } = await client({ grant_types: ['urn:ietf:params:oauth:grant-type:jwt-bearer'], response_types: [] });
  const assertion = await new jose.SignJWT({ jti: 'once' }).setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer(trust.issuer).setSubject('alice').setAudience(server.issuer).setIssuedAt().setExpirationTime('5m').sign(pair.privateKey);
  const ask = () => fetch(`${server.issuer}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client_id}:${encodeURIComponent(SECRET)}`)}` },
    body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }),
  });
  const answer = await (await ask()).json();
  assert.equal((await admin.introspectOAuth2Token({ token: answer.access_token })).data.sub, 'alice');
  assert.equal((await ask()).status, 400, 'an assertion is good for one token');
  assert.equal((await admin.deleteTrustedOAuth2JwtGrantIssuer({ id: made.id })).status, 204);
});

test('operations, discovery, and what is not there', async () => {
  const metadata = api(MetadataApi, server.admin);
  assert.ok((await metadata.getVersion()).data.version);
  assert.deepEqual([(await metadata.isAlive()).data, (await metadata.isReady()).data], [{ status: 'ok' }, { status: 'ok' }]);
  const oidc = api(OidcApi, server.issuer);
  assert.equal((await oidc.discoverOidcConfiguration()).data.issuer, server.issuer);
  assert.equal((await oidc.revokeOidcSession()).status, 200);
  const open = api(OAuth2Api, server.issuer);
  assert.equal(await status(open.oAuth2Authorize()), 400);
  for (const name of ABSENT) {
    const [of, arguments_] = name === 'createVerifiableCredential' ? [oidc, {}] : name === 'acceptUserCodeRequest' ? [admin, { deviceChallenge: 'x' }] : [open, {}];
    assert.equal(await status(of[name](arguments_)), 404, name);
  }
});
