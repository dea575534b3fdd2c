"""Messages that are not JSON: the error names the encoding, compression or syntax, and the byte."""

import gzip
import zlib

import pytest

from tests.support.decoding import TEXT, refusal


def test_a_byte_that_is_not_utf_8_is_named_with_its_place_and_likely_encoding() -> None:
    line = b'{"order_id":"FLD-L1","note":"' + b"x" * 300 + b"caf\xe9" + b'"}'

    error = refusal(line)

    assert (error.error_type, error.field) == ("not-json", None)
    assert "byte 332" in str(error)
    assert 'Latin-1 (ISO 8859-1) it is "é"' in str(error)
    assert 'Windows-1252 it is "€"' in str(refusal(TEXT.replace("o-1", "5 €").encode("cp1252")))
    assert "cut off" in str(refusal('{"a":"é'.encode()[:-1]))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [TEXT, TEXT.replace("o-1", "Jalan Cénd 日本")])
def test_wide_encodings_are_recognised(encoding: str, text: str) -> None:
    error = refusal(text.encode(encoding))

    assert error.error_type == "not-json"
    assert encoding[:6].upper() in str(error)
    assert encoding[6:].replace("-", "").upper() in str(error)


def test_a_line_out_of_the_middle_of_a_utf_16_file_is_recognised() -> None:
    second = f"{TEXT}\n{TEXT}\n".encode("utf-16-le").split(b"\n")[1]

    assert "UTF-16" in str(refusal(second))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (gzip.compress(TEXT.encode()), "compressed with gzip"),
        (b"\x28\xb5\x2f\xfd\x04", "compressed with Zstandard"),
        (b"BZh91AY", "compressed with bzip2"),
        (b"PK\x03\x04\x14", "ZIP"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"Obj\x01\x04", "an Avro file"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "byte order mark"),
        (zlib.compress(b"x" * 100), "is not UTF-8"),
        (b"   \r\n", "nothing but white space"),
        (b"\x01\x02\x03\x04", "binary data"),
    ],
)
def test_other_kinds_of_bytes_are_recognised(value: bytes, said: str) -> None:
    error = refusal(value)

    assert error.error_type == "not-json"
    assert said in str(error)


@pytest.mark.parametrize(
    ("value", "at", "said"),
    [
        (TEXT[:-30], len(TEXT) - 30, "cut off"),
        ('{"a": "é', 9, "cut off"),
        (TEXT.replace('"', "'"), 1, "double quotes, not in single quotes"),
        (TEXT.replace('"', "\u201d"), 1, "straight double quotes"),
        (TEXT.replace("1000", "NaN"), TEXT.index("1000"), "NaN is not a value of JSON"),
        (TEXT.replace("1000", "-Infinity"), None, "Infinity is not a value of JSON"),
        (TEXT.replace("1000", "None"), TEXT.index("1000"), "JSON writes null"),
        (TEXT.replace("1000", "True"), TEXT.index("1000"), "true in lower case"),
        (TEXT.replace("1000", "007"), None, "leading zeros"),
        (TEXT.replace("1000", "1,000"), None, "or 1,000"),
        (TEXT.replace("1000", "1e400"), None, "the number is too large"),
        (TEXT[:-1] + ",}", None, "a comma separates nothing"),
        (TEXT + TEXT, len(TEXT), "one object per message"),
        (TEXT.replace('"order_id"', "order_id"), 1, 'double quotes: "order_id"'),
        (TEXT.replace('"amount": ', '"amount" '), None, "a comma or a colon is missing"),
        (TEXT.replace("o-1", "o\n1"), None, "a control character"),
        (TEXT.replace("o-1", "o\\x1"), None, "a backslash"),
        (TEXT.replace("o-1", "\\ud83d"), None, "surrogate pair"),
        ("// order\n" + TEXT, 0, "no comments"),
        ("[" * 5_000, None, "nested deeper"),
        ('{"a":' * 5_000, None, "nested deeper"),
        ("<order/>", 0, "XML"),
        ("order_id,user_id,product_id,quantity", 0, "CSV"),
        ("order_id=1&user_id=2", 0, "web form"),
        ("eyJvcmRlcl9pZCI6MX0=", 0, "base64"),
        ("hello", 0, '"hello" cannot be there'),
    ],
)
def test_faults_of_syntax_are_named_with_their_byte(value: str, at: int | None, said: str) -> None:
    error = refusal(value)

    assert error.error_type == "not-json"
    assert said in str(error)
    if at is not None:
        assert f"(byte {at:,})" in str(error)
