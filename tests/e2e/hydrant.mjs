// What both test files need: the program under test, free ports, Chromium, and a browser's work done by plain fetch.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';

/** The program: what scripts/test built, or the debug build of this checkout. */
export const BIN = resolve(process.env.HYDRANT_BIN ?? new URL('../../target/debug/hydrant', import.meta.url).pathname);

/** Ports that were free a moment ago, all different. */
export async function freePorts(count) {
  const sockets = await Promise.all(
    Array.from({ length: count }, () => new Promise((done, fail) => {
      const socket = createSocket();
      socket.once('error', fail);
      socket.listen(0, '127.0.0.1', () => done(socket));
    })),
  );
  const ports = sockets.map((socket) => socket.address().port);
  await Promise.all(sockets.map((socket) => new Promise((done) => socket.close(done))));
  return ports;
}

export async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'hydrant-e2e-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Only what the program itself needs, so that no DSN or SECRETS_SYSTEM of the caller's gets in. */
const environment = () => ({ PATH: process.env.PATH, HOME: process.env.HOME ?? '/', RUST_BACKTRACE: '1' });

/** Runs a command of the program to its end; standard output, or an error that shows both outputs. */
export function run(args, { input = '' } = {}) {
  return new Promise((done, fail) => {
    const child = execFile(BIN, args, { env: environment(), timeout: 30_000 }, (error, stdout, stderr) => {
      if (error) fail(new Error(`hydrant ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`));
      else done(stdout);
    });
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(input);
  });
}

/** Starts a command that stays, and waits until `url` answers 200. */
export async function start(args, url) {
  const child = spawn(BIN, args, { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { output += text; });
  let ended;
  const exit = new Promise((done) => {
    child.once('error', (error) => done((ended = `did not start: ${error.message}`)));
    child.once('exit', (code, signal) => done((ended = code ?? signal)));
  });
  // No orphan, whatever happens to this process.
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);

  const server = {
    output: () => output,
    /** Ends it as an operator would; the exit status, or 'SIGKILL' if it did not go in time. */
    async stop() {
      if (ended === undefined) child.kill('SIGTERM');
      const deadline = new AbortController();
      const late = sleep(15_000, undefined, { signal: deadline.signal }).then(kill, () => {});
      await exit;
      deadline.abort();
      await late;
      process.off('exit', kill);
      return ended;
    },
  };

  for (const until = Date.now() + 30_000; ;) {
    assert.equal(ended, undefined, `hydrant ${args.join(' ')} ended (${ended}):\n${output}`);
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    if (answer?.status === 200) return server;
    if (Date.now() > until) {
      await server.stop();
      assert.fail(`hydrant ${args.join(' ')} did not get ready at ${url}:\n${output}`);
    }
    await sleep(50);
  }
}

/** `hydrant serve` on free ports with a database of its own, one client and one user; `more` is configuration. */
export async function serve({ redirectUri, postLogoutRedirectUri, more = '' }) {
  const folder = await temporaryFolder();
  const [publicPort, adminPort] = await freePorts(2);
  const issuer = `http://127.0.0.1:${publicPort}`;
  const admin = `http://127.0.0.1:${adminPort}`;
  const config = join(folder.path, 'hydrant.yml');
  await writeFile(config, `dev: true
dsn: sqlite://${folder.path}/hydrant.db
serve:
  public: { host: 127.0.0.1, port: ${publicPort} }
  admin: { host: 127.0.0.1, port: ${adminPort} }
urls: { self: { issuer: "${issuer}" } }
secrets: { system: ["a secret of this test alone, and long"] }
oauth2:
  introspection: { public: true }
  grant: { authorization_code: { replay_grace_period: 0s } }
${more}
`);

  const client = { id: 'web', secret: 'a client secret that nobody guesses' };
  const user = { username: 'alice', email: 'alice@example.com', password: 'correct horse battery staple', name: 'Alice Adams' };
  try {
    await run(['migrate', 'up', '-c', config]);
    const created = JSON.parse(await run([
      'client', 'create', '--id', client.id, '--secret', client.secret, '--redirect-uri', redirectUri,
      '--grant-type', 'authorization_code', '--grant-type', 'refresh_token', '--response-type', 'code',
      '--scope', 'openid offline_access profile email', '--token-endpoint-auth-method', 'client_secret_basic',
      '--format', 'json', '-c', config,
    ]));
    assert.equal(created.client_id, client.id);
    await run(
      ['user', 'create', '--username', user.username, '--email', user.email, '--password-stdin',
        '--claims', JSON.stringify({ name: user.name, email_verified: true }), '-c', config],
      { input: `${user.password}\n` },
    );

    const server = await start(['serve', '--dev', '-c', config], `${issuer}/health/ready`);
    // Through Hydra's admin API, as its tools do: the whole client comes back with one value more.
    const url = `${admin}/admin/clients/${client.id}`;
    const current = await (await fetch(url)).json();
    const updated = await fetch(url, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...current, post_logout_redirect_uris: [postLogoutRedirectUri] }),
    });
    assert.equal(updated.status, 200, await updated.text());

    return {
      issuer, admin, client, user,
      output: server.output,
      async stop() {
        const status = await server.stop();
        await folder.remove();
        return status;
      },
    };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** A relying party's pages: remembers every address that a browser came to. */
export async function relyingParty() {
  const visits = [];
  const server = createServer((request, response) => {
    const url = `http://127.0.0.1:${server.address().port}${request.url}`;
    if (new URL(url).pathname === '/favicon.ico') return response.writeHead(204).end();
    visits.push(url);
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>RP</title><p>back at the app');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    origin, visits,
    callback: `${origin}/cb`,
    signedOut: `${origin}/signed-out`,
    stop: () => new Promise((done) => { server.closeAllConnections(); server.close(done); }),
  };
}

// ---- a browser's work by plain fetch -------------------------------------------------------------------------------

const unescape = (text) => text
  .replace(/&(lt|gt|quot|apos|#39|#x27);/g, (_, name) => ({ lt: '<', gt: '>', quot: '"' })[name] ?? "'")
  .replaceAll('&amp;', '&');

function attributes(tag) {
  const found = {};
  for (const [, name, value] of tag.matchAll(/([a-z-]+)(?:="([^"]*)")?/g)) found[name] ??= unescape(value ?? '');
  return found;
}

/** The first form of a page: where it posts to, and its controls by id. */
export function form(html) {
  const [, head, body] = /<form([^>]*)>([\s\S]*?)<\/form>/.exec(html) ?? assert.fail(`there is no form:\n${html}`);
  const controls = [...body.matchAll(/<(input|button)\b([^>]*)>/g)].map(([, kind, rest]) => ({ kind, ...attributes(rest) }));
  return {
    action: attributes(head).action,
    method: attributes(head).method,
    has: (id) => controls.some((control) => control.id === id),
    /** The body that pressing `#press` sends, with `typed` by id; true and false are for checkboxes. */
    press(press, typed = {}) {
      const sent = new URLSearchParams();
      for (const id of Object.keys(typed)) assert.ok(this.has(id), `the form has no #${id}`);
      for (const control of controls) {
        const given = typed[control.id];
        if (!control.name) continue;
        if (control.kind === 'button') {
          if (control.id === press) sent.append(control.name, control.value);
        } else if (control.type === 'checkbox') {
          if (given ?? 'checked' in control) sent.append(control.name, control.value ?? 'on');
        } else sent.append(control.name, given ?? control.value ?? '');
      }
      assert.ok(this.has(press), `the form has no #${press}`);
      return sent;
    },
  };
}

/** A browser without a screen: keeps cookies, follows redirects one by one, fills in forms. */
export class Browser {
  cookies = new Map();
  /** Each page that was shown, by what it asks: 'login', 'consent', 'logout'. */
  asked = [];

  async #fetch(url, init = {}) {
    const origin = new URL(url).origin;
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      signal: AbortSignal.timeout(30_000),
      headers: {
        ...init.headers,
        accept: 'text/html',
        cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        ...(init.method === 'POST' ? { origin } : {}),
      },
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...rest] = line.split(';').map((part) => part.trim());
      const at = pair.indexOf('=');
      const flags = rest.map((part) => part.toLowerCase());
      assert.ok(flags.includes('httponly'), `a cookie that scripts can read: ${line}`);
      if (flags.includes('max-age=0')) this.cookies.delete(pair.slice(0, at));
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return response;
  }

  /**
   * Goes to `url` and on until the server sends the browser to `away`; the address it is sent to. `answers` says what
   * to type on the page that asks for it, and what to press if not `accept`:
   * { login: { email, password, remember }, consent: { press: 'reject' } }.
   */
  async go(url, away, answers = {}) {
    let response = await this.#fetch(url);
    for (let hops = 0; hops < 20; hops += 1) {
      const location = response.headers.get('location');
      if (location) {
        assert.ok([302, 303].includes(response.status), `a redirect by ${response.status}`);
        url = new URL(location, url).href;
        if (url.startsWith(away)) return new URL(url);
        response = await this.#fetch(url);
        continue;
      }
      const html = await response.text();
      assert.equal(response.status, 200, `${url}:\n${html}`);
      const page = form(html);
      const asked = page.has('password') ? 'login' : /name="(\w+)_challenge"/.exec(html)?.[1];
      this.asked.push(asked);
      assert.ok(this.asked.filter((name) => name === asked).length < 3, `the ${asked} page comes again and again:\n${html}`);
      assert.equal(page.method, 'post');
      url = new URL(page.action, url).href;
      const { press = 'accept', ...typed } = answers[asked] ?? {};
      response = await this.#fetch(url, { method: 'POST', body: page.press(press, typed) });
    }
    return assert.fail(`more than 20 redirects, last to ${url}`);
  }
}

// ---- the real browser ----------------------------------------------------------------------------------------------

/** Debian's Chromium, kept from calling home: what it asks for beside our pages would fail a test for its own reasons. */
export const launchChromium = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});

/** Collects what a good page never causes: console errors, blocked content, script errors, requests to elsewhere. */
export function watch(context) {
  const complaints = [];
  context.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text()} (${message.location().url})`);
  });
  context.on('weberror', (error) => complaints.push(`script: ${error.error()}`));
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (!['127.0.0.1', ''].includes(url.hostname)) complaints.push(`request: ${request.url()}`);
  });
  context.on('requestfailed', (request) => {
    // A navigation that the next one overtakes is aborted; that is no failure.
    const why = request.failure()?.errorText;
    if (why !== 'net::ERR_ABORTED') complaints.push(`request: ${request.url()} ${why}`);
  });
  return {
    complaints,
    /** An error page is itself an HTTP error, which Chromium reports to the console. */
    forgive: (pattern) => {
      const kept = complaints.filter((complaint) => !pattern.test(complaint));
      complaints.splice(0, complaints.length, ...kept);
    },
    none: () => assert.deepEqual(complaints, []),
  };
}
