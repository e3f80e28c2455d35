// Signing out everywhere, in Chromium: the pages of clients that are loaded (OpenID Connect Front-Channel Logout 1.0), and
// the frame by which clients see that somebody has gone (OpenID Connect Session Management 1.0).
//
// All are at 127.0.0.1, on ports of their own: other origins, and the same site, so that no rule about cookies of other
// sites stands in between. With HYDRANT_SHOTS set, a picture of the page is left in that folder.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as oidc from 'openid-client';
import { launchChromium, serve, watch } from './hydrant.mjs';
import { SCOPE, authorizationRequest, discover, redeem, relyingParty } from './relying_party.mjs';

const WAIT = 2000;

let chromium, server, rp, other, hanging;

before(async () => {
  [rp, other] = [await relyingParty(), await relyingParty()];
  // A client's server that takes the request and never answers.
  const silent = createServer(() => {});
  await new Promise((done) => silent.listen(0, '127.0.0.1', done));
  hanging = {
    origin: `http://127.0.0.1:${silent.address().port}`,
    stop: () => new Promise((done) => { silent.closeAllConnections(); silent.close(done); }),
  };
  server = await serve({ logout: { front_channel: { wait: `${WAIT}ms` }, session_management: true } });
  chromium = await launchChromium();
  // What a client in the browser does: its session is in its own storage, and its page takes it away.
  const leave = '<!doctype html><title>Bye</title><script>localStorage.removeItem("session")</script>';
  for (const party of [rp, other]) party.publish('/leave', leave, 'text/html');
});

after(async () => {
  await chromium?.close();
  await server?.stop();
  for (const party of [rp, other, hanging]) await party?.stop();
});

/** A client of this relying party that needs nobody's consent; how it makes its requests. */
async function client(party, metadata = {}) {
  const made = await server.registerByApi({
    redirect_uris: [party.callback], post_logout_redirect_uris: [party.signedOut], scope: SCOPE, skip_consent: true,
    grant_types: ['authorization_code'], response_types: ['code'], ...metadata,
  });
  const config = await discover(server, { client_id: made.client_id }, oidc.ClientSecretBasic(made.client_secret));
  return {
    id: made.client_id,
    /** Signs in, or finds that somebody is; the tokens, and the answer that brought the code. */
    async visit(page) {
      const { url, checks } = await authorizationRequest(config, { redirect_uri: party.callback, scope: SCOPE });
      await page.goto(url);
      if (page.url().startsWith(server.issuer)) {
        await page.fill('#email', server.user.email);
        await page.fill('#password', server.user.password);
        await page.click('#accept');
      }
      await page.waitForURL((at) => at.href.startsWith(party.callback));
      await page.evaluate(() => localStorage.setItem('session', 'alive'));
      const answer = new URL(page.url());
      return { answer, tokens: await redeem(config, answer, checks) };
    },
    leaving: (tokens, state) => oidc.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token, post_logout_redirect_uri: party.signedOut, ...(state && { state }),
    }).href,
  };
}

async function visitor(options = {}) {
  const context = await chromium.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(20_000);
  return { context, page: await context.newPage(), seen: watch(context) };
}

/** What a party has in this browser. */
async function sessionAt(context, party) {
  const page = await context.newPage();
  await page.goto(party.origin);
  const session = await page.evaluate(() => localStorage.getItem('session'));
  await page.close();
  return session;
}

async function picture(page, name) {
  if (!process.env.HYDRANT_SHOTS) return;
  await mkdir(process.env.HYDRANT_SHOTS, { recursive: true });
  await page.screenshot({ path: join(process.env.HYDRANT_SHOTS, `${name}.png`), fullPage: true });
}

const visitsOf = (party, pathname) => party.visits.map(({ url }) => new URL(url)).filter((url) => url.pathname === pathname);

describe('front-channel logout', () => {
  test('every client is told in the browser, and the browser comes back with its state', async () => {
    const one = await client(rp, { frontchannel_logout_uri: `${rp.origin}/leave?tenant=a%20b` });
    const two = await client(other, { frontchannel_logout_uri: `${other.origin}/leave` });
    const { context, page, seen } = await visitor();
    const { tokens } = await one.visit(page);
    await two.visit(page);
    for (const party of [rp, other]) assert.equal(await sessionAt(context, party), 'alive');

    const began = Date.now();
    await page.goto(one.leaving(tokens, 'a b&"<'));
    await page.waitForURL((at) => at.href.startsWith(rp.signedOut));
    assert.ok(Date.now() - began < WAIT, 'it goes on as soon as all have been told');
    const back = new URL(page.url());
    assert.deepEqual([...back.searchParams], [['state', 'a b&"<']]);

    for (const [party, more] of [[rp, [['tenant', 'a b']]], [other, []]]) {
      const [visit, ...again] = visitsOf(party, '/leave');
      assert.deepEqual([...visit.searchParams], [...more, ['iss', server.issuer], ['sid', tokens.claims().sid]]);
      assert.equal(again.length, 0, 'each page is loaded once');
      assert.equal(await sessionAt(context, party), null, 'its own session is gone');
    }
    await page.goBack(); // to the callback: the page that told them is no place to come back to
    assert.ok(!page.url().includes('/sessions/logout'), page.url());
    seen.none();
    await context.close();
  });

  test('a person who signs out here is asked, and then all are told', async () => {
    rp.visits.length = 0;
    const one = await client(rp, { frontchannel_logout_uri: `${rp.origin}/leave` });
    const { context, page, seen } = await visitor();
    await one.visit(page);
    await page.goto(`${server.issuer}/oauth2/sessions/logout`);
    assert.equal(visitsOf(rp, '/leave').length, 0, 'not before the person has said so');
    await page.click('#accept');
    await page.waitForURL(`${server.issuer}/logout/done`);
    assert.equal(visitsOf(rp, '/leave').length, 1);
    seen.none();
    await context.close();
  });

  for (const [name, press] of [['by itself', false], ['by its link', true]]) {
    test(`a page that hangs keeps nobody: on ${name}`, async () => {
      const one = await client(rp, {});
      const two = await client(other, { frontchannel_logout_uri: `${hanging.origin}/leave` });
      const { context, page, seen } = await visitor({ colorScheme: press ? 'dark' : 'light' });
      const { tokens } = await one.visit(page);
      await two.visit(page);
      const began = Date.now();
      await page.goto(one.leaving(tokens, 's'), { waitUntil: 'commit' });
      await page.waitForSelector('#continue');
      assert.match(await page.innerText('h1'), /Signing out/);
      assert.equal(await page.isVisible('iframe'), false);
      await picture(page, `signing-out-${press ? 'dark' : 'light'}`);
      if (press) await page.click('#continue');
      await page.waitForURL((at) => at.href.startsWith(rp.signedOut));
      const took = Date.now() - began;
      assert.equal(page.url(), `${rp.signedOut}?state=s`);
      assert.ok(press ? took < WAIT : took >= WAIT - 100 && took < WAIT + 3000, `${took} ms`);
      seen.none();
      await context.close();
    });
  }

  test('without JavaScript it goes on when the wait is over', async () => {
    rp.visits.length = 0;
    const one = await client(rp, { frontchannel_logout_uri: `${rp.origin}/leave` });
    const signed = await visitor();
    const { tokens } = await one.visit(signed.page);
    const cookies = await signed.context.cookies();
    const { context, page, seen } = await visitor({ javaScriptEnabled: false, colorScheme: 'dark' });
    await context.addCookies(cookies);
    await page.goto(one.leaving(tokens, 's'));
    assert.ok(await page.isVisible('#continue'));
    await picture(page, 'signing-out-without-javascript');
    await page.waitForURL((at) => at.href.startsWith(rp.signedOut));
    assert.equal(page.url(), `${rp.signedOut}?state=s`);
    assert.equal(visitsOf(rp, '/leave').length, 1);
    seen.none();
    await context.close();
    await signed.context.close();
  });

  test('a page of a client can not take the window away', async () => {
    const escape = '<!doctype html><script>try { top.location = "/stolen" } catch {} open("/popup")</script>';
    rp.publish('/escape', escape, 'text/html');
    const one = await client(rp, { frontchannel_logout_uri: `${rp.origin}/escape` });
    const { context, page, seen } = await visitor();
    const { tokens } = await one.visit(page);
    await page.goto(one.leaving(tokens));
    await page.waitForURL(rp.signedOut);
    assert.deepEqual([visitsOf(rp, '/escape').length, visitsOf(rp, '/stolen'), visitsOf(rp, '/popup')], [1, [], []]);
    // Chromium says of both that the sandbox has refused them.
    seen.forgive(/^(console|script): .*(sandbox|navigat)/);
    seen.none();
    await context.close();
  });
});

describe('session management', () => {
  /** A page of this origin with the frame of ours in it. `ask` posts what a client asks; what comes back, and from where. */
  async function watcher(context, party) {
    const frame = `<!doctype html><title>RP</title><iframe id="op" src="${server.issuer}/oauth2/sessions/check"></iframe>`;
    const page = await context.newPage();
    await page.goto(party.publish('/watch', frame, 'text/html'));
    const ask = (message) => page.evaluate(([text, issuer]) => new Promise((done) => {
      window.onmessage = ({ origin, data }) => done([origin, data]);
      document.getElementById('op').contentWindow.postMessage(text, issuer);
      setTimeout(() => done('no answer'), 1000);
    }), [message, server.issuer]);
    return { page, ask, says: async (word, message) => assert.deepEqual(await ask(message), [server.issuer, word]) };
  }

  test('a client sees that nothing has changed, and then that somebody has gone', async () => {
    const one = await client(rp);
    const { context, page, seen } = await visitor();
    const { answer, tokens } = await one.visit(page);
    const asked = `${one.id} ${answer.searchParams.get('session_state')}`;
    const { says } = await watcher(context, rp);
    await says('unchanged', asked);
    await says('unchanged', asked);
    // Another visit changes nothing, and is told in other words.
    const again = await one.visit(page);
    assert.notEqual(again.answer.searchParams.get('session_state'), answer.searchParams.get('session_state'));
    await says('unchanged', asked);
    await says('unchanged', `${one.id} ${again.answer.searchParams.get('session_state')}`);
    // By the client.
    await page.goto(one.leaving(tokens));
    await page.waitForURL(rp.signedOut);
    await says('changed', asked);
    // Somebody signs in again: another session.
    const next = await one.visit(page);
    await says('changed', asked);
    const now = `${one.id} ${next.answer.searchParams.get('session_state')}`;
    await says('unchanged', now);
    // By the person.
    await page.goto(`${server.issuer}/oauth2/sessions/logout`);
    await page.click('#accept');
    await page.waitForURL(`${server.issuer}/logout/done`);
    await says('changed', now);
    seen.none();
    await context.close();
  });

  test('it is for one client at one origin, and what is no question is an error', async () => {
    const one = await client(rp);
    const { context, page, seen } = await visitor();
    const { answer } = await one.visit(page);
    const state = answer.searchParams.get('session_state');
    const { says, ask } = await watcher(context, rp);
    await says('unchanged', `${one.id} ${state}`);
    await says('changed', `another ${state}`);
    await says('changed', `${one.id} ${state.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))}`);
    for (const wrong of ['', one.id, state, ` ${state}`, `${one.id} `, `${one.id} x`, `${one.id} ${state}.x`, 'x'.repeat(2000)]) {
      await says('error', wrong);
    }
    for (const odd of [null, 1, { client: one.id }, [one.id, state]]) assert.deepEqual(await ask(odd), [server.issuer, 'error']);
    const elsewhere = await watcher(context, other);
    await elsewhere.says('changed', `${one.id} ${state}`);
    // Beside the frame: a page of the client's own is answered, and one of anybody else's is refused.
    const beside = `<!doctype html><script>
      onmessage = ({ data, source, origin }) => { if (source === parent) parent.frames[0].postMessage(data, '*'); else parent.postMessage([origin, data], '*') }
    </script>`;
    for (const [party, word] of [[rp, 'unchanged'], [other, 'error']]) {
      const { page: watching } = await watcher(context, rp);
      const said = await watching.evaluate(([src, text]) => new Promise((done) => {
        window.onmessage = ({ source, data }) => source === window.frames[1] && done(data);
        const frame = Object.assign(document.createElement('iframe'), { src });
        frame.onload = () => frame.contentWindow.postMessage(text, '*');
        document.body.append(frame);
      }), [party.publish('/beside', beside, 'text/html'), `${one.id} ${state}`]);
      assert.deepEqual(said, [server.issuer, word]);
    }
    seen.none();
    await context.close();
  });

  test('nobody is signed in: that too is a state that changes', async () => {
    const one = await client(rp);
    const { context, page, seen } = await visitor();
    const query = new URLSearchParams({
      client_id: one.id, redirect_uri: rp.callback, response_type: 'code', scope: 'openid', prompt: 'none', state: 's',
    });
    await page.goto(`${server.issuer}/oauth2/auth?${query}`);
    const refused = new URL(page.url()).searchParams;
    assert.equal(refused.get('error'), 'login_required');
    const { says } = await watcher(context, rp);
    await says('unchanged', `${one.id} ${refused.get('session_state')}`);
    // Nobody else can tell that it is so.
    const salt = 'A'.repeat(22);
    const guess = createHash('sha256').update(`${one.id} ${new URL(rp.callback).origin}  ${salt}`).digest('base64url');
    await says('changed', `${one.id} ${guess}.${salt}`);
    await one.visit(page);
    await says('changed', `${one.id} ${refused.get('session_state')}`);
    await context.clearCookies();
    await says('error', `${one.id} ${refused.get('session_state')}`);
    seen.none();
    await context.close();
  });
});
