// Every algorithm that discovery names, called: what the server signs and encrypts is read by npm jose, and what npm jose
// makes is given to the server. A name that is not in the tables here is a failure.

import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import * as jose from 'jose';
import { Browser, serve } from './hydrant.mjs';
import { RESPONSE_TYPES, fresh, jwks, keyPair, relyingParty } from './relying_party.mjs';

const SCOPE = 'openid profile';
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** With what an algorithm signs (a key pair, the client's secret, nothing), and its hash, for at_hash and c_hash. */
const SIGNATURES = {
  RS256: ['pair', 'sha256'], RS384: ['pair', 'sha384'], RS512: ['pair', 'sha512'],
  PS256: ['pair', 'sha256'], PS384: ['pair', 'sha384'], PS512: ['pair', 'sha512'],
  ES256: ['pair', 'sha256'], ES384: ['pair', 'sha384'], ES512: ['pair', 'sha512'],
  EdDSA: ['pair', 'sha512'],
  HS256: ['secret', 'sha256'], HS384: ['secret', 'sha384'], HS512: ['secret', 'sha512'],
  none: ['nothing'],
};

/** The curves on which an algorithm of key agreement is tried. */
const KEY_MANAGEMENT = {
  'RSA-OAEP': [undefined], 'RSA-OAEP-256': [undefined],
  'ECDH-ES': ['P-256', 'P-384', 'P-521', 'X25519'],
  'ECDH-ES+A128KW': ['P-256', 'X25519'], 'ECDH-ES+A256KW': ['P-384', 'X25519'],
};
const CONTENT_ENCRYPTION = ['A128CBC-HS256', 'A256CBC-HS512', 'A128GCM', 'A256GCM'];

let rp, server, browser, metadata, keys;

const discovery = async ({ issuer }) => (await fetch(`${issuer}/.well-known/openid-configuration`)).json();

before(async () => {
  rp = await relyingParty();
  // What is offered unasked, whatever it is, and `none`, which is offered only if asked for.
  const unasked = await serve();
  const { id_token_signing_alg_values_supported: algs } = await discovery(unasked);
  await unasked.stop();
  server = await serve({
    oauth2: { response_types: RESPONSE_TYPES },
    oidc: { id_token: { signing_algs: [...algs, 'none'] }, request_objects: { unsigned: true } },
    strategies: { access_token: 'jwt' },
  });
  metadata = await discovery(server);
  keys = jose.createRemoteJWKSet(new URL(metadata.jwks_uri), { cooldownDuration: 0, cacheMaxAge: 0 });
  browser = new Browser();
  const { url } = await request(await register());
  await browser.go(url, rp.callback, { login: { ...server.answers().login, remember: true } });
});

after(async () => {
  await rp?.stop();
  await server?.stop();
});

/** The values of a list of discovery, each of which must be in the table. */
function named(list, table) {
  const values = metadata[list];
  assert.ok(values?.length, `discovery has no ${list}`);
  const known = Array.isArray(table) ? table : Object.keys(table);
  assert.deepEqual(values.filter((value) => !known.includes(value)), [], `${list} names what is not tested here`);
  assert.equal(new Set(values).size, values.length, list);
  return values;
}

/** Every pair of the two lists, and for key agreement every curve. */
const encryptions = (kind) => named(`${kind}_encryption_alg_values_supported`, KEY_MANAGEMENT).flatMap((alg) =>
  named(`${kind}_encryption_enc_values_supported`, CONTENT_ENCRYPTION).map((enc) => ({ alg, enc })));

const register = (more = {}) => server.registerByApi({
  redirect_uris: [rp.callback], scope: SCOPE, skip_consent: true, grant_types: ['authorization_code', 'implicit'],
  response_types: ['code'], token_endpoint_auth_method: 'client_secret_post', ...more,
});

async function request({ client_id }, more = {}) {
  const { checks, parameters } = await fresh();
  const all = { client_id, redirect_uri: rp.callback, scope: SCOPE, response_type: 'code', ...parameters, ...more };
  return { url: `${metadata.authorization_endpoint}?${new URLSearchParams(all)}`, checks };
}

async function post(endpoint, fields) {
  const answer = await fetch(metadata[endpoint], { method: 'POST', body: new URLSearchParams(fields) });
  const body = await answer.text();
  return { status: answer.status, body: body && JSON.parse(body) };
}

/** What the authorization endpoint gives somebody who is signed in, by name. */
async function authorize(url) {
  const answer = await browser.go(url, rp.callback);
  const given = Object.fromEntries(new URLSearchParams(answer.hash.slice(1) || answer.search));
  assert.equal(given.error, undefined, answer.href);
  return given;
}

/** The code flow of a client that has a secret. */
async function signIn(client, more) {
  const { url, checks } = await request(client, more);
  const { code } = await authorize(url);
  const tokens = await post('token_endpoint', {
    grant_type: 'authorization_code', code, redirect_uri: rp.callback, code_verifier: checks.pkceCodeVerifier,
    client_id: client.client_id, client_secret: client.client_secret,
  });
  assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
  return { ...tokens.body, checks };
}

async function userinfo({ access_token }) {
  const answer = await fetch(metadata.userinfo_endpoint, { headers: { authorization: `Bearer ${access_token}` } });
  assert.equal(answer.status, 200);
  return { type: answer.headers.get('content-type').split(';')[0], body: await answer.text() };
}

const secretKey = ({ client_secret }) => new TextEncoder().encode(client_secret);

/** The claims of what the server has signed for the client by `alg`, and by nothing else. */
async function verified(token, alg, client) {
  const expected = { issuer: server.issuer, audience: client.client_id };
  switch (SIGNATURES[alg][0]) {
    case 'nothing': return jose.UnsecuredJWT.decode(token, expected).payload;
    case 'secret': return (await jose.jwtVerify(token, secretKey(client), { ...expected, algorithms: [alg] })).payload;
    default: {
      assert.ok(jose.decodeProtectedHeader(token).kid, 'a kid');
      return (await jose.jwtVerify(token, keys, { ...expected, algorithms: [alg] })).payload;
    }
  }
}

/** OpenID Connect Core section 3.1.3.6: half of the hash, in base64url. */
function halfHash(alg, value) {
  const hash = createHash(SIGNATURES[alg][1]).update(value).digest();
  return hash.subarray(0, hash.length / 2).toString('base64url');
}

/** `claims` signed by `alg`, with the client's key or secret. */
async function sign(alg, claims, { client, pair, typ }) {
  const [how] = SIGNATURES[alg];
  if (how === 'nothing') return new jose.UnsecuredJWT(claims).encode();
  const jwt = new jose.SignJWT(claims).setProtectedHeader({ alg, typ, ...(how === 'pair' && { kid: pair.kid }) });
  return jwt.sign(how === 'pair' ? pair.privateKey : secretKey(client));
}

/** What a client has not registered: a stranger's key under the name of its own, or its secret by another algorithm. */
async function foreign(alg, pair) {
  if (!pair) return [alg === 'HS256' ? 'HS384' : 'HS256'];
  return [alg, { ...(await keyPair(alg, { another: 'stranger' })), kid: pair.kid }];
}

test('the key set publishes sound keys for each use', async () => {
  const { keys: published } = await (await fetch(metadata.jwks_uri)).json();
  assert.equal(new Set(published.map(({ kid }) => kid)).size, published.length);
  for (const jwk of published) {
    assert.ok(['sig', 'enc'].includes(jwk.use) && jwk.kid && jwk.alg, JSON.stringify(jwk));
    assert.equal((await jose.importJWK(jwk, jwk.alg)).type, 'public');
  }
});

test('ID tokens and userinfo, by every signature', async (t) => {
  const forUserinfo = named('userinfo_signing_alg_values_supported', SIGNATURES);
  const algs = new Set([...named('id_token_signing_alg_values_supported', SIGNATURES), ...forUserinfo]);
  assert.ok(algs.has('RS256'));
  for (const alg of algs) {
    await t.test(alg, async () => {
      const client = await register({ id_token_signed_response_alg: alg, userinfo_signed_response_alg: alg });
      const tokens = await signIn(client);
      assert.equal(jose.decodeProtectedHeader(tokens.id_token).alg, alg);
      const claims = await verified(tokens.id_token, alg, client);
      assert.equal(claims.nonce, tokens.checks.expectedNonce);
      if (alg !== 'none') assert.equal(claims.at_hash, halfHash(alg, tokens.access_token));

      const { type, body } = await userinfo(tokens);
      assert.equal(type, alg === 'none' ? 'application/json' : 'application/jwt');
      const about = alg === 'none' ? JSON.parse(body) : await verified(body, alg, client);
      assert.deepEqual([about.sub, about.name], [claims.sub, server.user.name]);
    });
  }
});

test('every response type gives what it says, tied together by hashes', async (t) => {
  for (const response_type of named('response_types_supported', RESPONSE_TYPES)) {
    for (const alg of ['RS256', 'ES384', 'EdDSA', 'HS512']) {
      if (!response_type.includes('id_token') && alg !== 'RS256') continue;
      await t.test(`${response_type}, ${alg}`, async () => {
        const client = await register({ response_types: [response_type], id_token_signed_response_alg: alg });
        const { url, checks } = await request(client, { response_type });
        const given = await authorize(url);
        const words = response_type.split(' ');
        assert.equal(given.state, checks.expectedState);
        assert.equal('code' in given, words.includes('code'));
        assert.equal('access_token' in given, words.includes('token'));
        assert.equal('id_token' in given, words.includes('id_token'));
        if (!given.id_token) return;
        const claims = await verified(given.id_token, alg, client);
        assert.equal(claims.nonce, checks.expectedNonce);
        assert.equal(claims.c_hash, given.code && halfHash(alg, given.code));
        assert.equal(claims.at_hash, given.access_token && halfHash(alg, given.access_token));
      });
    }
  }
});

test('ID tokens and userinfo, by every encryption', async (t) => {
  assert.deepEqual(encryptions('userinfo'), encryptions('id_token'), 'one test for both');
  for (const { alg, enc } of encryptions('id_token')) {
    await t.test(`${alg}, ${enc}`, async () => {
      for (const crv of KEY_MANAGEMENT[alg]) {
        const pair = await keyPair(alg, { crv });
        const client = await register({
          jwks: jwks(pair), id_token_signed_response_alg: 'ES256',
          id_token_encrypted_response_alg: alg, id_token_encrypted_response_enc: enc, userinfo_signed_response_alg: 'ES256',
          userinfo_encrypted_response_alg: alg, userinfo_encrypted_response_enc: enc,
        });
        const only = { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] };
        const opened = async (token) => {
          const { plaintext, protectedHeader } = await jose.compactDecrypt(token, pair.privateKey, only);
          assert.deepEqual([protectedHeader.kid, protectedHeader.cty], [pair.kid, 'JWT']);
          return verified(new TextDecoder().decode(plaintext), 'ES256', client);
        };
        const tokens = await signIn(client);
        const { sub } = await opened(tokens.id_token);
        const { type, body } = await userinfo(tokens);
        assert.equal(type, 'application/jwt');
        const about = await opened(body);
        assert.deepEqual([about.sub, about.name], [sub, server.user.name]);
      }
    });
  }
});

test('JWT access tokens are those of RFC 9068', async () => {
  const audience = 'https://api.example';
  const client = await register({ grant_types: ['authorization_code', 'client_credentials'], audience: [audience] });
  const { access_token, id_token } = await signIn(client, { audience });
  const { payload } = await jose.jwtVerify(access_token, keys, {
    issuer: server.issuer, audience, typ: 'at+jwt', algorithms: ['RS256'],
    requiredClaims: ['exp', 'iat', 'jti', 'sub', 'client_id'],
  });
  assert.deepEqual([payload.client_id, payload.scope, payload.sub], [client.client_id, SCOPE, jose.decodeJwt(id_token).sub]);
  // Neither is taken for the other.
  await assert.rejects(jose.jwtVerify(id_token, keys, { typ: 'at+jwt' }), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED' });
  const robot = await post('token_endpoint', {
    grant_type: 'client_credentials', client_id: client.client_id, client_secret: client.client_secret,
  });
  const its = await jose.jwtVerify(robot.body.access_token, keys, { issuer: server.issuer, typ: 'at+jwt' });
  assert.equal(its.payload.sub, client.client_id);
});

test('client assertions, by every signature, at every endpoint', async (t) => {
  const algs = named('token_endpoint_auth_signing_alg_values_supported', SIGNATURES);
  for (const endpoint of ['introspection', 'revocation']) {
    assert.deepEqual(named(`${endpoint}_endpoint_auth_signing_alg_values_supported`, SIGNATURES), algs);
  }
  for (const alg of algs) {
    await t.test(alg, async () => {
      const isPair = SIGNATURES[alg][0] === 'pair';
      const pair = isPair ? await keyPair(alg) : undefined;
      const client = await register({
        token_endpoint_auth_method: isPair ? 'private_key_jwt' : 'client_secret_jwt', token_endpoint_auth_signing_alg: alg,
        grant_types: ['client_credentials'], response_types: [], ...(isPair && { jwks: jwks(pair) }),
      });
      const assertion = async (more, by = alg, key = pair) => {
        const now = Math.floor(Date.now() / 1000);
        const claims = {
          iss: client.client_id, sub: client.client_id, aud: server.issuer, jti: randomUUID(), exp: now + 60, ...more,
        };
        return { client_assertion_type: ASSERTION_TYPE, client_assertion: await sign(by, claims, { client, pair: key }) };
      };
      const granted = await post('token_endpoint', { grant_type: 'client_credentials', ...(await assertion()) });
      assert.equal(granted.status, 200, JSON.stringify(granted.body));
      const token = granted.body.access_token;
      const isActive = async () => (await post('introspection_endpoint', { token, ...(await assertion()) })).body.active;
      assert.equal(await isActive(), true);
      assert.equal((await post('revocation_endpoint', { token, ...(await assertion()) })).status, 200);
      assert.equal(await isActive(), false);

      for (const bad of [
        await assertion({}, 'none'), await assertion({}, ...(await foreign(alg, pair))),
        await assertion({ aud: 'https://other.example' }),
      ]) {
        const refused = await post('token_endpoint', { grant_type: 'client_credentials', ...bad });
        assert.deepEqual([refused.status, refused.body.error], [401, 'invalid_client']);
      }
    });
  }
});

/** The claims of a client's request object; everything is in it. */
async function requested({ client_id }) {
  const now = Math.floor(Date.now() / 1000);
  const { parameters } = await fresh();
  return {
    iss: client_id, aud: server.issuer, iat: now, nbf: now, exp: now + 60, client_id, redirect_uri: rp.callback,
    response_type: 'code', scope: SCOPE, ...parameters,
  };
}

const byObject = ({ client_id }, object) =>
  `${metadata.authorization_endpoint}?${new URLSearchParams({ client_id, response_type: 'code', request: object })}`;

async function isRefused(client, object) {
  const answer = await fetch(byObject(client, object), { redirect: 'manual' });
  assert.equal(answer.status, 400);
  assert.match(await answer.text(), /invalid_request_object/);
}

test('request objects, by every signature', async (t) => {
  const algs = named('request_object_signing_alg_values_supported', SIGNATURES);
  for (const alg of algs) {
    await t.test(alg, async () => {
      const pair = SIGNATURES[alg][0] === 'pair' ? await keyPair(alg) : undefined;
      const client = await register({ request_object_signing_alg: alg, ...(pair && { jwks: jwks(pair) }) });
      const claims = await requested(client);
      const typ = 'oauth-authz-req+jwt';
      const given = await authorize(byObject(client, await sign(alg, claims, { client, pair, typ })));
      assert.ok(given.code);
      assert.equal(given.state, claims.state, 'what counts is in the object');
      const [by, key] = await foreign(alg, pair);
      await isRefused(client, await sign(by, claims, { client, pair: key, typ }));
      if (alg !== 'none') await isRefused(client, await sign('none', claims, { client, typ }));
    });
  }
});

test('request objects, by every encryption', async (t) => {
  for (const { alg, enc } of encryptions('request_object')) {
    await t.test(`${alg}, ${enc}`, async () => {
      const pair = await keyPair('ES256');
      const client = await register({
        jwks: jwks(pair), request_object_signing_alg: 'ES256',
        request_object_encryption_alg: alg, request_object_encryption_enc: enc,
      });
      const { keys: published } = await (await fetch(metadata.jwks_uri)).json();
      const jwk = published.find((one) => one.use === 'enc' && one.alg === alg);
      assert.ok(jwk, `the key set has no key to encrypt to by ${alg}`);
      const key = await jose.importJWK(jwk, alg);
      const encrypt = (inner) => new jose.CompactEncrypt(new TextEncoder().encode(inner))
        .setProtectedHeader({ alg, enc, kid: jwk.kid, cty: 'oauth-authz-req+jwt' }).encrypt(key);
      const claims = await requested(client);
      const signed = await sign('ES256', claims, { client, pair, typ: 'oauth-authz-req+jwt' });
      const given = await authorize(byObject(client, await encrypt(signed)));
      assert.ok(given.code);
      assert.equal(given.state, claims.state);
      // Encryption vouches for nobody.
      const stranger = await keyPair('ES256', { another: 'stranger' });
      await isRefused(client, await encrypt(await sign('ES256', claims, { client, pair: { ...stranger, kid: pair.kid } })));
    });
  }
});
