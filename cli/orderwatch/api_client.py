"""Client of the API; a problem in its response becomes an error with advice."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Self
from urllib.parse import SplitResult, quote, urlsplit

import httpx

from order_platform.command_line.errors import CommandError, ExitCode, SettingsError, UnavailableError
from orderwatch.environment import not_set_error, reach_advice, read_variables

Fields = dict[str, Any]

TIMEOUT = httpx.Timeout(15.0, connect=5.0)
PAGE = 100
MART_PAGE = 1_000
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_STRAY = {
    "\n": "a line break", "\r": "a line break", " ": "a space", "\t": "a tab", "\0": "a NUL character",
    '"': "a quotation mark", "'": "a quotation mark", "\ufeff": "a byte order mark",
}  # fmt: skip
_ADVICE = {
    "not-authenticated": "ORDERWATCH_API_KEY is not a valid key of this API, or was revoked: "
    "`order-api keys create --name NAME --role read` makes one.",
    "not-permitted": "Ask for a key with a larger role: `order-api keys create`.",
}


class ApiProblem(CommandError):
    """The API responded with a problem (RFC 9457), which is `document`. `retry_after` is in seconds."""

    def __init__(self, status: int, document: Fields, retry_after: float = 0.0) -> None:
        self.status = status
        self.document = document
        self.retry_after = retry_after
        self.code = str(document.get("code", ""))
        if self.is_temporary:
            self.exit_code = ExitCode.UNAVAILABLE
        elif status != httpx.codes.NOT_FOUND:  # a key that is refused, a parameter that is not valid
            self.exit_code = ExitCode.USAGE
        detail = document.get("detail") or document.get("title") or f"status {status}"
        super().__init__(f"the API says: {detail}", _ADVICE.get(self.code, ""))

    @property
    def is_temporary(self) -> bool:
        """Whether the same call may go through later."""
        return self.status >= httpx.codes.INTERNAL_SERVER_ERROR or self.status == httpx.codes.TOO_MANY_REQUESTS


class ApiClient:
    """Calls one API with one key. Use as a context manager."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.strip().rstrip("/")
        parts = _parse_url(self.url)
        _check_key(key)
        self.http = httpx.Client(
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT,
            # A proxy is for what is elsewhere, certificates are for https: both take time to set up.
            trust_env=parts.hostname not in _LOOPBACK,
            verify=parts.scheme == "https",
        )

    @classmethod
    def from_environment(cls) -> Self:
        """The API that the environment or this checkout names. Raises UnavailableError when neither does."""
        given = read_variables()
        return cls(_require_setting(given, "ORDERWATCH_API_URL"), _require_setting(given, "ORDERWATCH_API_KEY"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.http.close()

    def order(self, order_id: str, wait: str | None = None) -> Fields:
        """The order with its decision. Raises ApiProblem when there is none, after waiting for it (`10s`)."""
        # Dots, too: a path of them would be resolved as in a file system.
        path = quote(order_id, safe="").replace(".", "%2E")
        return self.get(f"/v1/orders/{path}", {"wait": wait} if wait else {})

    def flags(self, filters: Mapping[str, str | int], limit: int) -> Iterator[Fields]:
        """The newest flagged orders, page by page."""
        return islice(self._pages("/v1/flags", {**filters, "limit": min(limit, PAGE)}), limit)

    def audit(self, filters: Mapping[str, str | int], limit: int) -> Iterator[Fields]:
        """The newest changes in the audit log, page by page."""
        return islice(self._pages("/v1/audit", {**filters, "limit": min(limit, PAGE)}), limit)

    def marts(self) -> list[Fields]:
        """The published marts, described."""
        return list(self.get("/v1/marts", {})["items"])

    def mart(self, name: str, filters: Mapping[str, str | int], limit: int) -> tuple[Fields, list[Fields]]:
        """A mart's description, and its first rows that the filters leave. Raises ApiProblem when there is none."""
        path = f"/v1/marts/{quote(name, safe='').replace('.', '%2E')}"
        size = min(limit, MART_PAGE)
        first = self.get(path, {**filters, "limit": size})
        rows = list(first["items"])
        cursor = first["next"]
        while cursor is not None and len(rows) < limit:
            page = self.get(path, {**filters, "limit": size, "cursor": cursor})
            rows += page["items"]
            cursor = page["next"]
        return first["mart"], rows[:limit]

    def get(self, path: str, parameters: Mapping[str, str | int]) -> Fields:
        """The JSON of a response. Raises ApiProblem, and UnavailableError when the API does not respond."""
        try:
            response = self.http.get(f"{self.url}{path}", params=parameters, timeout=_timeout_for(parameters))
        except httpx.TransportError as error:
            raise self.unreachable_error(error) from error
        raise_for_problem(response)
        try:
            fields: Fields = response.json()
        except ValueError:
            raise CommandError(
                f"{self.url} responds, but not as Orderwatch's API", "Check ORDERWATCH_API_URL."
            ) from None
        return fields

    def unreachable_error(self, error: httpx.TransportError) -> UnavailableError:
        """The error for an API that cannot be reached."""
        return UnavailableError(
            f"the API at {self.url} does not respond: {str(error) or type(error).__name__}",
            reach_advice("ORDERWATCH_API_URL"),
        )

    def _pages(self, path: str, parameters: dict[str, str | int]) -> Iterator[Fields]:
        while True:
            page = self.get(path, parameters)
            yield from page["items"]
            if page["next"] is None:
                return
            parameters["cursor"] = page["next"]


def _parse_url(url: str) -> SplitResult:
    """The URL's parts. Raises SettingsError, without a password that it may hold."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable or "@" in url or parts.query or parts.fragment:
        # Where a password may be, nothing of it is shown.
        shown = "" if "@" in url else f"={url!r}"
        raise SettingsError(
            f"ORDERWATCH_API_URL{shown} is not the URL of an API",
            "Write http or https, a host and, where needed, a port and a path: http://127.0.0.1:8000. "
            "The key goes into ORDERWATCH_API_KEY.",
        )
    return parts


def _check_key(key: str) -> None:
    """Raises SettingsError for what no key holds; it is not shown."""
    stray = next((each for each in key if not each.isascii() or not (each.isalnum() or each in "_-.~+/=")), None)
    if stray is not None:
        what = _STRAY.get(stray, "a character that is not a letter, digit, underscore or hyphen")
        raise SettingsError(
            f"ORDERWATCH_API_KEY holds {what}",
            "Copy the key again, without quotes and on one line: ow_ID_SECRET.",
        )


def raise_for_problem(response: httpx.Response) -> None:
    """Raises ApiProblem unless the response is a success."""
    if response.is_success:
        return
    try:
        document = response.json()
    except ValueError:
        document = None
    after = response.headers.get("retry-after", "")
    raise ApiProblem(
        response.status_code, document if isinstance(document, dict) else {}, float(after) if after.isdecimal() else 0.0
    )


def _require_setting(given: Mapping[str, str], name: str) -> str:
    value = given.get(name)
    if not value and (file := given.get(f"{name}_FILE")):
        try:
            value = Path(file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, ValueError, RuntimeError) as error:
            reason = (
                error.strerror if isinstance(error, OSError) else None
            ) or "it is not text in UTF-8, or not a path"
            raise SettingsError(f"{name}_FILE={file!r} cannot be read: {reason}", "Name a file with it.") from None
    if not value:
        raise not_set_error(name)
    return value


def _timeout_for(parameters: Mapping[str, str | int]) -> httpx.Timeout:
    """Longer than the API itself may take to wait for an order."""
    return httpx.Timeout(45.0, connect=5.0) if "wait" in parameters else TIMEOUT
