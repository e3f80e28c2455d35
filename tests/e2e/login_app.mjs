// A login, consent and logout app as somebody has it who runs Hydra: it knows nothing of the server but Ory's SDK.
//
// Anybody whose password is `open sesame` gets in. `acr_values` with a 2 wants a one-time code too, which is 123456.

import { createServer } from 'node:http';
import { Configuration, OAuth2Api } from '@ory/hydra-client';

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);

const page = (title, action, fields) => `<!doctype html><title>${title}</title><h1>${title}</h1>
<form method="post" action="${escape(action)}">${fields}
<button id="accept" name="action" value="accept">Yes</button><button id="reject" name="action" value="reject">No</button>
</form>`;

const hidden = (name, value) => `<input type="hidden" name="${name}" value="${escape(value)}">`;

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return new URLSearchParams(text);
}

/** Starts the app on `port`, with the SDK on the admin API at `admin`. */
export async function loginApp(port, admin) {
  const hydra = new OAuth2Api(new Configuration({ basePath: admin }));
  /** What the app was asked, newest last: the SDK's own objects. */
  const seen = { login: [], consent: [], logout: [] };

  const wantsCode = (login) => login.oidc_context?.acr_values?.includes('2') ?? false;

  async function acceptLogin(challenge, login, subject, remember) {
    const { data } = await hydra.acceptOAuth2LoginRequest({
      loginChallenge: challenge,
      acceptOAuth2LoginRequest: {
        subject, remember, remember_for: 3600, acr: wantsCode(login) ? '2' : '1',
        amr: wantsCode(login) ? ['pwd', 'otp'] : ['pwd'], context: { greeting: `Hello ${subject}` },
      },
    });
    return data.redirect_to;
  }

  async function acceptConsent(challenge, consent, scope, remember) {
    const { data } = await hydra.acceptOAuth2ConsentRequest({
      consentChallenge: challenge,
      acceptOAuth2ConsentRequest: {
        grant_scope: scope,
        grant_access_token_audience: consent.requested_access_token_audience,
        remember, remember_for: 0,
        session: { access_token: { tenant: 'blue' }, id_token: { email: `${consent.subject}@crm.example` } },
      },
    });
    return data.redirect_to;
  }

  const routes = {
    async 'GET /login'(query) {
      const challenge = query.get('login_challenge');
      const { data: login } = await hydra.getOAuth2LoginRequest({ loginChallenge: challenge });
      seen.login.push(login);
      if (login.skip && !wantsCode(login)) return { to: await acceptLogin(challenge, login, login.subject, true) };
      const account = login.skip ? hidden('email', login.subject) : '<input id="email" name="email"><input id="password" name="password" type="password"><input id="remember" name="remember" type="checkbox" value="1">';
      const code = wantsCode(login) ? '<input id="code" name="code">' : '';
      return { html: page('Sign in', '/login', `${hidden('login_challenge', challenge)}${account}${code}`) };
    },
    async 'POST /login'(query, form) {
      const challenge = form.get('login_challenge');
      const { data: login } = await hydra.getOAuth2LoginRequest({ loginChallenge: challenge });
      if (form.get('action') === 'reject') {
        const { data } = await hydra.rejectOAuth2LoginRequest({
          loginChallenge: challenge,
          rejectOAuth2Request: { error: 'access_denied', error_description: 'They would rather not.' },
        });
        return { to: data.redirect_to };
      }
      if (!login.skip && form.get('password') !== 'open sesame') return { status: 403, html: 'Wrong password.' };
      if (wantsCode(login) && form.get('code') !== '123456') return { status: 403, html: 'Wrong code.' };
      return { to: await acceptLogin(challenge, login, form.get('email'), login.skip || form.has('remember')) };
    },
    async 'GET /consent'(query) {
      const challenge = query.get('consent_challenge');
      const { data: consent } = await hydra.getOAuth2ConsentRequest({ consentChallenge: challenge });
      seen.consent.push(consent);
      if (consent.skip) return { to: await acceptConsent(challenge, consent, consent.requested_scope, false) };
      const boxes = consent.requested_scope.map((scope) => `<input id="${escape(scope)}" type="checkbox" name="grant_scope" value="${escape(scope)}" checked>`);
      const remember = '<input id="remember" name="remember" type="checkbox" value="1">';
      return { html: page(consent.context.greeting, '/consent', `${hidden('consent_challenge', challenge)}${boxes.join('')}${remember}`) };
    },
    async 'POST /consent'(query, form) {
      const challenge = form.get('consent_challenge');
      if (form.get('action') === 'reject') {
        const { data } = await hydra.rejectOAuth2ConsentRequest({
          consentChallenge: challenge,
          rejectOAuth2Request: { error: 'access_denied', error_description: 'The resource owner denied the request' },
        });
        return { to: data.redirect_to };
      }
      const { data: consent } = await hydra.getOAuth2ConsentRequest({ consentChallenge: challenge });
      return { to: await acceptConsent(challenge, consent, form.getAll('grant_scope'), form.has('remember')) };
    },
    async 'GET /logout'(query) {
      const challenge = query.get('logout_challenge');
      const { data: logout } = await hydra.getOAuth2LogoutRequest({ logoutChallenge: challenge });
      seen.logout.push(logout);
      return { html: page('Sign out', '/logout', hidden('logout_challenge', challenge)) };
    },
    async 'POST /logout'(query, form) {
      const challenge = form.get('logout_challenge');
      if (form.get('action') === 'reject') {
        await hydra.rejectOAuth2LogoutRequest({ logoutChallenge: challenge });
        return { to: '/stayed' };
      }
      const { data } = await hydra.acceptOAuth2LogoutRequest({ logoutChallenge: challenge });
      return { to: data.redirect_to };
    },
  };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, `http://127.0.0.1:${port}`);
    try {
      const route = routes[`${request.method} ${url.pathname}`];
      const form = request.method === 'POST' ? await body(request) : undefined;
      const { status, html, to } = route ? await route(url.searchParams, form) : { status: 404, html: 'Nothing here.' };
      if (to) response.writeHead(302, { location: to }).end();
      else response.writeHead(status ?? 200, { 'content-type': 'text/html; charset=utf-8' }).end(html);
    } catch (error) {
      // What was answered before goes on to where the server says (410).
      if (error.response?.status === 410) response.writeHead(302, { location: error.response.data.redirect_to }).end();
      else response.writeHead(500).end(`${error}\n${JSON.stringify(error.response?.data)}`);
    }
  });
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    stop: () => new Promise((done) => {
      server.close(done);
      server.closeAllConnections();
    }),
  };
}
