"""Messages of every spelling, good and bad, drawn from a random source: what the two decoders are compared on."""

# ruff: noqa: RUF001  (characters that look like others are what is tried)

import json
from collections.abc import Callable
from random import Random
from typing import Any

Spelled = list[tuple[str, str]]
"""An object as pairs of JSON texts, so that numbers, escapes and repeated names keep their spelling."""

_TEXTS = (
    "o-1", "a1b2c3d4", "U006231", "P00021", "ratna@yahoo.co.id", "dev-05020b3be926", "HEMAT10", "", " ", "é", "ü" * 64,
    "\N{GRINNING FACE}", "\N{GRINNING FACE}" * 64, "x" * 64, "x" * 65, "y" * 320, "y" * 321, "a\0b", "a\tb", "ﬁ", "İ",
    'a"b', "a\\b", "a/b", "\x7f", "\ud800", "null", "0.1234567", "k\N{KELVIN SIGN}", "\N{RIGHT-TO-LEFT OVERRIDE}",
)  # fmt: skip
_METHODS = (
    "GoPay", "gopay", "Go-Pay", "go pay", "GO_PAY", "OVO", "Paylater", "bank_transfer", "Bank  Transfer", " DANA ",
    "COD", "Klarna", "klarna ", "", "  ", "\t", "m" * 64, "m" * 65, " " * 70 + "OVO", "İ", "ＯＶＯ", "Kredivo\u2028",
    "\N{KELVIN SIGN}redivo", "go\u2010pay", "---", "a\0b", "Straße", "STRASSE",
)  # fmt: skip
_COUNTRIES = ("ID", "id", "iD", "SG", "UK", "IDN", "Indonesia", "XX", "", " ID", "İD", "ıd", "62", "I", "ＩＤ")
_CURRENCIES = ("IDR", "idr", "USD", "", "Rp", "XXX", "EUR ", "İDR", "XYZ")
_ADDRESSES = (
    "36.80.36.226", "10.0.0.1", "010.0.0.1", "10.1", "256.1.1.1", "1.2.3.4 ", "::1", "2001:DB8:0:0::1",
    "::ffff:1.2.3.4", "2001:db8::1%eth0", "[::1]", "1.2.3.4:80", "", "0x7f.1", "1.2.3.4\0", "::FFFF:0102:0304",
    "1::2::3", "fe80::", "0:0:0:0:0:0:0:0", "١.١.١.١",
)  # fmt: skip
_AMOUNTS = (
    "0", "1", "69500", "125000000", "1000000000000000", "1000000000000001", "-1", "-0", "1.0", "1e3", "1E3", "1e15",
    "-0.0", "9223372036854775808", "1" + "0" * 40, "1e400", "true", "null", '"Rp.125,000,000"', '"Rp. 1,000"',
    '"Rp1000"', '"Rp.1.000"', '"158000.00"', '"1000"', '"Rp.1,000,000,000,000,001"', '"rp.1"', '"Rp.007"', '"Rp.1\\n"',
    '"Rp.\\u0031"',    '"Rp.１"', "01", "1.", ".5", "+1", "NaN", "Infinity", "[]", "{}",
)  # fmt: skip
_QUANTITIES = (
    "1", "2", "500", "9223372036854775807", "9223372036854775808", "0", "-1", "1.0", "1e2", "1.5", '"3"', "true",
    "null", "[1]", "00", "1" + "0" * 30,
)  # fmt: skip
_OTHER_VALUES = (
    "1", "1.0", "-0.0", "0.1234567", "1e19", "1e18", "9007199254740993", "null", "true", '"text"', '"0.12345678"', "[]",
    '{"a": [1, 2.0, {"b": null}]}', "[" * 99 + "]" * 99, "[" * 101 + "]" * 101, '"\\u0000"', '"\\ud83d\\ude00"',
    '"\\ud800"', "18446744073709551615", "-9223372036854775808", "tru", "'x'",
)  # fmt: skip
_INTERESTING = (
    b"\\", b'"', b"{", b"}", b"[", b"]", b",", b":", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\n",
    b" ", b"null", b"1e5", b".1234567", b"Z", b"z", b"t", b"+07:00", b"\\u0000", b"\\u0041", b"\xf0\x9f\x98\x80", b"0",
    b"-", b"24:00", b":60", b"999999", b"\xe2\x80\xa8",
)  # fmt: skip


def moment_text(random: Random) -> str:
    """A date and time in one of many spellings, mostly good."""
    year = random.choice(("2026", "2026", "2025", "1970", "1969", "2099", "9998", "9999", "0001", "0000"))
    month, day = (
        random.choice(("11", "02", "01", "12", "13", "00")),
        random.choice(("22", "01", "28", "30", "31", "00")),
    )
    date = random.choice(
        (f"{year}-{month}-{day}", f"{year}-{month}-{day}", f"{year}-{month}-{day}", f"{year}{month}{day}",
         f"{year}-W47-7", f"{year}W477", f"{year}-326", f"{day}/{month}/{year}", f"{year}/{month}/{day}")
    )  # fmt: skip
    hour, minute = random.choice(("10", "00", "23", "24", "25", "7")), random.choice(("15", "00", "59", "60"))
    second = random.choice(("00", "07", "59", "60", "61"))
    time = random.choice(
        (f"{hour}:{minute}:{second}", f"{hour}:{minute}:{second}", f"{hour}:{minute}", f"{hour}{minute}{second}",
         f"{hour}{minute}", hour, f"{hour}:{minute}{second}")
    )  # fmt: skip
    digits = random.choice((0, 0, 1, 3, 6, 6, 7, 9, 20))
    fraction = random.choice(("", ".", ".", ",")) + "".join(random.choice("0123456789999") for _ in range(digits))
    offset = random.choice(
        ("", "", "Z", "z", "+07:00", "+07:00", "-08:00", "+0700", "+07", "-00:00", "+23:59", "+24:00", "+07:60", " Z",
         " +07:00", "+7:00", "+07:00:30", " WIB", "−07:00")
    )  # fmt: skip
    return f"{date}{random.choice('TTTTt _')}{time}{fraction if digits else ''}{offset}"


def text_literal(random: Random, text: str) -> str:
    """A JSON text in one of its spellings: characters as they are, or as escapes."""
    if random.random() < 0.8:
        return json.dumps(text, ensure_ascii=random.random() < 0.3)
    return '"' + "".join(random.choice((_escaped, _as_it_is))(each) for each in text) + '"'


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def _as_it_is(character: str) -> str:
    return json.dumps(character, ensure_ascii=False)[1:-1]


def order_parts(random: Random, *, strange: float) -> Spelled:
    """An order's fields; each has an unusual value with the probability `strange`."""

    def text(usual: str, others: tuple[str, ...] = _TEXTS) -> str:
        return text_literal(random, random.choice(others)) if random.random() < strange else json.dumps(usual)

    def number(usual: int, others: tuple[str, ...]) -> str:
        return random.choice(others) if random.random() < strange else str(usual)

    def moment() -> str:
        return text_literal(random, moment_text(random)) if random.random() < 3 * strange else json.dumps(
            f"2026-11-{random.randint(1, 28):02d}T{random.randint(0, 23):02d}:15:00"
            + random.choice(("", ".647", ".123456", ".9999999", ".1234564", ".0000005"))
            + random.choice(("", "Z", "+07:00"))
        )  # fmt: skip

    parts = [
        ("order_id", text(f"o-{random.randint(1, 9)}")),
        ("user_id", text("U006231")),
        ("product_id", text("P00021")),
        ("quantity", number(random.randint(1, 500), _QUANTITIES)),
        ("amount", number(random.randint(0, 10**9), _AMOUNTS)),
        ("payment_method", text("OVO", _METHODS)),
        ("country", text("ID", _COUNTRIES)),
        ("created_date", moment()),
    ]
    optional: dict[str, Callable[[], str]] = {
        "currency": lambda: text("IDR", _CURRENCIES),
        "device_id": lambda: text("dev-05020b3be926"),
        "ip_address": lambda: text("36.80.36.226", _ADDRESSES),
        "voucher_code": lambda: text("HEMAT10"),
        "email": lambda: text("ratna@yahoo.co.id"),
        "shipping_country": lambda: text("SG", _COUNTRIES),
        "account_created_date": moment,
    }
    for name, make in optional.items():
        if random.random() < 0.4:
            parts.append((name, "null" if random.random() < strange else make()))
    if random.random() < strange:
        parts.append((random.choice(("note", "channel", "orderId", "", "a\0b")), random.choice(_OTHER_VALUES)))
    if random.random() < strange:
        parts.append(random.choice(parts))  # a name twice: the last one counts
    if random.random() < strange:
        parts.remove(random.choice(parts))
    if random.random() < strange:
        random.shuffle(parts)
    return [(text_literal(random, name) if random.random() < strange else json.dumps(name), v) for name, v in parts]


def write(random: Random, parts: Spelled, *, spaces: bool) -> bytes:
    """The object as bytes, with white space where JSON admits it."""

    def gap() -> str:
        return random.choice(("", "", " ", "\n", "\t\r\n")) if spaces else ""

    inner = ",".join(f"{gap()}{name}{gap()}:{gap()}{value}{gap()}" for name, value in parts)
    return f"{gap()}{{{inner}}}{gap()}".encode("utf-8", "surrogatepass")


def mutate(random: Random, value: bytes) -> bytes:
    """The bytes with a few small damages."""
    data = bytearray(value)
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(data) + 1)
        match random.randrange(6):
            case 0:
                del data[place : place + random.randint(1, 4)]
            case 1:
                data[place:place] = random.choice(_INTERESTING)
            case 2:
                data[place : place + 1] = random.choice(_INTERESTING)
            case 3:
                data[place:place] = data[place : place + random.randint(1, 30)]
            case 4 if place < len(data):
                data[place] ^= 1 << random.randrange(8)
            case _:
                if random.random() < 0.3:
                    del data[place:]
    return bytes(data)


def message(random: Random) -> bytes:
    """A message: usual or strange, whole or damaged."""
    parts = order_parts(random, strange=random.choice((0.0, 0.0, 0.03, 0.15)))
    value = write(random, parts, spaces=random.random() < 0.3)
    return mutate(random, value) if random.random() < 0.3 else value


def respelled(random: Random, order: dict[str, Any]) -> bytes:
    """The same order in another spelling: order of fields, white space, escapes, numbers of attributes."""
    parts = [(text_literal(random, name), _literal(random, value, name)) for name, value in order.items()]
    random.shuffle(parts)
    return write(random, parts, spaces=True)


def _literal(random: Random, value: object, name: str = "") -> str:
    if isinstance(value, str):
        return text_literal(random, value)
    if isinstance(value, dict):
        return write(random, [(json.dumps(k), _literal(random, v)) for k, v in value.items()], spaces=True).decode()
    if isinstance(value, list):
        return f"[{' , '.join(_literal(random, each) for each in value)}]"
    if type(value) in {int, float} and name not in {"quantity", "amount"}:
        number = repr(value)
        spellings = [number]
        if "e" not in number:
            spellings += [number + ("0" if "." in number else ".0"), number + ("00" if "." in number else "e0")]
        return random.choice(spellings)
    return json.dumps(value)
