// An MCP client that knows nothing but the address of a tool server (Model Context Protocol, authorization): its OAuth
// client finds Hydrant, registers itself, has a person sign in, and gets tokens that are for that server alone.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createServer } from 'node:http';
import { auth } from '@modelcontextprotocol/sdk/client/auth.js';
import { Browser, serve } from './hydrant.mjs';
import { relyingParty } from './relying_party.mjs';

let rp, tools, server;

/** The tool server's OAuth side: who is asked for tokens for it (RFC 9728). */
async function toolServer() {
  let issuer;
  const http = createServer((request, response) => {
    const found = request.url.startsWith('/.well-known/oauth-protected-resource');
    response.writeHead(found ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found
      ? { resource: `${origin}/mcp`, authorization_servers: [issuer], scopes_supported: ['openid', 'offline_access'] }
      : { error: 'invalid_token' }));
  });
  await new Promise((done) => http.listen(0, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${http.address().port}`;
  return {
    url: `${origin}/mcp`,
    origin,
    trust: (given) => { issuer = given; },
    stop: () => new Promise((done) => { http.closeAllConnections(); http.close(done); }),
  };
}

/** What an MCP application keeps, and where it sends its person. */
class Application {
  kept = {};
  sent;

  get redirectUrl() { return rp.callback; }

  get clientMetadata() {
    return {
      client_name: 'A tool user',
      redirect_uris: [rp.callback],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      scope: 'openid offline_access',
    };
  }

  state() { return 'a state of this application'; }
  clientInformation() { return this.kept.client; }
  saveClientInformation(client) { this.kept.client = client; }
  tokens() { return this.kept.tokens; }
  saveTokens(tokens) { this.kept.tokens = tokens; }
  codeVerifier() { return this.kept.verifier; }
  saveCodeVerifier(verifier) { this.kept.verifier = verifier; }
  redirectToAuthorization(url) { this.sent = url; }
}

before(async () => {
  rp = await relyingParty();
  tools = await toolServer();
  server = await serve({
    oidc: { dynamic_client_registration: { enabled: true, allowed_audience: [tools.origin] } },
  });
  tools.trust(server.issuer);
});

after(async () => {
  await server?.stop();
  await tools?.stop();
  await rp?.stop();
});

const introspect = async (token) => (await fetch(`${server.admin}/admin/oauth2/introspect`, {
  method: 'POST', body: new URLSearchParams({ token }),
})).json();

describe('an MCP client', () => {
  test('finds the server, registers itself and gets a token', async () => {
    const application = new Application();
    assert.equal(await auth(application, { serverUrl: tools.url }), 'REDIRECT');
    const client = application.kept.client;
    assert.ok(client.client_id && !client.client_secret, JSON.stringify(client));

    const answers = { login: { email: server.user.email, password: server.user.password } };
    const browser = new Browser();
    const callback = await browser.go(application.sent.href, rp.callback, answers);
    assert.deepEqual(browser.asked, ['login', 'consent']);
    assert.equal(callback.searchParams.get('state'), 'a state of this application');
    const code = callback.searchParams.get('code');
    assert.equal(await auth(application, { serverUrl: tools.url, authorizationCode: code }), 'AUTHORIZED');

    const first = application.kept.tokens;
    const told = await introspect(first.access_token);
    assert.equal(told.active, true);
    assert.equal(told.client_id, client.client_id);
    assert.deepEqual(told.aud, [tools.url], 'for that server alone');

    // What it has kept is enough to go on without the person.
    assert.equal(await auth(application, { serverUrl: tools.url }), 'AUTHORIZED');
    assert.notEqual(application.kept.tokens.access_token, first.access_token);
    assert.equal((await introspect(application.kept.tokens.access_token)).active, true);
  });
});
