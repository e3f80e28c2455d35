// The built-in pages as a person meets them, in Chromium, through the relying party of `hydrant demo`.
//
// What it relies on: the relying party's start page shows the demo account (#demo-email, #demo-password) and #sign-in;
// its result page shows the ID token's claims as JSON (#claims) and #sign-out. The built-in pages have #email,
// #password, #remember, #accept and #reject. With HYDRANT_SHOTS set, each page's picture is left in that folder.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePorts, launchChromium, start, watch } from './hydrant.mjs';

const VIEWS = [
  { name: 'desktop', viewport: { width: 1280, height: 800 } },
  { name: 'phone', viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
];
const WRONG = 'not the password of anybody';

let chromium, demo, home, issuer, account;

before(async () => {
  const [port, publicPort, adminPort] = await freePorts(3);
  home = `http://127.0.0.1:${port}/`;
  issuer = `http://127.0.0.1:${publicPort}`;
  demo = await start(['demo', '--port', port, '--public-port', publicPort, '--admin-port', adminPort].map(String), home);
  chromium = await launchChromium();
  const page = await chromium.newPage();
  await page.goto(home);
  account = { email: await page.innerText('#demo-email'), password: await page.innerText('#demo-password') };
  await page.close();
});

after(async () => {
  await chromium?.close();
  const status = await demo?.stop();
  if (demo) assert.equal(status, 0, `SIGTERM ended it with ${status}:\n${demo.output()}`);
});

/** A person at a screen: a browser context of its own that is watched for what a good page never causes. */
async function visitor(options = {}) {
  const context = await chromium.newContext(options);
  context.setDefaultTimeout(20_000);
  return { context, page: await context.newPage(), seen: watch(context) };
}

/** A picture of the page, where pictures are wanted; and what every page must hold to. */
async function look(page, name) {
  const layout = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    lang: document.documentElement.lang,
    headings: document.querySelectorAll('h1').length,
    unnamed: [...document.querySelectorAll('input:not([type=hidden])')].filter((input) => !input.labels.length).length,
    inline: document.querySelectorAll('script, [style], [onclick], [onload], [onsubmit]').length,
  }));
  // Whatever one of our pages needs is in its markup and its style sheet: it fits, has a language and one heading,
  // every field has a label, nothing is inline that the Content-Security-Policy would have to allow.
  if (page.url().startsWith(issuer)) {
    assert.deepEqual({ name, ...layout }, { name, wide: 0, lang: 'en', headings: 1, unnamed: 0, inline: 0 });
  }
  if (process.env.HYDRANT_SHOTS) {
    await mkdir(process.env.HYDRANT_SHOTS, { recursive: true });
    await page.screenshot({ path: join(process.env.HYDRANT_SHOTS, `${name}.png`), fullPage: true });
  }
}

const challenge = (page, name) => page.waitForSelector(`input[name="${name}_challenge"]`, { state: 'attached' });
const colour = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

/** From the relying party's start page to the sign-in form. */
async function toLogin(page) {
  await page.goto(home);
  await page.click('#sign-in');
  await challenge(page, 'login');
  for (const id of ['email', 'password', 'remember', 'accept', 'reject']) {
    assert.ok(await page.isVisible(`#${id}`), `the sign-in page has no #${id}`);
  }
  assert.equal(await page.getAttribute('#password', 'type'), 'password');
}

async function fill(page, password = account.password) {
  await page.fill('#email', account.email);
  await page.fill('#password', password);
}

/** What the relying party learnt, by its own page. */
async function claims(page) {
  await page.waitForURL((url) => url.href.startsWith(home));
  return JSON.parse(await page.innerText('#claims'));
}

for (const { name, ...view } of VIEWS) {
  for (const colorScheme of ['light', 'dark']) {
    test(`from sign-in to sign-out, ${name}, ${colorScheme}`, async () => {
      const { context, page, seen } = await visitor({ ...view, colorScheme });
      const shot = (what) => look(page, `${what}-${name}-${colorScheme}`);

      await toLogin(page);
      await shot('login');
      const ground = (await colour(page)).match(/\d+(\.\d+)?/g).slice(0, 3).map(Number);
      const bright = ground.reduce((sum, part) => sum + part, 0) / 3 > 128;
      assert.equal(bright, colorScheme === 'light', `the ground is rgb(${ground})`);
      assert.equal(await page.evaluate(() => document.activeElement.id), 'email', 'the first field waits for typing');

      await fill(page);
      await page.press('#password', 'Enter'); // what most people do; it must mean yes
      await challenge(page, 'consent');
      for (const id of ['remember', 'accept', 'reject']) assert.ok(await page.isVisible(`#${id}`), `no #${id}`);
      assert.ok(await page.isChecked('input[name="grant_scope"][value="openid"]'));
      await shot('consent');
      await page.click('#accept');

      const learnt = await claims(page);
      assert.equal(learnt.iss, issuer);
      assert.ok(learnt.sub.length > 0);
      await shot('result');

      await page.click('#sign-out');
      await page.waitForLoadState();
      if (await page.$('input[name="logout_challenge"]')) {
        await shot('logout');
        await page.click('#accept');
        await page.waitForLoadState();
      }
      await shot('signed-out');
      await toLogin(page); // the session is gone: it asks again
      seen.none();
      await context.close();
    });
  }

  test(`the error page, ${name}`, async () => {
    for (const colorScheme of ['light', 'dark']) {
      const { context, page, seen } = await visitor({ ...view, colorScheme });
      const query = 'client_id=nobody&response_type=code&redirect_uri=http%3A%2F%2Fevil.example%2F&state=12345678';
      const response = await page.goto(`${issuer}/oauth2/auth?${query}`);
      // Neither the client nor the address is proven: the browser must stay here (RFC 6749 section 4.1.2.1).
      assert.ok(page.url().startsWith(issuer), page.url());
      assert.ok(response.status() >= 400 && response.status() < 500, `${response.status()}`);
      assert.match(await page.innerText('main'), /invalid_client|invalid_request/);
      assert.doesNotMatch(await page.content(), /evil\.example/);
      await look(page, `error-${name}-${colorScheme}`);
      seen.forgive(/^console: Failed to load resource: the server responded with a status of 4\d\d .*\/oauth2\/auth/);
      seen.none();
      await context.close();
    }
  });
}

describe('what goes wrong', () => {
  test('a wrong password is said aloud, and does not say which half was wrong', async () => {
    const said = [];
    for (const email of [account.email, 'nobody@example.com']) {
      const { context, page, seen } = await visitor({ viewport: VIEWS[0].viewport });
      await toLogin(page);
      await page.fill('#email', email);
      await page.fill('#password', WRONG);
      await page.click('#accept');
      await page.waitForSelector('[role="alert"]');
      said.push(await page.innerText('[role="alert"]'));
      assert.equal(await page.inputValue('#email'), email, 'what was typed is still there');
      assert.equal(await page.inputValue('#password'), '', 'the password is not');
      assert.equal(await page.getAttribute('#password', 'aria-invalid'), 'true');
      if (email === account.email) {
        await look(page, 'login-wrong-desktop-light');
        await fill(page); // and the right one still works, on the same page
        await page.click('#accept');
        await challenge(page, 'consent');
      }
      seen.forgive(/^console: Failed to load resource: the server responded with a status of 4(00|01|22) .*\/login/);
      seen.none();
      await context.close();
    }
    assert.equal(said[0], said[1]);
  });

  test('a person may say no, on either page', async () => {
    const { context, page, seen } = await visitor({ viewport: VIEWS[0].viewport });
    await toLogin(page);
    await page.click('#reject'); // with both fields empty
    await page.waitForURL((url) => url.href.startsWith(home));
    assert.match(await page.innerText('body'), /access_denied/);

    await toLogin(page);
    await fill(page);
    await page.click('#accept');
    await challenge(page, 'consent');
    await page.click('#reject');
    await page.waitForURL((url) => url.href.startsWith(home));
    assert.match(await page.innerText('body'), /access_denied/);
    seen.none();
    await context.close();
  });

  test('two tabs sign in side by side', async () => {
    const { context, page, seen } = await visitor({ viewport: VIEWS[0].viewport });
    const other = await context.newPage();
    await toLogin(page);
    await toLogin(other);
    for (const tab of [page, other]) {
      await fill(tab);
      await tab.click('#accept');
      await challenge(tab, 'consent');
    }
    await page.click('#accept');
    await page.waitForURL((url) => url.href.startsWith(home));
    // Whether the relying party's one page keeps two logins is its own matter; the server must have let both through.
    await other.click('#accept');
    await other.waitForURL((url) => url.href.startsWith(home));
    seen.forgive(/^console: Failed to load resource: .*status of 4/);
    seen.none();
    await context.close();
  });
});

test('without JavaScript everything works the same', async () => {
  const { context, page, seen } = await visitor({ viewport: VIEWS[1].viewport, javaScriptEnabled: false });
  await toLogin(page);
  await fill(page, WRONG);
  await page.click('#accept');
  await page.waitForSelector('[role="alert"]');
  await fill(page);
  await page.check('#remember');
  await page.click('#accept');
  await challenge(page, 'consent');
  await page.click('#accept');
  assert.equal((await claims(page)).iss, issuer);
  await page.click('#sign-out');
  await page.waitForLoadState();
  if (await page.$('input[name="logout_challenge"]')) await page.click('#accept');
  await toLogin(page);
  seen.forgive(/^console: Failed to load resource: the server responded with a status of 4(00|01|22) .*\/login/);
  seen.none();
  await context.close();
});
