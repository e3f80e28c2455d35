// The other side of the protocol: a relying party's server, its keys, and its requests by openid-client.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { exportJWK, generateKeyPair } from 'jose';
import * as oidc from 'openid-client';

/** All that an authorization endpoint can give. */
export const RESPONSE_TYPES = [
  'code', 'none', 'id_token', 'token', 'id_token token', 'code id_token', 'code token', 'code id_token token',
];
export const SCOPE = 'openid offline_access profile email';

/** A relying party's server: remembers every request that came, and serves the documents that it was given. */
export async function relyingParty() {
  const visits = [];
  const documents = new Map();
  const server = createServer(async (request, response) => {
    const url = `http://127.0.0.1:${server.address().port}${request.url}`;
    const { pathname } = new URL(url);
    if (pathname === '/favicon.ico') return response.writeHead(204).end();
    visits.push({ url, method: request.method, headers: request.headers, body: await text(request) });
    const document = documents.get(pathname);
    if (document !== undefined) return response.writeHead(200, { 'content-type': document.type }).end(document.body);
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>RP</title><p>back at the app');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    origin, visits,
    callback: `${origin}/cb`,
    signedOut: `${origin}/signed-out`,
    /** Puts a document where the server under test can fetch it; its address. */
    publish(pathname, body, type = 'application/json') {
      documents.set(pathname, { type, body: typeof body === 'string' ? body : JSON.stringify(body) });
      return `${origin}${pathname}`;
    },
    stop: () => new Promise((done) => { server.closeAllConnections(); server.close(done); }),
  };
}

// ---- keys ----------------------------------------------------------------------------------------------------------

/** Each is made once: tests that are about wrong keys ask for `another`. */
const made = new Map();

/** A key pair for one algorithm of signatures or encryption, its public half also as a JWK with `kid`. */
export function keyPair(alg, { another = '', crv } = {}) {
  const kid = [alg, crv, another].filter(Boolean).join(' ');
  if (!made.has(kid)) made.set(kid, make(alg, crv, kid));
  return made.get(kid);
}

async function make(alg, crv, kid) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true, crv });
  const use = /^(RSA-OAEP|ECDH)/.test(alg) ? 'enc' : 'sig';
  return { alg, kid, publicKey, privateKey, key: privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use } };
}

/** The key set that a client registers. */
export const jwks = (...pairs) => ({ keys: pairs.map(({ jwk }) => jwk) });

// ---- by openid-client ----------------------------------------------------------------------------------------------

/** What openid-client makes of discovery and of a client with this metadata. */
export const discover = (server, client, auth, ...execute) => oidc.discovery(
  new URL(server.issuer), client.client_id, client, auth, { execute: [oidc.allowInsecureRequests, ...execute] },
);

/** What the answer to a new authorization request is checked against, and the parameters that say so. */
export async function fresh() {
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [oidc.randomState(), oidc.randomNonce()];
  return {
    checks: { pkceCodeVerifier, expectedState, expectedNonce },
    parameters: {
      code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
      state: expectedState, nonce: expectedNonce,
    },
  };
}

/** A new authorization request, and what the answer must be checked against. */
export async function authorizationRequest(config, more) {
  const { checks, parameters } = await fresh();
  return { url: oidc.buildAuthorizationUrl(config, { ...parameters, ...more }).href, checks };
}

const bySecret = (client) => oidc.ClientSecretBasic(client.client_secret);

/** openid-client for clients that need nobody's consent and come back to `rp`. */
export function firstParty(server, rp) {
  return {
    /** A new client, registered with `metadata`. */
    async configured(metadata = {}, { auth = bySecret, execute = [] } = {}) {
      const client = await server.register({
        redirect_uris: [rp.callback], scope: SCOPE, grant_types: ['authorization_code', 'refresh_token', 'implicit'],
        response_types: ['code', 'id_token', 'code id_token'], skip_consent: true, ...metadata,
      });
      return discover(server, { ...metadata, client_id: client.client_id }, auth(client), ...execute.filter(Boolean));
    },
    request: (config, more) => authorizationRequest(config, { redirect_uri: rp.callback, scope: SCOPE, ...more }),
  };
}

/** Tokens for the code in an answer, which is an address or a request. */
export const redeem = (config, answer, checks) =>
  oidc.authorizationCodeGrant(config, answer, { ...checks, idTokenExpected: true });

/** Takes the answer of the response type that was chosen by `use`. */
export const accept = (use, config, answer, checks) => use === oidc.useIdTokenResponseType
  ? oidc.implicitAuthentication(config, answer, checks.expectedNonce, checks)
  : redeem(config, answer, checks);

/** The error that a call is refused with. */
export async function refusal(promise) {
  const error = await promise.then(() => assert.fail('it was not refused'), (rejection) => rejection);
  // With a challenge in the headers, openid-client leaves the body to us.
  const body = error instanceof oidc.WWWAuthenticateChallengeError ? await error.response.json() : error;
  return { error: body.error, status: error.status };
}
