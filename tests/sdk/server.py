"""`hydrant serve` for the SDK's tests, and a browser's work by plain HTTP."""

import html
import http.cookiejar
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.environ.get("HYDRANT_BIN", str(ROOT / "target/debug/hydrant"))
PASSWORD = "correct horse battery staple"


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Server:
    """The program, with one person in its database and registration open to all."""

    def __init__(self, urls=None):
        """`urls` are pages of other apps."""
        self.folder = tempfile.TemporaryDirectory(prefix="hydrant-sdk-")
        public, admin = free_ports(2)
        self.issuer = f"http://127.0.0.1:{public}"
        self.admin = f"http://127.0.0.1:{admin}"
        urls = json.dumps({"self": {"issuer": self.issuer}, **(urls or {})})
        self.config = pathlib.Path(self.folder.name) / "hydrant.yml"
        self.config.write_text(f"""
dev: true
dsn: sqlite://{self.folder.name}/hydrant.db
serve:
  public: {{ host: 127.0.0.1, port: {public} }}
  admin: {{ host: 127.0.0.1, port: {admin} }}
urls: {urls}
secrets: {{ system: ["a secret of this test alone, and long"] }}
oidc: {{ dynamic_client_registration: {{ enabled: true }} }}
""")
        self.run("migrate", "up")
        self.run(
            "user", "create", "--username", "alice", "--email", "alice@example.com", "--password-stdin",
            "--claims", '{"name": "Alice Adams", "email_verified": true, "updated_at": 1700000000}',
            input=PASSWORD + "\n",
        )
        self.log = open(pathlib.Path(self.folder.name) / "log", "w+")
        self.process = subprocess.Popen(
            [BIN, "serve", "-c", str(self.config)], stdout=self.log, stderr=self.log, env=self.environment())
        self.wait()

    @staticmethod
    def environment():
        return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    def run(self, *arguments, input=""):
        done = subprocess.run(
            [BIN, *arguments, "-c", str(self.config)], input=input, capture_output=True, text=True, timeout=60,
            env=self.environment())
        if done.returncode:
            raise RuntimeError(f"hydrant {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def wait(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"{self.issuer}/health/ready", timeout=2):
                    return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError("the server did not get ready")
                time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.log.seek(0)
        log = self.log.read()
        self.log.close()
        self.folder.cleanup()
        return status, log

    def code(self, client_id, redirect_uri, scope):
        """Signs alice in to the client, which she allows everything that it asks for."""
        query = urllib.parse.urlencode({
            "response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "scope": scope,
            "state": "a state of this very request", "nonce": "a nonce of this very request",
        })
        browser = Browser(self.issuer)
        url = browser.go(f"{self.issuer}/oauth2/auth?{query}")
        answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        assert url.startswith(redirect_uri), url
        assert answer.get("state") == "a state of this very request", answer
        return answer["code"]


class Browser(urllib.request.HTTPRedirectHandler):
    """Keeps cookies, fills in forms, and stops where it is led away from the server."""

    def __init__(self, issuer):
        self.issuer = issuer
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(self, cookies)

    def redirect_request(self, request, *rest):
        return None

    def open(self, url, fields=None):
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        headers = {"Accept": "text/html", "Origin": self.issuer} if data else {"Accept": "text/html"}
        try:
            with self.opener.open(urllib.request.Request(url, data, headers), timeout=30) as answer:
                return None, answer.read().decode()
        except urllib.error.HTTPError as answer:
            if answer.code in (302, 303):
                return answer.headers["Location"], ""
            raise RuntimeError(f"{url}: {answer.code} {answer.read().decode()}") from answer

    def go(self, url):
        location, page = self.open(url)
        for _ in range(20):
            if location is not None:
                if not location.startswith(self.issuer):
                    return location
                location, page = self.open(location)
                continue
            action = html.unescape(re.search(r'<form[^>]* action="([^"]*)"', page)[1])
            kind, challenge = re.search(r'name="(login|consent)_challenge" value="([^"]*)"', page).groups()
            fields = [(f"{kind}_challenge", html.unescape(challenge)), ("action", "accept")]
            if kind == "login":
                fields += [("email", "alice"), ("password", PASSWORD)]
            else:
                scopes = re.findall(r'name="grant_scope" type="checkbox" value="([^"]*)"', page)
                fields += [("grant_scope", html.unescape(scope)) for scope in scopes]
            location, page = self.open(urllib.parse.urljoin(self.issuer, action), fields)
        raise RuntimeError("the pages come again and again")
