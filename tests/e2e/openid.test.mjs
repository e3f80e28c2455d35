// OpenID Connect in full, by a client library that knows nothing of Hydrant: every flow that openid-client can do, each
// way of client authentication, signed and encrypted answers, request objects, pairwise subjects.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oidc from 'openid-client';
import { Browser, serve } from './hydrant.mjs';
import {
  RESPONSE_TYPES, SCOPE, accept, firstParty, fresh, jwks, keyPair, redeem, refusal, relyingParty,
} from './relying_party.mjs';

const INVALID = { code: 'OAUTH_INVALID_RESPONSE' };
const MISMATCH = { code: 'OAUTH_JWT_CLAIM_COMPARISON_FAILED' };

let rp, server, browser, configured, request;

before(async () => {
  rp = await relyingParty();
  server = await serve({
    oauth2: { response_types: RESPONSE_TYPES },
    oidc: {
      subject_identifiers: { supported_types: ['public', 'pairwise'], pairwise: { salt: 'salt of this test' } },
      dynamic_client_registration: { enabled: true },
    },
    strategies: { jwt: { signing_alg: 'ES256' } },
    clients: { http: { allowed_networks: ['127.0.0.0/8'] } },
  });
  ({ configured, request } = firstParty(server, rp));
  // Who is signed in is asked nothing more.
  browser = new Browser();
  const answers = server.answers();
  answers.login.remember = true;
  const config = await configured();
  await browser.go((await request(config)).url, rp.callback, answers);
});

after(async () => {
  await rp?.stop();
  await server?.stop();
});

/** An answer that the client's server can be given, and what it must be checked against. */
async function authorize(config, more) {
  const { url, checks } = await request(config, more);
  return { answer: await browser.go(url, rp.callback), checks };
}

async function tokensOf(config, more) {
  const { answer, checks } = await authorize(config, more);
  return redeem(config, answer, checks);
}

/** The whole code flow: an ID token and userinfo about Alice. */
async function holdsForAlice(config, more) {
  const tokens = await tokensOf(config, more);
  const { sub } = tokens.claims();
  const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, sub);
  assert.equal(userinfo.name, server.user.name);
  assert.equal(userinfo.email, server.user.email);
  return tokens;
}

const part = (token, at) => JSON.parse(Buffer.from(token.split('.')[at], 'base64url'));
const header = (token) => part(token, 0);
const claimsOf = (token) => part(token, 1);

describe('response types', () => {
  test('code: the ID token is signed by a published key', async () => {
    const config = await configured({}, { execute: [oidc.enableNonRepudiationChecks] });
    const { answer, checks } = await authorize(config);
    assert.equal(answer.hash, '');
    await assert.rejects(redeem(config, answer, { ...checks, expectedState: 'another' }), INVALID);
    const tokens = await redeem(config, answer, checks);
    assert.ok((await oidc.refreshTokenGrant(config, tokens.refresh_token)).claims().sub);
    // What a nonce is for: the token of one sign-in is not taken for that of another.
    const other = await authorize(config);
    const mixed = { ...other.checks, expectedNonce: checks.expectedNonce };
    await assert.rejects(redeem(config, other.answer, mixed), MISMATCH);
  });

  test('id_token: in the fragment, with the claims of the scopes', async () => {
    const config = await configured({}, { execute: [oidc.useIdTokenResponseType] });
    const { answer, checks } = await authorize(config, { scope: 'openid profile email' });
    assert.equal(answer.search, '');
    const claims = await oidc.implicitAuthentication(config, answer, checks.expectedNonce, checks);
    assert.equal(claims.iss, server.issuer);
    assert.equal(claims.name, server.user.name); // there is no userinfo to ask, OpenID Connect Core section 5.4
    assert.equal(claims.email, server.user.email);
    await assert.rejects(oidc.implicitAuthentication(config, answer, 'another nonce', checks), MISMATCH);
    await assert.rejects(oidc.implicitAuthentication(config, answer, checks.expectedNonce, { expectedState: 'x' }), INVALID);
    const forged = new URL(answer);
    forged.hash = forged.hash.replace(/(id_token=[^&]*?)\.[^.&]*(&|$)/, `$1.${'A'.repeat(342)}$2`);
    const forgery = oidc.implicitAuthentication(config, forged, checks.expectedNonce, checks);
    await assert.rejects(forgery, ({ cause }) => /signature/.test(cause.message));
  });

  test('code id_token: both in the fragment, tied together by c_hash', async () => {
    const config = await configured({}, { execute: [oidc.useCodeIdTokenResponseType, oidc.enableNonRepudiationChecks] });
    const { answer, checks } = await authorize(config);
    assert.equal(answer.search, '');
    const front = new URLSearchParams(answer.hash.slice(1));
    const swapped = new URL(answer);
    swapped.hash = String(new URLSearchParams({ ...Object.fromEntries(front), code: 'hyc_another' }));
    await assert.rejects(redeem(config, swapped, checks), ({ cause }) => /c_hash/.test(cause.message));
    const mixed = { ...checks, expectedNonce: 'another' };
    await assert.rejects(redeem(config, answer, mixed), MISMATCH);
    const tokens = await redeem(config, answer, checks);
    assert.equal(claimsOf(front.get('id_token')).sub, tokens.claims().sub);
  });

  test('form_post carries each of them to the server', async () => {
    for (const use of [undefined, oidc.useCodeIdTokenResponseType, oidc.useIdTokenResponseType]) {
      const config = await configured({}, { execute: [use] });
      const { answer, checks } = await authorize(config, { response_mode: 'form_post' });
      assert.deepEqual([answer.method, answer.url], ['POST', rp.callback]);
      await accept(use, config, answer, checks);
    }
  });

  test('a client has only the response types that it has registered', async () => {
    const config = await configured({ response_types: ['code'] });
    const { answer, checks } = await authorize(config, { response_type: 'id_token' });
    const error = new URLSearchParams(answer.hash.slice(1));
    assert.equal(error.get('error'), 'unsupported_response_type');
    assert.equal(error.get('state'), checks.expectedState);
  });
});

describe('client authentication', () => {
  const methods = {
    client_secret_post: (client) => oidc.ClientSecretPost(client.client_secret),
    none: () => oidc.None(),
    client_secret_jwt: (client) => oidc.ClientSecretJwt(client.client_secret),
  };
  for (const [method, auth] of Object.entries(methods)) {
    test(method, async () => {
      await holdsForAlice(await configured({ token_endpoint_auth_method: method }, { auth }));
    });
  }

  test('client_secret_jwt with another secret is refused', async () => {
    const auth = () => oidc.ClientSecretJwt('a secret of nobody, and long enough for HS256');
    const config = await configured({ token_endpoint_auth_method: 'client_secret_jwt' }, { auth });
    assert.deepEqual(await refusal(tokensOf(config)), { error: 'invalid_client', status: 401 });
  });

  for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA']) {
    test(`private_key_jwt by ${alg}, with the keys in the registration`, async () => {
      const pair = await keyPair(alg);
      const metadata = { token_endpoint_auth_method: 'private_key_jwt', jwks: jwks(pair) };
      const config = await configured(metadata, { auth: () => oidc.PrivateKeyJwt(pair) });
      const tokens = await holdsForAlice(config);
      assert.equal((await oidc.tokenIntrospection(config, tokens.access_token)).active, true);
      await oidc.tokenRevocation(config, tokens.refresh_token);
      assert.equal((await oidc.tokenIntrospection(config, tokens.access_token)).active, false);
    });
  }

  test('private_key_jwt with the keys at the client\'s own jwks_uri', async () => {
    const [used, next] = [await keyPair('ES256'), await keyPair('ES256', { another: 'next' })];
    const uri = rp.publish('/jwks.json', jwks(used, next));
    const metadata = { token_endpoint_auth_method: 'private_key_jwt', jwks_uri: uri };
    const configs = [];
    for (const pair of [used, next]) configs.push(await configured(metadata, { auth: () => oidc.PrivateKeyJwt(pair) }));
    rp.visits.length = 0;
    for (const config of configs) await holdsForAlice(config);
    assert.equal(rp.visits.filter(({ url }) => url === uri).length, 1, 'it is fetched, and then remembered');
  });

  test('private_key_jwt with a key of somebody else is refused', async () => {
    const [own, other] = [await keyPair('ES256'), await keyPair('ES256', { another: 'other' })];
    const metadata = { token_endpoint_auth_method: 'private_key_jwt', jwks: jwks(own) };
    for (const pair of [other, { ...other, kid: own.kid }]) {
      const config = await configured(metadata, { auth: () => oidc.PrivateKeyJwt(pair) });
      assert.deepEqual(await refusal(tokensOf(config)), { error: 'invalid_client', status: 401 });
    }
  });

  test('an assertion works once', async () => {
    const pair = await keyPair('ES256');
    const auth = () => oidc.PrivateKeyJwt(pair, {
      [oidc.modifyAssertion]: (_, claims) => { claims.jti = 'the same again'; },
    });
    const metadata = { token_endpoint_auth_method: 'private_key_jwt', jwks: jwks(pair) };
    const config = await configured({ ...metadata, grant_types: ['client_credentials'], response_types: [] }, { auth });
    await oidc.clientCredentialsGrant(config);
    assert.deepEqual(await refusal(oidc.clientCredentialsGrant(config)), { error: 'invalid_client', status: 401 });
  });
});

describe('answers', () => {
  for (const alg of ['ES256', 'PS256', 'EdDSA']) {
    test(`ID token and userinfo signed by ${alg}`, async () => {
      const metadata = { id_token_signed_response_alg: alg, userinfo_signed_response_alg: alg };
      const tokens = await holdsForAlice(await configured(metadata, { execute: [oidc.enableNonRepudiationChecks] }));
      assert.equal(header(tokens.id_token).alg, alg);
    });
  }

  test('ID token signed by HS256, with the client\'s secret', async () => {
    // openid-client trusts the channel here; jose.test.mjs checks the signature.
    const tokens = await holdsForAlice(await configured({ id_token_signed_response_alg: 'HS256' }));
    assert.equal(header(tokens.id_token).alg, 'HS256');
  });

  for (const [alg, enc, crv] of [
    ['RSA-OAEP-256', 'A256GCM'], ['ECDH-ES', 'A128CBC-HS256', 'P-256'], ['ECDH-ES+A256KW', 'A128GCM', 'X25519'],
  ]) {
    test(`ID token and userinfo encrypted by ${alg}, ${enc}`, async () => {
      const pair = await keyPair(alg, { crv });
      const metadata = {
        jwks: jwks(pair),
        id_token_encrypted_response_alg: alg, id_token_encrypted_response_enc: enc,
        userinfo_signed_response_alg: 'RS256', userinfo_encrypted_response_alg: alg, userinfo_encrypted_response_enc: enc,
      };
      const decrypting = (key) => (config) => oidc.enableDecryptingResponses(config, [enc], key);
      const tokens = await holdsForAlice(await configured(metadata, { execute: [decrypting(pair)] }));
      assert.deepEqual([header(tokens.id_token).alg, header(tokens.id_token).enc], [alg, enc]);

      const other = { ...(await keyPair(alg, { crv, another: 'other' })), kid: pair.kid };
      const stranger = await configured(metadata, { execute: [decrypting(other)] });
      await assert.rejects(tokensOf(stranger), { code: 'OAUTH_DECRYPTION_FAILED' });

      for (const use of [oidc.useIdTokenResponseType, oidc.useCodeIdTokenResponseType]) {
        const config = await configured(metadata, { execute: [use, decrypting(pair)] });
        const { answer, checks } = await authorize(config);
        await accept(use, config, answer, checks);
      }
    });
  }

  test('JWT access tokens work as opaque ones do', async () => {
    const config = await configured({ access_token_strategy: 'jwt' });
    const tokens = await holdsForAlice(config);
    assert.deepEqual([header(tokens.access_token).typ, header(tokens.access_token).alg], ['at+jwt', 'ES256']);
    assert.equal((await oidc.tokenIntrospection(config, tokens.access_token)).sub, tokens.claims().sub);
    await oidc.tokenRevocation(config, tokens.access_token);
    assert.equal((await oidc.tokenIntrospection(config, tokens.access_token)).active, false);
  });

  test('pairwise subjects: one a sector, the same each time', async () => {
    const subject = async (metadata) => {
      const config = await configured({ subject_type: 'pairwise', ...metadata });
      const [redirect_uri] = metadata.redirect_uris ?? [rp.callback];
      const { url, checks } = await request(config, { redirect_uri });
      const tokens = await redeem(config, await browser.go(url, redirect_uri), checks);
      const { sub } = tokens.claims();
      assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, sub)).sub, sub);
      assert.equal((await oidc.refreshTokenGrant(config, tokens.refresh_token)).claims().sub, sub);
      return sub;
    };
    const elsewhere = rp.callback.replace('127.0.0.1', 'localhost');
    const sector = rp.publish('/sector.json', [rp.callback, elsewhere]);
    const open = await subject({ subject_type: 'public' });
    const here = await subject({});
    assert.equal(await subject({}), here, 'another client of the same sector');
    const there = await subject({ redirect_uris: [elsewhere] });
    const shared = await subject({ redirect_uris: [elsewhere], sector_identifier_uri: sector });
    assert.equal(shared, here, 'the sector is the host of its list');
    assert.equal(new Set([open, here, there]).size, 3);
  });
});

test('a client that registers itself is as good as another', async () => {
  const pair = await keyPair('ES256');
  const bySecret = { token_endpoint_auth_method: 'client_secret_post' }; // openid-client's own choice
  for (const [more, auth] of [
    [bySecret],
    [{ ...bySecret, userinfo_signed_response_alg: 'ES256', id_token_signed_response_alg: 'ES256' }],
    [{ token_endpoint_auth_method: 'private_key_jwt', jwks: jwks(pair) }, oidc.PrivateKeyJwt(pair)],
  ]) {
    const grant_types = ['authorization_code', 'refresh_token'];
    const metadata = { redirect_uris: [rp.callback], scope: SCOPE, grant_types, ...more };
    // What it knows of itself is what the server has answered.
    const config = await oidc.dynamicClientRegistration(new URL(server.issuer), metadata, auth, {
      execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
    });
    await holdsForAlice(config);
  }
});

describe('request objects', () => {
  /** What the server says of a request that it can send nowhere. */
  async function page(url) {
    const answer = await fetch(url, { redirect: 'manual' });
    return { status: answer.status, error: /invalid_\w+/.exec(await answer.text())?.[0] };
  }
  const REFUSED = { status: 400, error: 'invalid_request_object' };

  async function object(config, pair, more, options) {
    const { checks, parameters } = await fresh();
    const inside = { ...parameters, redirect_uri: rp.callback, scope: SCOPE, ...more };
    return { checks, url: await oidc.buildAuthorizationUrlWithJAR(config, inside, pair, options) };
  }

  test('a signed request is a request', async () => {
    for (const alg of ['RS256', 'ES256', 'PS256', 'EdDSA']) {
      const pair = await keyPair(alg);
      for (const metadata of [{}, { require_signed_request_object: true, request_object_signing_alg: alg }]) {
        const config = await configured({ jwks: jwks(pair), ...metadata });
        const more = { max_age: '3600', claims: '{"userinfo":{"email":null}}' };
        const { url, checks } = await object(config, pair, more);
        assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request'], 'RFC 9101 section 5 needs no more');
        const tokens = await redeem(config, await browser.go(url.href, rp.callback), checks);
        assert.ok(tokens.claims().auth_time);
      }
    }
  });

  test('an object that another has signed is none', async () => {
    const [own, other] = [await keyPair('ES256'), await keyPair('ES256', { another: 'other' })];
    const config = await configured({ jwks: jwks(own) });
    const stranger = await configured({ jwks: jwks(other) });
    assert.deepEqual(await page((await object(config, other)).url), REFUSED, 'a wrong key');
    assert.deepEqual(await page((await object(config, { ...other, kid: own.kid })).url), REFUSED, 'under our name');
    const { url } = await object(stranger, other);
    url.searchParams.set('client_id', config.clientMetadata().client_id);
    assert.deepEqual(await page(url), REFUSED, 'an object of another client');
    const none = await configured({ request_object_signing_alg: 'RS256', jwks: jwks(own, await keyPair('RS256')) });
    assert.deepEqual(await page((await object(none, own)).url), REFUSED, 'an algorithm that is not the registered one');
  });

  test('two clients with one key have not one object', async () => {
    const pair = await keyPair('ES256');
    const [config, stranger] = [await configured({ jwks: jwks(pair) }), await configured({ jwks: jwks(pair) })];
    const { url } = await object(stranger, pair);
    url.searchParams.set('client_id', config.clientMetadata().client_id);
    const answer = await browser.go(url.href, rp.callback);
    assert.equal(answer.searchParams.get('error'), 'invalid_request_object');
  });

  test('with require_signed_request_object, a plain request is refused', async () => {
    const config = await configured({ jwks: jwks(await keyPair('ES256')), require_signed_request_object: true });
    assert.deepEqual(await page((await request(config)).url), { status: 400, error: 'invalid_request' });
  });

  test('by reference, from a registered address alone', async () => {
    const pair = await keyPair('ES256');
    const uri = `${rp.origin}/request.jwt`;
    const config = await configured({ jwks: jwks(pair), request_uris: [uri] });
    const { url, checks } = await object(config, pair);
    rp.publish('/request.jwt', url.searchParams.get('request'), 'application/oauth-authz-req+jwt');
    const byReference = oidc.buildAuthorizationUrl(config, { request_uri: uri });
    await redeem(config, await browser.go(byReference.href, rp.callback), checks);
    const elsewhere = oidc.buildAuthorizationUrl(config, { request_uri: `${uri}?` });
    assert.deepEqual(await page(elsewhere), { status: 400, error: 'invalid_request_uri' });
  });
});
