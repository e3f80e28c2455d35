// What every test file needs: the program under test, free ports, Chromium, and a browser's work done by plain fetch.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
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

const isMap = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** The settings of both; a section that both have is merged, and what is in it of the second goes before. */
function merge(ours, theirs) {
  const merged = { ...ours };
  for (const [name, value] of Object.entries(theirs)) {
    merged[name] = isMap(value) && isMap(merged[name]) ? merge(merged[name], value) : value;
  }
  return merged;
}

/** Flags that are not the member's name with dashes. */
const FLAGS = {
  client_id: 'id', client_secret: 'secret', client_name: 'name', redirect_uris: 'redirect-uri', grant_types: 'grant-type',
  response_types: 'response-type', request_uris: 'request-uri', post_logout_redirect_uris: 'post-logout-callback',
  backchannel_logout_uri: 'backchannel-logout-callback', frontchannel_logout_uri: 'frontchannel-logout-callback',
};

/** Client metadata (RFC 7591 section 2) as `hydrant client create` takes it. */
const flags = (metadata) => Object.entries(metadata).flatMap(([name, value]) => {
  const flag = `--${FLAGS[name] ?? name.replaceAll('_', '-')}`;
  if (typeof value === 'boolean') return [`${flag}=${value}`];
  return [isMap(value) ? JSON.stringify(value) : value].flat().flatMap((one) => [flag, String(one)]);
});

/** `hydrant serve` on free ports with a database of its own and one user. `settings` go into its configuration. */
export async function serve(settings = {}) {
  const folder = await temporaryFolder();
  const [publicPort, adminPort] = await freePorts(2);
  const issuer = `http://127.0.0.1:${publicPort}`;
  const config = join(folder.path, 'hydrant.yml');
  // JSON is YAML.
  await writeFile(config, JSON.stringify(merge({
    dev: true,
    dsn: `sqlite://${folder.path}/hydrant.db`,
    serve: { public: { host: '127.0.0.1', port: publicPort }, admin: { host: '127.0.0.1', port: adminPort } },
    urls: { self: { issuer } },
    secrets: { system: ['a secret of this test alone, and long'] },
    oauth2: { introspection: { public: true }, grant: { authorization_code: { replay_grace_period: '0s' } } },
  }, settings)));

  const user = { username: 'alice', email: 'alice@example.com', password: 'correct horse battery staple', name: 'Alice Adams' };
  try {
    await run(['migrate', 'up', '-c', config]);
    await run(
      ['user', 'create', '--username', user.username, '--email', user.email, '--password-stdin',
        '--claims', JSON.stringify({ name: user.name, email_verified: true }), '-c', config],
      { input: `${user.password}\n` },
    );
    const server = await start(['serve', '--dev', '-c', config], `${issuer}/health/ready`);
    const admin = `http://127.0.0.1:${adminPort}`;
    return {
      issuer, admin, user,
      output: server.output,
      /** What to type on the pages. */
      answers: () => ({ login: { email: user.email, password: user.password } }),
      /** Registers a client by the command line; its metadata as the server has them now, and its secret. */
      async register(metadata) {
        return JSON.parse(await run(['client', 'create', ...flags(metadata), '--format', 'json', '-c', config]));
      },
      /** The same by the admin API. What the server needs for the client, such as a key, it has from then on. */
      async registerByApi(metadata) {
        const headers = { 'content-type': 'application/json' };
        const answer = await fetch(`${admin}/admin/clients`, { method: 'POST', headers, body: JSON.stringify(metadata) });
        assert.equal(answer.status, 201, await answer.clone().text());
        return answer.json();
      },
      async stop() {
        const status = await server.stop();
        await folder.remove();
        assert.equal(status, 0, `SIGTERM ended it with ${status}:\n${server.output()}`);
      },
    };
  } catch (error) {
    await folder.remove();
    throw error;
  }
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
    /** The body of a form that sends itself. */
    hidden: () => new URLSearchParams(
      controls.filter(({ type }) => type === 'hidden').map(({ name, value }) => [name, value]),
    ),
  };
}

/** A browser without a screen or scripts: keeps cookies, follows redirects one by one, fills in forms. */
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
      if (pair.startsWith('hydrant')) assert.ok(flags.includes('httponly'), `a cookie that scripts can read: ${line}`);
      const gone = flags.some((flag) => flag === 'max-age=0' || flag.startsWith('expires=thu, 01 jan 1970'));
      if (gone) this.cookies.delete(pair.slice(0, at));
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return response;
  }

  /** One request by hand: nothing is followed, nothing is filled in. */
  get(url) {
    return this.#fetch(url);
  }

  /**
   * Goes to `url` and on until the server sends the browser to `away`: the address, or the request if it is a POST, as
   * the client's server gets it. `answers` says what to type on the page that asks for it, and what to press if not
   * `accept`: { login: { email, password, remember }, consent: { press: 'reject' } }.
   */
  async go(url, away, answers = {}) {
    const before = this.asked.length;
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
      if (page.action.startsWith(away)) return new Request(page.action, { method: 'POST', body: page.hidden() });
      const asked = page.has('password') ? 'login' : /name="(\w+)_challenge"/.exec(html)?.[1];
      this.asked.push(asked);
      const times = this.asked.slice(before).filter((name) => name === asked).length;
      assert.ok(times < 3, `the ${asked} page comes again and again:\n${html}`);
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
