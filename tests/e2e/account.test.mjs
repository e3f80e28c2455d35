// The account page as a person meets it, in Chromium without JavaScript: signing in there, signing out another browser,
// removing an application, another password. With HYDRANT_SHOTS set, pictures are left in that folder.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launchChromium, serve, watch } from './hydrant.mjs';

const VIEWS = [
  { name: 'desktop', viewport: { width: 1280, height: 800 } },
  { name: 'phone', viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
];
const PHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) ' +
  'Version/18.5 Mobile/15E148 Safari/604.1';

let server, chromium, website, application;

before(async () => {
  website = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<link rel=icon href=data:,>'));
  await new Promise((done) => website.listen(0, '127.0.0.1', done));
  application = `http://127.0.0.1:${website.address().port}`;
  server = await serve({ limits: { login: { per_account: 100 } } });
  for (const [id, name, scope] of [
    ['notes', 'Notes', 'openid profile email'],
    ['photos', 'Holiday photos with an uncommonly long name', 'openid offline_access photos.read'],
  ]) {
    await server.register({
      client_id: id, client_name: name, scope, redirect_uris: [`${application}/${id}`],
      grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none',
    });
  }
  chromium = await launchChromium();
});

after(async () => {
  await chromium?.close();
  website?.close();
  await server?.stop();
});

/** A browser profile of its own, without JavaScript. */
async function profile(options = {}) {
  const context = await chromium.newContext({ javaScriptEnabled: false, ...options });
  context.setDefaultTimeout(20_000);
  return { context, page: await context.newPage(), seen: watch(context) };
}

async function shot(page, name) {
  if (!process.env.HYDRANT_SHOTS) return;
  await mkdir(process.env.HYDRANT_SHOTS, { recursive: true });
  await page.screenshot({ path: join(process.env.HYDRANT_SHOTS, `${name}.png`), fullPage: true });
}

async function signIn(page, password = server.user.password) {
  await page.goto(`${server.issuer}/account`);
  await page.fill('#email', server.user.email);
  await page.fill('#password', password);
  await page.press('#password', 'Enter');
  await page.waitForSelector('h1:has-text("Your account")');
}

/** Lets an application have what it asks for, remembered; what it does with the code is its own matter. */
async function connect(page, id, scope) {
  const query = new URLSearchParams({
    client_id: id, redirect_uri: `${application}/${id}`, response_type: 'code', scope, state: 'a-state-of-this-test',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256',
  });
  await page.goto(`${server.issuer}/oauth2/auth?${query}`);
  await page.check('#remember');
  await page.click('#accept');
  await page.waitForURL(`${application}/**`);
}

test('a person signs out another browser, which is then signed out', async () => {
  const here = await profile({ viewport: VIEWS[0].viewport });
  const there = await profile({ viewport: VIEWS[1].viewport, userAgent: PHONE });
  await signIn(there.page);
  await signIn(here.page);
  const list = here.page.locator('section:has(#sessions) li');
  assert.equal(await list.count(), 2);
  assert.match(await list.nth(0).innerText(), /on Linux\s+This browser/);
  assert.match(await list.nth(1).innerText(), /Safari on iPhone[\s\S]+127\.0\.0\.1 · used just now/);
  await there.page.reload();
  assert.equal(await there.page.innerText('h1'), 'Your account');

  await list.nth(1).getByRole('button', { name: 'Sign out Safari on iPhone, 127.0.0.1' }).click();
  assert.equal(await here.page.innerText('[role="status"]'), 'That session has ended.');
  assert.equal(await list.count(), 1);
  await there.page.reload();
  assert.equal(await there.page.innerText('h1'), 'Sign in');
  // This browser goes out by the button below.
  await here.page.click('#sign-out');
  await here.page.click('#accept');
  assert.equal(await here.page.innerText('h1'), 'You are signed out');
  for (const { context, seen } of [here, there]) {
    seen.none();
    await context.close();
  }
});

for (const { name, ...view } of VIEWS) {
  for (const colorScheme of ['light', 'dark']) {
    test(`the page with all that it may show, ${name}, ${colorScheme}`, async () => {
      const others = [];
      for (const userAgent of [PHONE, undefined, 'curl/8.14.1', `A browser of ${'uncommon'.repeat(20)} name`]) {
        others.push(await profile({ userAgent }));
        await signIn(others.at(-1).page);
      }
      const { context, page, seen } = await profile({ ...view, colorScheme });
      await signIn(page);
      await connect(page, 'notes', 'openid profile email');
      await connect(page, 'photos', 'openid offline_access photos.read');
      await page.goto(`${server.issuer}/account`);
      const measured = await profile({ ...view, javaScriptEnabled: true });
      await measured.context.addCookies(await context.cookies());
      await measured.page.goto(`${server.issuer}/account`);
      const layout = () => measured.page.evaluate(() => ({
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        small: [...document.querySelectorAll('button, a.button')].filter((button) => button.offsetHeight && button.offsetHeight < 44).length,
      }));
      assert.deepEqual(await layout(), { wide: 0, small: 0 });
      await measured.page.click('summary');
      assert.ok(await measured.page.isVisible('#current_password'));
      assert.deepEqual(await layout(), { wide: 0, small: 0 });
      await measured.context.close();
      await shot(page, `account-${name}-${colorScheme}`);

      await page.click('summary');
      await page.fill('#current_password', 'not the password');
      await page.fill('#new_password', 'another long password');
      await page.fill('#new_password_again', 'another long password');
      await page.click('#change-password');
      assert.match(await page.innerText('[role="alert"]'), /current password is not right/);
      await shot(page, `account-failed-${name}-${colorScheme}`);

      await page.getByRole('button', { name: /Remove access of Holiday photos/ }).click();
      assert.match(await page.innerText('[role="status"]'), /no access/);
      await page.click('#end-others');
      assert.match(await page.innerText('[role="status"]'), /other sessions have ended/);
      await shot(page, `account-ended-${name}-${colorScheme}`);
      seen.forgive(/status of 400 .*\/account/);
      seen.none();
      await context.close();
      for (const other of others) await other.context.close();
    });
  }
}

test('another password: this browser stays signed in, and only the new one signs in', async () => {
  const there = await profile();
  const { context, page, seen } = await profile();
  await signIn(there.page);
  await signIn(page);
  await page.click('summary');
  await page.fill('#current_password', server.user.password);
  await page.fill('#new_password', 'a password that is new');
  await page.fill('#new_password_again', 'a password that is new');
  await page.press('#new_password_again', 'Enter');
  assert.match(await page.innerText('[role="status"]'), /password is changed/);
  await page.reload();
  assert.equal(await page.innerText('h1'), 'Your account');
  await there.page.reload();
  assert.equal(await there.page.innerText('h1'), 'Sign in');
  await signIn(there.page, 'a password that is new');
  seen.none();
  await context.close();
  await there.context.close();
});
