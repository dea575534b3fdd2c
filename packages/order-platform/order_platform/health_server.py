"""The small HTTP server beside a worker process: `/healthz`, `/readyz` and `/metrics`.

It runs in a thread: it responds also while the event loop is busy with a batch.
"""

import json
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

Check = Callable[[], str | None]
"""The problem as a message, None when there is none. Called from another thread: it only reads."""


class PortTakenError(RuntimeError):
    """Another process uses the port; the text names the setting that changes it."""


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class names it so)
        """Probes come every few seconds and are not logged."""


class HealthServer:
    """Serves health and metrics on a port (0 picks a free one, see `port`). Use as a context manager."""

    def __init__(
        self, host: str, port: int, *, port_setting: str, registry: CollectorRegistry, healthy: Check, ready: Check
    ) -> None:
        metrics = make_wsgi_app(registry)
        checks = {"/healthz": healthy, "/readyz": ready}

        def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "/")
            if path == "/metrics":
                response: Iterable[bytes] = metrics(environ, start_response)
                return response
            check = checks.get(path)
            if check is None:
                start_response("404 Not Found", [("Content-Type", "text/plain")])
                return [b"there is /healthz, /readyz and /metrics\n"]
            problem = check()
            start_response(
                "200 OK" if problem is None else "503 Service Unavailable", [("Content-Type", "application/json")]
            )
            return [
                json.dumps({"status": "ok" if problem is None else "unavailable", "problem": problem}).encode() + b"\n"
            ]

        try:
            self._server = make_server(host, port, serve, server_class=WSGIServer, handler_class=_QuietHandler)
        except OSError as error:
            raise PortTakenError(
                f"port {port} on {host} is taken; set {port_setting} to another one, or 0 for any ({error})"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
