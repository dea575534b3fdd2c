"""A chat's incoming webhook: an HTTP server of the test that keeps what it got."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


class Webhook:
    """Where it is, what it got, and the status that it answers with."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.messages: list[str] = []
        self.status = 200


@contextmanager
def serve_webhook() -> Iterator[Webhook]:
    """Serve it on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert body["text"] == body["content"]
            if webhook.status == 200:
                webhook.messages.append(body["text"])
            self.send_response(webhook.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  (as in the base class)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        webhook = Webhook(f"http://127.0.0.1:{server.server_port}/hook")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield webhook
        finally:
            server.shutdown()
            thread.join()
