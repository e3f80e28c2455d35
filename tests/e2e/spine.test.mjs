// The main job, asked for by a client library that knows nothing of Hydrant: discovery, sign-in, code with PKCE, ID
// token, userinfo, refresh, introspection, revocation, logout.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oidc from 'openid-client';
import { Browser, launchChromium, serve, watch } from './hydrant.mjs';
import { SCOPE, authorizationRequest, discover, redeem, refusal, relyingParty } from './relying_party.mjs';

let rp, server, client, config;

before(async () => {
  rp = await relyingParty();
  server = await serve();
  client = await server.register({
    client_id: 'web', client_secret: 'a client secret that nobody guesses', redirect_uris: [rp.callback], scope: SCOPE,
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
  });
  // Through Hydra's admin API, as its tools do: the whole client comes back with one value more.
  const url = `${server.admin}/admin/clients/${client.client_id}`;
  const current = await (await fetch(url)).json();
  const updated = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...current, post_logout_redirect_uris: [rp.signedOut] }),
  });
  assert.equal(updated.status, 200, await updated.text());
  // Check the ID token's signature too, not only the channel that it came through.
  const { client_id, client_secret } = client;
  config = await discover(server, { client_id }, oidc.ClientSecretBasic(client_secret), oidc.enableNonRepudiationChecks);
});

after(async () => {
  await rp?.stop();
  await server?.stop();
});

const request = (more) => authorizationRequest(config, { redirect_uri: rp.callback, scope: SCOPE, ...more });

const exchange = (callback, checks) => redeem(config, callback, checks);

/** Signs in with a new browser; the browser, its tokens, and the address that carried the code. */
async function signIn(more) {
  const browser = new Browser();
  const { url, checks } = await request(more);
  const callback = await browser.go(url, rp.callback, server.answers());
  return { browser, callback, checks, tokens: await exchange(callback, checks) };
}

/** What the ID token, userinfo and introspection say about the same person. */
async function holdsForAlice(tokens, checks) {
  const claims = tokens.claims();
  assert.equal(claims.iss, server.issuer);
  assert.deepEqual([claims.aud].flat(), [client.client_id]);
  assert.equal(claims.nonce, checks.expectedNonce);
  assert.ok(claims.exp > claims.iat && Math.abs(Date.now() / 1000 - claims.iat) < 60);
  assert.ok(claims.sub.length > 0);

  const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
  assert.equal(userinfo.email, server.user.email);
  assert.equal(userinfo.email_verified, true);
  assert.equal(userinfo.name, server.user.name);

  const live = await oidc.tokenIntrospection(config, tokens.access_token);
  assert.equal(live.active, true);
  assert.equal(live.client_id, client.client_id);
  assert.equal(live.sub, claims.sub);
  assert.deepEqual(live.scope.split(' ').sort(), SCOPE.split(' ').sort());
  return claims;
}

describe('by plain fetch', () => {
  test('discovery says what openid-client needs', () => {
    const metadata = config.serverMetadata();
    assert.equal(metadata.issuer, server.issuer);
    assert.ok(metadata.supportsPKCE('S256'));
    for (const name of ['authorization', 'token', 'userinfo', 'introspection', 'revocation', 'end_session']) {
      assert.ok(metadata[`${name}_endpoint`]?.startsWith(server.issuer), `${name}_endpoint: ${metadata[`${name}_endpoint`]}`);
    }
  });

  test('a sign-in gives tokens that say who signed in', async () => {
    const { browser, callback, checks, tokens } = await signIn();
    assert.deepEqual(browser.asked, ['login', 'consent']);
    assert.equal(callback.searchParams.get('iss'), server.issuer, 'RFC 9207');
    assert.equal(tokens.token_type, 'bearer');
    assert.deepEqual(tokens.scope.split(' ').sort(), SCOPE.split(' ').sort());
    await holdsForAlice(tokens, checks);
  });

  test('who is signed in is not asked for the password again', async () => {
    const { browser, tokens } = await signIn();
    browser.asked.length = 0;
    const { url, checks } = await request();
    const again = await exchange(await browser.go(url, rp.callback, server.answers()), checks);
    assert.ok(!browser.asked.includes('login'), browser.asked.join());
    assert.equal(again.claims().sub, tokens.claims().sub);

    const forced = await request({ prompt: 'login' });
    browser.asked.length = 0;
    await exchange(await browser.go(forced.url, rp.callback, server.answers()), forced.checks);
    assert.equal(browser.asked[0], 'login', 'prompt=login asks');
  });

  test('a code works once, and its second use ends what the first gave', async () => {
    const { callback, checks, tokens } = await signIn();
    assert.deepEqual(await refusal(exchange(callback, checks)), { error: 'invalid_grant', status: 400 });
    assert.equal((await oidc.tokenIntrospection(config, tokens.access_token)).active, false);
  });

  test('a wrong code verifier gets nothing and spoils nothing', async () => {
    const { url, checks } = await request();
    const callback = await new Browser().go(url, rp.callback, server.answers());
    const wrong = { ...checks, pkceCodeVerifier: oidc.randomPKCECodeVerifier() };
    assert.deepEqual(await refusal(exchange(callback, wrong)), { error: 'invalid_grant', status: 400 });
    await holdsForAlice(await exchange(callback, checks), checks);
  });

  test('a refresh gives new tokens for the same person, within the same scope', async () => {
    const { tokens } = await signIn();
    const next = await oidc.refreshTokenGrant(config, tokens.refresh_token);
    assert.notEqual(next.refresh_token, tokens.refresh_token);
    assert.notEqual(next.access_token, tokens.access_token);
    assert.equal(next.claims().sub, tokens.claims().sub);
    assert.equal(next.claims().auth_time, tokens.claims().auth_time);
    assert.equal((await oidc.tokenIntrospection(config, next.access_token)).active, true);

    const narrow = await oidc.refreshTokenGrant(config, next.refresh_token, { scope: 'openid' });
    assert.equal(narrow.scope, 'openid');
    const wide = oidc.refreshTokenGrant(config, narrow.refresh_token, { scope: `${SCOPE} phone` });
    assert.equal((await refusal(wide)).error, 'invalid_scope');
  });

  test('revoking the refresh token ends the grant', async () => {
    const { tokens } = await signIn();
    await oidc.tokenRevocation(config, tokens.refresh_token, { token_type_hint: 'refresh_token' });
    assert.deepEqual(await oidc.tokenIntrospection(config, tokens.access_token), { active: false });
    const refused = await refusal(oidc.refreshTokenGrant(config, tokens.refresh_token));
    assert.deepEqual(refused, { error: 'invalid_grant', status: 400 });
    await oidc.tokenRevocation(config, 'no token at all'); // RFC 7009 section 2.2: 200 all the same
  });

  test('revoking an access token ends its grant, as Hydra does', async () => {
    const { tokens } = await signIn();
    const next = await oidc.refreshTokenGrant(config, tokens.refresh_token);
    await oidc.tokenRevocation(config, next.access_token, { token_type_hint: 'access_token' });
    assert.deepEqual(await oidc.tokenIntrospection(config, next.access_token), { active: false });
    const refused = await refusal(oidc.refreshTokenGrant(config, next.refresh_token));
    assert.deepEqual(refused, { error: 'invalid_grant', status: 400 });
  });

  test('after a logout nobody is signed in', async () => {
    const { browser, tokens } = await signIn();
    const state = oidc.randomState();
    const url = oidc.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token, post_logout_redirect_uri: rp.signedOut, state,
    });
    const end = await browser.go(url.href, rp.signedOut);
    assert.equal(end.searchParams.get('state'), state);

    const silent = await request({ prompt: 'none' });
    const answer = await browser.go(silent.url, rp.callback);
    assert.equal(answer.searchParams.get('error'), 'login_required');
    assert.equal(answer.searchParams.get('state'), silent.checks.expectedState);
    assert.equal(answer.searchParams.get('iss'), server.issuer, 'RFC 9207: on errors too');
  });

  test('who says no is sent back with access_denied', async () => {
    for (const page of ['login', 'consent']) {
      const { url, checks } = await request();
      const said = server.answers();
      said[page] = { press: 'reject' };
      const answer = await new Browser().go(url, rp.callback, said);
      assert.equal(answer.searchParams.get('error'), 'access_denied', page);
      assert.equal(answer.searchParams.get('state'), checks.expectedState);
      assert.equal(answer.searchParams.get('code'), null);
    }
  });

  test('a sign-in that one browser began cannot be finished by another', async () => {
    const { url } = await request();
    const verified = await new Browser().go(url, `${server.issuer}/oauth2/auth?`, server.answers());
    assert.ok(verified.searchParams.has('login_verifier'), verified.href);
    // The victim types nothing: it would take only a click on the attacker's link to be signed in as the attacker.
    await assert.rejects(new Browser().go(verified.href, rp.callback));
  });

  test('a client with a wrong secret is nobody', async () => {
    const { tokens } = await signIn();
    const impostor = new oidc.Configuration(
      config.serverMetadata(), client.client_id, undefined, oidc.ClientSecretBasic('not the secret'),
    );
    oidc.allowInsecureRequests(impostor);
    const refused = await refusal(oidc.refreshTokenGrant(impostor, tokens.refresh_token));
    assert.deepEqual(refused, { error: 'invalid_client', status: 401 });
  });
});

describe('by Chromium', () => {
  let chromium;
  before(async () => { chromium = await launchChromium(); });
  after(() => chromium?.close());

  test('a person signs in, comes back without typing, and signs out', async () => {
    const context = await chromium.newContext();
    context.setDefaultTimeout(20_000);
    const seen = watch(context);
    const page = await context.newPage();

    const { url, checks } = await request();
    await page.goto(url);
    await page.fill('#email', server.user.username);
    await page.fill('#password', server.user.password);
    await page.check('#remember');
    await page.click('#accept');
    await page.waitForSelector('input[name="consent_challenge"]', { state: 'attached' });
    await page.check('#remember');
    await page.click('#accept');
    await page.waitForURL((at) => at.href.startsWith(rp.callback));
    const tokens = await exchange(new URL(page.url()), checks);
    await holdsForAlice(tokens, checks);

    // Both answers were remembered: straight back, also with prompt=none.
    const silent = await request({ prompt: 'none' });
    await page.goto(silent.url);
    await page.waitForURL((at) => at.href.startsWith(rp.callback));
    const again = await exchange(new URL(page.url()), silent.checks);
    assert.equal(again.claims().auth_time, tokens.claims().auth_time);

    const state = oidc.randomState();
    const end = oidc.buildEndSessionUrl(config, {
      id_token_hint: again.id_token, post_logout_redirect_uri: rp.signedOut, state,
    });
    await page.goto(end.href);
    if (!page.url().startsWith(rp.signedOut)) await page.click('#accept');
    await page.waitForURL((at) => at.href.startsWith(rp.signedOut));
    assert.equal(new URL(page.url()).searchParams.get('state'), state);
    seen.none();
    await context.close();
  });
});
