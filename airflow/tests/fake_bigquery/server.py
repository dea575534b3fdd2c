"""The fake as a server on a loopback port, for Google's own client to talk to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fake_bigquery.api_error import ApiError, not_found
from tests.fake_bigquery.calls import Calls
from tests.fake_bigquery.discovery import (
    Call,
    ViolationError,
    check_parameters,
    check_request,
    check_response,
    find_call,
)
from tests.fake_bigquery.faults import UPLOAD, Answer, CutOff, Fault, Faults, LostAnswer
from tests.fake_bigquery.jobs import Jobs
from tests.fake_bigquery.permissions import DOCUMENTED, Grants
from tests.fake_bigquery.queries import Result
from tests.fake_bigquery.read_sessions import ReadSessions, serving_reads
from tests.fake_bigquery.storage import Storage
from tests.fake_bigquery.uploads import Sessions, split_multipart

_UPLOADS = "/upload"
_MORE = 308


@dataclass(frozen=True)
class Request:
    """A request that was made."""

    call: str
    parameters: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


class FakeBigQuery:
    """BigQuery for one project: what it holds, what was asked of it, and what is to go wrong."""

    def __init__(self, project: str = "test-project") -> None:
        self.project = project
        self.calls = Calls(project)
        self.faults = Faults()
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.url = ""
        self.read_address = ""
        """Where its Storage Read API is served."""
        self.sessions = Sessions()
        self.reads = ReadSessions()
        self.grants = Grants.of(*DOCUMENTED)
        self.lock = Lock()

    @property
    def storage(self) -> Storage:
        return self.calls.storage

    @property
    def jobs(self) -> Jobs:
        return self.calls.jobs

    def readable(self, path: str) -> Result:
        """What a table holds that a read session is wanted for; refused without the permissions for it."""
        _, project, _, dataset, _, name = path.split("/")
        if project != self.project:
            raise not_found(path)
        self.grants.check_read_session(dataset)
        with self.lock:
            return self.calls.rows_of(dataset, name)

    def made(self, call: str) -> list[Request]:
        """Requests of one call."""
        return [request for request in self.requests if request.call == call]


@contextmanager
def serving(fake: FakeBigQuery) -> Iterator[FakeBigQuery]:
    """Serve it; `url` is where."""

    class Handler(_Handler):
        bigquery = fake

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with serving_reads(fake.reads, fake.readable) as fake.read_address:
                yield fake
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Answers in one packet: the client would wait for the rest of one that comes in pieces.
    wbufsize = -1
    disable_nagle_algorithm = True
    bigquery: FakeBigQuery

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  (so the standard library calls them)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        path, query = unquote(url.path), dict(parse_qsl(url.query, keep_blank_values=True))
        length = int(self.headers.get("Content-Length", 0))
        fault: Fault | None = None
        try:
            call, given = find_call("POST" if self.command == "PUT" else self.command, path.removeprefix(_UPLOADS))
            fault = self.bigquery.faults.take(UPLOAD if self.command == "PUT" else call.id)
            if isinstance(fault, CutOff):
                self.rfile.read(length // 2)
                self._hang_up()
                return
            body = self.rfile.read(length)
            with self.bigquery.lock:
                if isinstance(fault, Answer):
                    raise fault.error
                reply = (self._upload if path.startswith(_UPLOADS) else self._reply)(call, given, query, body)
        except ApiError as error:
            reply = Reply(error.status, error.body)
        except (ViolationError, NotImplementedError, KeyError, ValueError) as error:
            self.bigquery.violations.append(f"{self.command} {self.path}: {error!r}")
            reply = Reply(400, ApiError(400, "invalid", f"violation: {error!r}").body)
        if isinstance(fault, LostAnswer):
            self._hang_up()
        else:
            self._send(reply)

    def _reply(self, call: Call, given: dict[str, str], query: dict[str, str], body: bytes) -> Reply:
        check_parameters(call, given, query)
        content: Any = json.loads(body) if body else None
        check_request(call, content)
        self.bigquery.requests.append(Request(call.id, given | query, content))
        self.bigquery.grants.check(call.id, given, content)
        answer: Any
        if call.id.endswith("testIamPermissions"):
            answer = self._test_permissions(given["resource"], content["permissions"])
        else:
            answer = self.bigquery.calls(call.id, given | query, content)
        if call.id == "datasets.insert":
            self.bigquery.grants.own(content["datasetReference"]["datasetId"])
        if answer is None:
            return Reply(204)
        check_response(call, answer)
        return Reply(200, answer)

    def _test_permissions(self, resource: str, wanted: list[str]) -> dict[str, list[str]]:
        """Of a project, or of a table by its path."""
        parts = resource.split("/")
        held = self.bigquery.grants.held(wanted, parts[3] if len(parts) > 1 else None)
        return {"permissions": held} if held else {}

    def _upload(self, call: Call, given: dict[str, str], query: dict[str, str], body: bytes) -> Reply:
        """Media uploads; `upload_id` belongs to the protocol, not to the API."""
        sessions = self.bigquery.sessions
        upload_id = query.pop("upload_id", None)
        check_parameters(call, given, query)
        if upload_id is not None:
            session = sessions.get(upload_id)
            if not session.add(self.headers["Content-Range"], body):
                received = (("Range", f"bytes=0-{len(session.received) - 1}"),) if session.received else ()
                return Reply(_MORE, headers=received)
            sessions.finish(upload_id)
            return self._insert(call, session.job, bytes(session.received))
        if query["uploadType"] == "multipart":
            job, media = split_multipart(self.headers["Content-Type"], body)
            return self._insert(call, job, media)
        job = json.loads(body)
        check_request(call, job)
        where = f"{self.bigquery.url}{self.path}&upload_id={sessions.start(job)}"
        return Reply(200, headers=(("Location", where),))

    def _insert(self, call: Call, job: Any, media: bytes) -> Reply:
        check_request(call, job)
        self.bigquery.requests.append(Request(call.id, {}, job))
        self.bigquery.grants.check(call.id, {}, job)
        answer = self.bigquery.calls.jobs.insert(job, media)
        check_response(call, answer)
        return Reply(200, answer)

    def _send(self, reply: Reply) -> None:
        content = b"" if reply.body is None else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
