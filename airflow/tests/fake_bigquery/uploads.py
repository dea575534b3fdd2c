"""Uploads: a job and its media in one request, or in a session of pieces."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.fake_bigquery.api_error import invalid, not_found
from tests.fake_bigquery.discovery import ViolationError

_PIECE = 256 * 1024
_RANGE = re.compile(r"bytes (?:(?P<first>\d+)-(?P<last>\d+)|\*)/(?P<total>\d+|\*)")


@dataclass
class Session:
    """A resumable upload."""

    job: dict[str, Any]
    received: bytearray = field(default_factory=bytearray)

    def add(self, content_range: str, piece: bytes) -> bool:
        """Take a piece; returns whether it was the last. What was there already may come again."""
        found = _RANGE.fullmatch(content_range)
        if found is None:
            raise ViolationError(f"Content-Range {content_range!r}")
        first = int(found["first"] or len(self.received))
        if found["first"] is not None and int(found["last"]) - first + 1 != len(piece):
            raise ViolationError(f"{content_range} with {len(piece)} bytes")
        if first > len(self.received):
            raise invalid(f"Invalid request: {len(self.received)} bytes are here, the next piece starts at {first}")
        last = found["total"] != "*"
        if not last and len(piece) % _PIECE:
            raise ViolationError("a piece is not a multiple of 256 KiB")
        self.received[first:] = piece
        if last and int(found["total"]) != len(self.received):
            raise invalid(f"{len(self.received)} bytes came of {found['total']}")
        return last


class Sessions:
    """Uploads under way. A finished one is gone: what comes for it again is refused."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}
        self.started: list[str] = []

    def start(self, job: dict[str, Any]) -> str:
        upload_id = f"upload-{len(self.started)}"
        self.started.append(upload_id)
        self._open[upload_id] = Session(job)
        return upload_id

    def get(self, upload_id: str) -> Session:
        try:
            return self._open[upload_id]
        except KeyError:
            raise not_found(f"Upload {upload_id}") from None

    def finish(self, upload_id: str) -> None:
        del self._open[upload_id]


def split_multipart(content_type: str, body: bytes) -> tuple[Any, bytes]:
    """The job and the media of a multipart/related request."""
    found = re.fullmatch(r'multipart/related; boundary="(?P<boundary>[^"]+)"', content_type)
    if found is None:
        raise ViolationError(f"Content-Type {content_type!r}")
    boundary = b"--" + found["boundary"].encode()
    start, job, media, end = body.split(boundary)
    if start or end.strip() != b"--":
        raise ViolationError("not two parts")
    head, content = job.split(b"\r\n\r\n", 1)
    if b"application/json" not in head:
        raise ViolationError("the first part is not JSON")
    return json.loads(content), media.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
