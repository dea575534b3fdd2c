"""Problem, the exception that is sent as an RFC 9457 problem: one class per problem type."""

from collections.abc import Mapping
from typing import ClassVar


class Problem(Exception):
    """Raised anywhere, sent as problem+json. The class docstring explains the type at `/problems/{code}`.

    `members` are further members of the response, `headers` further headers.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self, detail: str, *, headers: Mapping[str, str] | None = None, members: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.members = members or {}


class Unavailable(Problem):
    """Not now: ask again after `Retry-After` seconds."""

    status = 503
    code = "unavailable"
    title = "Not available at the moment"
    retry_after: ClassVar[int] = 1

    def __init__(self, detail: str, *, members: Mapping[str, object] | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(self.retry_after)}, members=members)
