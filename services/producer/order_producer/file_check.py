"""Check that a file holds one JSON document per line, before anything of it is published.

Only what is certainly of another kind is refused: a file of lines with broken ones among them is published whole, and
the detector says what is wrong with each.
"""

import codecs
import json
import re
from typing import Any, Final

import orjson

from order_contract.decoding.file_kinds import compression_of, container_of, wide_encoding_of

HEAD_BYTES: Final = 64 * 1024
"""How much of a file is looked at."""

_FIRST_LINES: Final = 50
_MEMBER: Final = re.compile(rb'"(?:[^"\\]|\\.)*"\s*:')
_COLUMN: Final = re.compile(r"\"?[A-Za-z_][\w .()/-]{0,63}\"?")
_SEPARATORS: Final = ",;\t|"


class NotLinesError(ValueError):
    """A file that is not lines of JSON; the text says what it is and what to do."""


def check_lines(head: bytes, name: str, *, whole: bool) -> None:
    """Raises NotLinesError when `head`, the first bytes of file `name`, shows that it is not lines of JSON.

    `whole` tells that nothing follows the head.
    """
    problem = _problem(head, name, whole=whole)
    if problem is not None:
        source = "standard input" if name == "-" else name
        raise NotLinesError(
            f"{source} is not a file of one JSON document per line: {problem}. Nothing was published; "
            "--as-is publishes each line as it is"
        )


def _problem(head: bytes, name: str, *, whole: bool) -> str | None:
    file = "FILE" if name == "-" else _quote(name)
    return _other_bytes(head, file) or _other_layout(head, file, whole=whole)


def _other_bytes(head: bytes, file: str) -> str | None:
    compression = compression_of(head)
    if compression is not None:
        return f"it is compressed with {compression.name}; run `{compression.command} {file} | order-producer replay -`"
    container = container_of(head)
    if container is not None:
        return f"it is {container}; export it as JSON, one order per line"
    encoding = wide_encoding_of(head)
    if encoding is not None:
        # With a byte order mark, iconv finds out which one it is, and leaves the mark out.
        marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
        given = encoding[: len("UTF-16")] if marked else encoding
        return f"it is encoded in {encoding}; run `iconv -f {given} -t UTF-8 {file} | order-producer replay -`"
    if head.startswith(codecs.BOM_UTF8):
        return f"it begins with a byte order mark; run `tail -c +4 {file} | order-producer replay -`"
    return None


def _other_layout(head: bytes, file: str, *, whole: bool) -> str | None:
    lines = head.split(b"\n")
    cut = [] if whole else [lines.pop()]
    lines = [line.strip() for line in lines if line.strip()][:_FIRST_LINES]
    first = lines[0] if lines else (cut[0].strip() if cut else b"")
    if not first or sum(isinstance(_read(line), dict) for line in lines) * 2 >= max(len(lines), 1):
        return None
    start = head.lstrip()
    if _is_array(start, first, lines):
        return f"it is one JSON array; run `jq -c '.[]' {file} | order-producer replay -`"
    if _is_spread_object(start, first, lines):
        return f"its JSON is spread over several lines; run `jq -c . {file} | order-producer replay -`"
    if first.startswith(b"<"):
        return "it is XML or HTML; export it as JSON, one order per line"
    if _is_table(lines):
        return "it is a table with column names (CSV); turn each row into a JSON object on a line of its own"
    return None


def _is_array(start: bytes, first: bytes, lines: list[bytes]) -> bool:
    """`[` alone on the first line, or `[` before an object; not lines that are each a list of their own."""
    if not re.match(rb"\[\s*(?:\{|\[|$)", start[:200]) and first != b"[":
        return False
    return not (len(lines) > 1 and all(isinstance(_read(line), list) for line in lines[:2]))


def _is_spread_object(start: bytes, first: bytes, lines: list[bytes]) -> bool:
    """Whether an object begins on the first line and continues with a name on the next."""
    if not first.startswith(b"{") or isinstance(_read(first), dict):
        return False
    try:
        document, end = json.JSONDecoder().raw_decode(start.decode(errors="replace"))
    except (ValueError, RecursionError):
        # Cut off, or broken further down: the first lines tell.
        opened = first == b"{" or (_MEMBER.match(first[1:].lstrip()) is not None and first.endswith((b",", b"{", b"[")))
        return opened and len(lines) > 1 and _MEMBER.match(lines[1]) is not None
    return isinstance(document, dict) and "\n" in start.decode(errors="replace")[:end]


def _is_table(lines: list[bytes]) -> bool:
    """A line of column names, and a row with as many columns."""
    if len(lines) < 2:
        return False
    header, row = (line.decode(errors="replace") for line in lines[:2])
    for separator in _SEPARATORS:
        names = [name.strip() for name in header.split(separator)]
        if len(names) >= 3 and all(_COLUMN.fullmatch(name) for name in names):
            # An amount such as "Rp.1,000" within quotes has the separator, too.
            return row.count(separator) >= len(names) - 1 and not row.startswith("{")
    return False


def _read(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _quote(name: str) -> str:
    return name if re.fullmatch(r"[\w./+@%-]+", name) else "'" + name.replace("'", "'\\''") + "'"
