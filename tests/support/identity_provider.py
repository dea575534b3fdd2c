"""A small identity provider: OpenID Connect with PKCE, on loopback, for one client and one person."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "orderwatch", "not-for-others"


class Provider(ThreadingHTTPServer):
    """Lets everyone in at once as `claims`; `changes` replace members of the next id token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_address[1]}"
        self.claims: dict[str, Any] = {"sub": "person-7", "name": "Dina", "groups": ["fraud-analysts"]}
        self.changes: dict[str, Any] = {}
        self.key = RSAKey.generate_key(2048, {"kid": "first"})
        self.signing_key = self.key
        self.codes: dict[str, dict[str, str]] = {}

    def id_token(self, nonce: str) -> str:
        """The token of who signs in."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": nonce, **self.claims}
        return jwt.encode({"alg": "RS256", "kid": "first"}, {**claims, **self.changes}, self.signing_key)


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/.well-known/openid-configuration":
            issuer = self.server.issuer
            self._send({"issuer": issuer, "authorization_endpoint": f"{issuer}/authorize",
                        "token_endpoint": f"{issuer}/token", "jwks_uri": f"{issuer}/keys"})  # fmt: skip
        elif url.path == "/keys":
            self._send({"keys": [self.server.key.as_dict(private=False)]})
        elif url.path == "/authorize":
            given = {name: values[0] for name, values in parse_qs(url.query).items()}
            code = f"code-{len(self.server.codes)}"
            self.server.codes[code] = given
            self.send_response(303)
            self.send_header(
                "Location", f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state']})}"
            )
            self.end_headers()
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        given = {name: values[0] for name, values in parse_qs(body).items()}
        begun = self.server.codes.pop(given.get("code", ""), None)
        secret = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if begun is None or begun["code_challenge"] != challenge or self.headers["Authorization"] != f"Basic {secret}":
            self._send({"error": "invalid_grant"}, 400)
        else:
            token = self.server.id_token(begun["nonce"])
            self._send({"access_token": "unused", "token_type": "Bearer", "id_token": token})

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what went wrong."""

    def _send(self, document: dict[str, Any], status: int = 200) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serve_provider() -> Iterator[Provider]:
    """Serve it until the end."""
    with Provider() as provider:
        serving = threading.Thread(target=provider.serve_forever)
        serving.start()
        try:
            yield provider
        finally:
            provider.shutdown()
            serving.join()
