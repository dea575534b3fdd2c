"""Errors for bytes that are not valid JSON: the byte at fault, a likely cause, and what to do."""

import codecs
import json
import re
from typing import Final

import orjson

from order_contract.decoding.file_kinds import compression_of, container_of, single_byte_encoding_of, wide_encoding_of
from order_contract.error_types import ErrorType
from order_contract.event import BadEvent

_SHOWN: Final = 20
# Framing of the schema registry: a zero byte, the schema's id in four bytes, then the record.
_FRAME_BYTES: Final = 5
_MAX_NESTING: Final = 1024

_CSV = re.compile(rb"[A-Za-z_][\w .-]*(?:([,;\t|])[A-Za-z_0-9\"'.: -]*){3,}\s*")
_FORM = re.compile(rb"[A-Za-z_][A-Za-z_0-9]*=[^&{]*(?:&[A-Za-z_][A-Za-z_0-9]*=[^&{]*)+\s*")
_WORDS: Final = {
    "NaN": "NaN is not a value of JSON; leave the field out or write null",
    "Infinity": "Infinity is not a value of JSON; leave the field out or write null",
    "-Infinity": "-Infinity is not a value of JSON; leave the field out or write null",
    "-inf": "-inf is not a value of JSON; leave the field out or write null",
    "inf": "inf is not a value of JSON; leave the field out or write null",
    "nan": "nan is not a value of JSON; leave the field out or write null",
    "None": "JSON writes null, not None",
    "nil": "JSON writes null, not nil",
    "undefined": "JSON has no undefined; leave the field out or write null",
    "NULL": "JSON writes null in lower case",
    "Null": "JSON writes null in lower case",
    "True": "JSON writes true in lower case",
    "TRUE": "JSON writes true in lower case",
    "False": "JSON writes false in lower case",
    "FALSE": "JSON writes false in lower case",
}


def describe_invalid_json(value: bytes) -> BadEvent:  # noqa: PLR0911  (one return per kind)
    """The error for bytes that orjson does not read: `not-json`, or `envelope` for the schema registry's framing."""
    other = _other_bytes(value)
    if other is not None:
        return _bad(*other)
    if value[0] == 0 and len(value) > _FRAME_BYTES:
        return _framed(value)
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        return _bad(error.start, _not_utf8(value, error))
    if _is_binary(value):
        return _bad(0, "the message is binary data; publish a JSON object")
    if not text.strip(" \t\r\n"):
        return _bad(0, "the message holds nothing but white space; remove empty lines at the source")
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return _bad(len(text[: error.pos].encode()), _syntax(text, error.pos))
    return _bad(0, "the text cannot be read as JSON")


def _other_bytes(value: bytes) -> tuple[int, str] | None:
    """Bytes that are not UTF-8 text from the start: the byte that shows it, and the problem."""
    compression, container, wide = compression_of(value), container_of(value), wide_encoding_of(value)
    if compression is not None:
        return 0, (
            f"the message is compressed with {compression.name}; publish plain JSON, and let the producer's "
            "compression.type compress it on its way"
        )
    if container is not None:
        return 0, f"the message is {container}; publish each order as a JSON object"
    if wide is not None:
        at = next((place for place, byte in enumerate(value[:8]) if byte in {0, 0xFE, 0xFF}), 0)
        return at, f"the text is encoded in {wide}; encode it in UTF-8"
    if value.startswith(codecs.BOM_UTF8):
        return 0, "the text begins with a byte order mark (EF BB BF); write UTF-8 without one"
    return None


def _bad(at: int, problem: str) -> BadEvent:
    return BadEvent(ErrorType.NOT_JSON, f"not JSON (byte {at:,}): {problem}")


def _framed(value: bytes) -> BadEvent:
    schema = int.from_bytes(value[1:_FRAME_BYTES], "big")
    rest = value[_FRAME_BYTES:]
    if rest.lstrip()[:1] in {b"{", b"["}:
        kind, advice = "JSON Schema", "publish the bytes after the first five"
    else:
        # A Protobuf record follows the index of its message type, which for the first type is a zero byte.
        kind = "Protobuf (or Avro)" if rest[:1] == b"\0" else "Avro (or Protobuf)"
        advice = "publish JSON: a value converter or serializer for plain JSON in place of the registry's"
    return BadEvent(
        ErrorType.ENVELOPE,
        f"the message is framed by a schema registry (zero byte, schema id {schema}, {kind}); {advice}",
    )


def _not_utf8(value: bytes, error: UnicodeDecodeError) -> str:
    at, byte = error.start, value[error.start]
    if error.reason == "unexpected end of data":
        return f"the message ends within a character (0x{byte:02X} begins one); it was cut off, send it whole"
    if byte == 0xED and value[at + 1 : at + 2] >= b"\xa0":
        return "half of a surrogate pair is encoded there (CESU-8); encode the text in UTF-8"
    if _is_binary(value):
        return f"0x{byte:02X} is not UTF-8, and the message is binary data; publish a JSON object"
    encoding = single_byte_encoding_of(value, at)
    read = bytes([byte]).decode("cp1252", "replace")
    return (
        f"0x{byte:02X} is not UTF-8; in {encoding} it is {json.dumps(read, ensure_ascii=False)}; "
        "encode the text in UTF-8"
    )


def _is_binary(value: bytes) -> bool:
    sample = value[:512]
    return sum(byte < 0x20 and byte not in b"\t\n\r" for byte in sample) * 20 > len(sample)


def _syntax(text: str, at: int) -> str:
    """The likely cause of a syntax error at a character, or the text there."""
    rest, before = text[at : at + 200], text[:at].rstrip(" \t\r\n")[-1:]
    return (
        _other_format(text.lstrip(" \t\r\n")[:200])
        or _ending(text, rest, before)
        or _quoting(rest, before)
        or _escape(text, at)
        or _structure(rest, before)
        or _number(text, at, before)
        or f"{json.dumps(rest[:_SHOWN], ensure_ascii=False)} cannot be there; write one JSON object, such as {{...}}"
    )


def _ending(text: str, rest: str, before: str) -> str | None:
    brackets = text.count("[", 0, _MAX_NESTING * 8) + text.count("{", 0, _MAX_NESTING * 8)
    if brackets > _MAX_NESTING and before in "[{:":
        return f"it is nested deeper than {_MAX_NESTING} levels"
    return None if rest.strip(" \t\r\n") else "the text ends before the object does: it was cut off; send it whole"


def _quoting(rest: str, before: str) -> str | None:
    word = re.match(r"-?[A-Za-z]+", rest)
    if word and word[0] in _WORDS:
        return _WORDS[word[0]]
    if rest[0] == "'":
        return "text is written in double quotes, not in single quotes"
    if rest[0] in "\u201c\u201d\u2018\u2019":
        return 'text is written in straight double quotes ("), not in typographic ones'
    if before and before in "{," and (rest[0].isalpha() or rest[0] == "_"):
        return f'names are written in double quotes: "{_word(rest)}"'
    return None


def _structure(rest: str, before: str) -> str | None:
    if rest.startswith(("//", "/*", "#")):
        return "JSON has no comments; remove them"
    if re.match(r",[ \t\r\n]*[}\],]", rest) or (before == "," and rest[0] in "}],"):
        return "a comma separates nothing there; remove it"
    if rest[0] < " ":
        return "a control character within text is written as an escape, such as \\n or \\t"
    if before in "}]" and rest[0] in "{[":
        return "another object follows; send one object per message"
    if before and (before == '"' or (rest[0] == '"' and (before.isalnum() or before in "}]"))):
        return "a comma or a colon is missing before it"
    return None


def _other_format(start: str) -> str | None:
    if start.startswith("<"):
        return "the text looks like XML or HTML; publish a JSON object"
    if start.startswith("eyJ"):
        return "the text looks like JSON in base64 (or a JSON Web Token); publish the JSON itself"
    line = start.split("\n", 1)[0].encode()
    if _FORM.fullmatch(line):
        return "the text looks like a web form (name=value&...); publish a JSON object"
    if _CSV.fullmatch(line):
        return "the text looks like CSV; publish each row as a JSON object"
    return None


def _escape(text: str, at: int) -> str | None:
    """A fault of an escape is reported where its text begins."""
    rest = text[at : at + 5_000]
    if rest[0] not in '"\\' or "\\" not in rest:
        return None
    if re.search(r"\\u[dD][89a-fA-F]", rest):
        return "half of a surrogate pair is there (\\ud800 to \\udfff); write both halves or the character itself"
    return "a backslash within text begins an escape; write \\\\ for a backslash"


def _number(text: str, at: int, before: str) -> str | None:
    if re.match(r"[+-]?[.0-9]", text[at : at + 2]) is None and (not before or before not in "0123456789.+-eE"):
        return None
    begin = at
    while begin > max(0, at - 400) and text[begin - 1] in "+-.0123456789eE":
        begin -= 1
    match = re.match(r"[-+.0-9eE_]{1,400}", text[begin : begin + 400])
    if match is None:
        return None
    if len(match[0]) > _SHOWN or re.fullmatch(r"-?[0-9.]+[eE]\+?[0-9]+", match[0]):
        return "the number is too large; write large numbers as text"
    return f"{match[0]} is not a number of JSON; write it like 7, 0.5 or 1e3, without leading zeros, + or 1,000"


def _word(rest: str) -> str:
    match = re.match(r"\w{1,64}", rest)
    return match[0] if match else rest[:1]
