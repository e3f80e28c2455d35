// Login, consent and logout by an app that was written for Hydra, and knows the server by Ory's SDK alone.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import * as oidc from 'openid-client';
import { Browser, freePorts, serve } from './hydrant.mjs';
import { loginApp } from './login_app.mjs';
import { SCOPE, authorizationRequest, discover, redeem, relyingParty } from './relying_party.mjs';

let rp, server, app, config, browser;

before(async () => {
  rp = await relyingParty();
  const [port] = await freePorts(1);
  const pages = Object.fromEntries(['login', 'consent', 'logout'].map((name) => [name, `http://127.0.0.1:${port}/${name}`]));
  server = await serve({ urls: pages });
  app = await loginApp(port, server.admin);
  const client = await server.register({
    client_id: 'web', client_secret: 'a client secret that nobody guesses', redirect_uris: [rp.callback], scope: SCOPE,
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
    post_logout_redirect_uris: [rp.signedOut], audience: ['https://api.example/v1'],
  });
  config = await discover(server, { client_id: 'web' }, oidc.ClientSecretBasic(client.client_secret), oidc.enableNonRepudiationChecks);
});

after(async () => {
  await app?.stop();
  await rp?.stop();
  await server?.stop();
});

beforeEach(() => {
  browser = new Browser();
});

const alice = { email: 'alice', password: 'open sesame' };
const request = (more) => authorizationRequest(config, { redirect_uri: rp.callback, scope: SCOPE, ...more });

async function signIn(answers, more) {
  const { url, checks } = await request(more);
  const callback = await browser.go(url, rp.callback, answers);
  return redeem(config, callback, checks);
}

const last = (list) => list[list.length - 1];

describe('an app that was written for Hydra', () => {
  test('signs somebody in, and what it says is in the tokens', async () => {
    const tokens = await signIn({ login: alice, consent: { profile: false } }, { audience: 'https://api.example/v1' });
    const claims = tokens.claims();
    assert.deepEqual([claims.sub, claims.email, claims.acr], ['alice', 'alice@crm.example', '1']);
    assert.ok(!tokens.scope.split(' ').includes('profile'), 'what the person took out is not granted');
    const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, 'alice');
    assert.equal(userinfo.email, 'alice@crm.example');
    const found = await oidc.tokenIntrospection(config, tokens.access_token);
    assert.deepEqual([found.active, found.sub, found.ext, found.aud], [true, 'alice', { tenant: 'blue' }, ['https://api.example/v1']]);
    assert.equal(last(app.seen.consent).context.greeting, 'Hello alice');
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal(refreshed.claims().email, 'alice@crm.example');
  });

  test('remembers them, and what they have allowed', async () => {
    await signIn({ login: { ...alice, remember: true }, consent: { remember: true } });
    assert.deepEqual(browser.asked, ['login', 'consent']);
    const again = await signIn();
    assert.deepEqual(browser.asked, ['login', 'consent'], 'no page asks again');
    assert.equal(again.claims().sub, 'alice');
    assert.ok(last(app.seen.login).skip && last(app.seen.consent).skip);
    const silent = await signIn({}, { prompt: 'none' });
    assert.equal(silent.claims().sid, again.claims().sid);
    await signIn({ login: alice, consent: {} }, { prompt: 'login consent' });
    assert.deepEqual(browser.asked, ['login', 'consent', 'login', 'consent']);
  });

  test('refuses, at the login and at the consent', async () => {
    for (const [answers, description] of [
      [{ login: { press: 'reject' } }, 'They would rather not.'],
      [{ login: { ...alice, email: 'bob' }, consent: { press: 'reject' } }, 'The resource owner denied the request'],
    ]) {
      const { url, checks } = await request();
      const callback = await new Browser().go(url, rp.callback, answers);
      const error = await redeem(config, callback, checks).then(() => assert.fail('it was not refused'), (why) => why);
      assert.deepEqual([error.error, error.error_description], ['access_denied', description]);
    }
  });

  test('steps up a session that is there', async () => {
    const first = await signIn({ login: { ...alice, remember: true }, consent: { remember: true } });
    assert.equal(first.claims().acr, '1');
    const second = await signIn({ login: { code: '123456' } }, { acr_values: '2' });
    assert.deepEqual([second.claims().acr, second.claims().amr], ['2', ['pwd', 'otp']]);
    assert.equal(second.claims().sid, first.claims().sid, 'it is the same session');
    assert.ok(last(app.seen.login).skip);
  });

  test('signs out, with the client and without', async () => {
    const tokens = await signIn({ login: { ...alice, remember: true }, consent: { remember: true } });
    const url = oidc.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token, post_logout_redirect_uri: rp.signedOut, state: 'bye',
    });
    await browser.go(url.href, `${app.url}/stayed`, { logout: { press: 'reject' } });
    assert.ok((await oidc.tokenIntrospection(config, tokens.access_token)).active, 'who says no stays');
    const signedOut = await browser.go(url.href, rp.signedOut);
    assert.equal(signedOut.searchParams.get('state'), 'bye');
    const asked = last(app.seen.logout);
    assert.deepEqual([asked.subject, asked.sid, asked.rp_initiated, asked.client.client_id], ['alice', tokens.claims().sid, true, 'web']);
    const before = browser.asked.length;
    await signIn({ login: { ...alice, remember: true }, consent: {} });
    assert.equal(browser.asked[before], 'login', 'the session has ended');
    await browser.go(`${server.issuer}/oauth2/sessions/logout`, `${server.issuer}/logout/done`);
    assert.ok(!last(app.seen.logout).rp_initiated);
  });

  test('lets two tabs of one client through', async () => {
    const one = await request();
    const two = await request();
    const steps = [one, two].map(async ({ url, checks }) => {
      const callback = await browser.go(url, rp.callback, { login: alice, consent: {} });
      return (await redeem(config, callback, checks)).claims().sub;
    });
    assert.deepEqual(await Promise.all(steps), ['alice', 'alice']);
  });
});
