// Back-channel logout, received by a client library that knows nothing of Hydrant: express-openid-connect drops its session
// when the logout token comes, whoever has ended the session here.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Browser, freePorts, serve } from './hydrant.mjs';

const require = createRequire(import.meta.url);
const express = require('express');
const { auth } = require('express-openid-connect');

/** Where the library notes which sessions are over. */
class Store extends Map {
  noted = (key) => super.get(key);
  get(key, done) { done(null, super.get(key)); }
  set(key, value, done) { super.set(key, value); done?.(null); }
  destroy(key, done) { super.delete(key); done(null); }
}

/** An application of somebody's, with this library as its README has it. */
async function application(server, port, name) {
  const origin = `http://127.0.0.1:${port}`;
  const client = await server.register({
    client_id: name,
    redirect_uris: [`${origin}/callback`],
    post_logout_redirect_uris: [origin],
    backchannel_logout_uri: `${origin}/backchannel-logout`,
    backchannel_logout_session_required: true,
    skip_consent: true,
    scope: 'openid profile email',
  });
  const app = express();
  const told = [];
  app.use((request, response, next) => {
    if (request.path === '/backchannel-logout') response.on('finish', () => told.push(response.statusCode));
    next();
  });
  app.use(auth({
    issuerBaseURL: server.issuer,
    baseURL: origin,
    clientID: client.client_id,
    clientSecret: client.client_secret,
    secret: 'a secret of this application, and long enough for it',
    authRequired: false,
    idpLogout: true,
    authorizationParams: { response_type: 'code', scope: 'openid profile email' },
    backchannelLogout: { store: new Store() },
  }));
  app.get('/', (request, response) => response.json({ sub: request.oidc.user?.sub ?? null, sid: request.oidc.user?.sid }));
  const listening = await new Promise((done) => { const one = app.listen(port, '127.0.0.1', () => done(one)); });
  return {
    name, origin, told,
    async signIn(browser) {
      const back = await browser.go(`${origin}/login`, `${origin}/callback`, server.answers());
      const answer = await browser.get(back.href);
      assert.ok([302, 303].includes(answer.status), await answer.text());
      return this.who(browser);
    },
    async who(browser) { return (await browser.get(`${origin}/`)).json(); },
    stop: () => new Promise((done) => { listening.closeAllConnections(); listening.close(done); }),
  };
}

/** Waits until the application has answered so many logout tokens. */
async function until(app, count) {
  for (const end = Date.now() + 10_000; app.told.length < count; await sleep(20)) {
    assert.ok(Date.now() < end, `${count} logout tokens were awaited: ${app.told}`);
  }
  assert.deepEqual(new Set(app.told), new Set([204]), 'each was accepted');
}

describe('express-openid-connect', () => {
  let server, notes, mail;

  before(async () => {
    server = await serve({ clients: { http: { allowed_networks: ['127.0.0.0/8'] } } });
    const [one, other] = await freePorts(2);
    notes = await application(server, one, 'notes');
    mail = await application(server, other, 'mail');
  });

  after(async () => {
    await notes?.stop();
    await mail?.stop();
    await server?.stop();
  });

  test('drops its session when an administrator ends it', async () => {
    const browser = new Browser();
    const user = await notes.signIn(browser);
    assert.ok(user.sub && user.sid, JSON.stringify(user));
    const path = `/admin/oauth2/auth/sessions/login?sid=${user.sid}`;
    assert.equal((await fetch(`${server.admin}${path}`, { method: 'DELETE' })).status, 204);
    await until(notes, 1);
    assert.equal((await notes.who(browser)).sub, null);
    // And signs in again.
    assert.equal((await notes.signIn(browser)).sub, user.sub);
  });

  test('drops its session when the person signs out at another application', async () => {
    const browser = new Browser();
    const before = [notes.told.length, mail.told.length];
    await notes.signIn(browser);
    const { sub } = await mail.signIn(browser);
    assert.equal((await notes.who(browser)).sub, sub);
    const back = await browser.go(`${mail.origin}/logout`, `${mail.origin}`, {});
    assert.equal(back.origin, mail.origin);
    await until(notes, before[0] + 1);
    await until(mail, before[1] + 1);
    assert.equal((await notes.who(browser)).sub, null);
    assert.equal((await mail.who(browser)).sub, null);
  });

  test('keeps its session when somebody else signs out', async () => {
    const [browser, other] = [new Browser(), new Browser()];
    const { sub } = await notes.signIn(browser);
    const told = mail.told.length;
    await mail.signIn(other);
    await other.go(`${mail.origin}/logout`, `${mail.origin}`, {});
    await until(mail, told + 1);
    assert.equal((await notes.who(browser)).sub, sub);
  });
});
