// How an authorization response comes to the relying party through a real browser: by a form that posts itself, in the
// query, in the fragment.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as oidc from 'openid-client';
import { launchChromium, serve, watch } from './hydrant.mjs';
import { RESPONSE_TYPES, accept, firstParty, redeem, relyingParty } from './relying_party.mjs';

let rp, server, configured, request, chromium, context, tab, seen;

before(async () => {
  rp = await relyingParty();
  server = await serve({ oauth2: { response_types: RESPONSE_TYPES } });
  ({ configured, request } = firstParty(server, rp));
  chromium = await launchChromium();
  context = await chromium.newContext();
  context.setDefaultTimeout(20_000);
  seen = watch(context);
  tab = await context.newPage();
  await tab.goto((await request(await configured())).url);
  await tab.fill('#email', server.user.email);
  await tab.fill('#password', server.user.password);
  await tab.check('#remember');
  await tab.click('#accept');
  await tab.waitForURL((at) => at.href.startsWith(rp.callback));
});

after(async () => {
  await chromium?.close();
  await rp?.stop();
  await server?.stop();
});

/** The one request that the client's server gets when the browser comes back. */
async function arrival(target, url = rp.callback) {
  rp.visits.length = 0;
  await tab.goto(target);
  await tab.waitForURL((at) => at.href.startsWith(url));
  assert.equal(rp.visits.length, 1, JSON.stringify(rp.visits));
  seen.none();
  return rp.visits[0];
}

test('a form_post response arrives by POST, and in the body alone', async () => {
  for (const use of [undefined, oidc.useCodeIdTokenResponseType, oidc.useIdTokenResponseType]) {
    const config = await configured({}, { execute: [use] });
    const { url, checks } = await request(config, { response_mode: 'form_post' });
    const { method, url: to, headers, body } = await arrival(url);
    assert.deepEqual([method, to], ['POST', rp.callback]);
    const answer = new Request(to, { method, headers: { 'content-type': headers['content-type'] }, body });
    await accept(use, config, answer, checks);
  }
});

test('an error goes by POST as well', async () => {
  const config = await configured();
  const { url, checks } = await request(config, { response_mode: 'form_post', prompt: 'none', max_age: '0' });
  const { method, url: to, body } = await arrival(url);
  assert.deepEqual([method, to], ['POST', rp.callback]);
  const answer = new URLSearchParams(body);
  assert.deepEqual([answer.get('error'), answer.get('state')], ['login_required', checks.expectedState]);
});

test('without scripts a person presses the button', async () => {
  const still = await chromium.newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
  const config = await configured();
  const { url, checks } = await request(config, { response_mode: 'form_post' });
  const page = await still.newPage();
  const complaints = watch(still);
  rp.visits.length = 0;
  await page.goto(url);
  await page.click('button');
  await page.waitForURL(rp.callback);
  const [{ method, headers, body }] = rp.visits;
  const answer = new Request(rp.callback, { method, headers: { 'content-type': headers['content-type'] }, body });
  await redeem(config, answer, checks);
  complaints.none();
  await still.close();
});

test('an implicit response is in the fragment, which no server sees', async () => {
  for (const use of [oidc.useIdTokenResponseType, oidc.useCodeIdTokenResponseType]) {
    const config = await configured({}, { execute: [use] });
    const { url, checks } = await request(config);
    const { method, url: to } = await arrival(url);
    assert.deepEqual([method, to], ['GET', rp.callback]);
    const answer = new URL(tab.url());
    await accept(use, config, answer, checks);
  }
});
