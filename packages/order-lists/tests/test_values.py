"""Values of lists are normalised as the detector normalises the fields of orders; files of them."""

from datetime import UTC, datetime

import pytest

from order_contract.decoding.decoder import EventDecoder
from order_lists.csv_file import read_entries
from order_lists.model import LIST_FIELDS, ListError, check_reason, check_spec, normalise_value
from order_platform.csv_rows import CsvFileError

DECODER = EventDecoder(["ShopeePay Later"])


@pytest.mark.parametrize(
    ("field", "value", "normalised"),
    [
        ("device_id", "D-1", "D-1"),
        ("user_id", " u ", " u "),
        ("email", "Ana@Example.com", "Ana@Example.com"),
        ("country", "sg", "SG"),
        ("shipping_country", "my", "MY"),
        ("currency", "usd", "USD"),
        ("payment_method", "go-pay", "GoPay"),
        ("payment_method", "shopeepay later", "ShopeePay Later"),
        ("ip_address", "2001:0DB8:0::1", "2001:db8::1"),
        ("attributes.terminal_id", "T1", "T1"),
    ],
)
def test_a_value_is_as_the_detector_has_it(field: str, value: str, normalised: str) -> None:
    assert normalise_value(field, value, DECODER) == normalised


@pytest.mark.parametrize("field", [*LIST_FIELDS, "attributes.x"])
@pytest.mark.parametrize("value", ["", "\0", "x" * 1_000, "\ud800"])
def test_values_that_no_order_has_are_refused(field: str, value: str) -> None:
    with pytest.raises(ListError):
        normalise_value(field, value, DECODER)


def test_an_error_names_the_nearest_value() -> None:
    with pytest.raises(ListError, match="ip_address must be an IPv4 or IPv6 address"):
        normalise_value("ip_address", "10.0.0.256", DECODER)
    with pytest.raises(ListError, match='country must be an ISO 3166 alpha-2 code, got "UK": write GB'):
        normalise_value("country", "UK", DECODER)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (("2fast", "block", "device_id"), "is not a name of a list"),
        (("snooze:large:user_id", "block", "user_id"), "is not a name of a list"),
        (("a", "blocked", "device_id"), "is none of block, trust, watch, other"),
        (("a", "block", "devise_id"), "write device_id"),
        (("a", "block", "amount"), "is not a text field of an order"),
        (("a", "block", "attributes."), "is not a text field of an order"),
    ],
)
def test_lists_that_cannot_be(spec: tuple[str, str, str], message: str) -> None:
    with pytest.raises(ListError, match=message):
        check_spec(*spec)


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * 501])
def test_a_reason_is_one_line(reason: str) -> None:
    with pytest.raises(ListError):
        check_reason(reason)


def test_a_file_gives_entries_and_the_lines_that_are_refused() -> None:
    default = datetime(2027, 1, 1, tzinfo=UTC)
    lines = [
        "value,expires_at\n", "sg,\n", "UK,\n", "my,2026-12-01\n", "ID,soon\n", "sg,\n", "SG,2026-12-01\n", "a\n",
    ]  # fmt: skip
    found = read_entries(lines, "country", DECODER, default)
    assert found.entries == {"SG": default, "MY": datetime(2026, 11, 30, 17, tzinfo=UTC)}
    assert [(each.line, each.column) for each in found.refusals] == [
        (3, "value"), (5, "expires_at"), (7, "expires_at"), (8, ""),
    ]  # fmt: skip
    assert "write GB" in found.refusals[0].problem
    assert "'SG' is on line 2 with another expiry" in found.refusals[2].problem


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "it is empty"),
        (["device\n"], "unknown column 'device'"),
        (["valu\n"], "write value"),
        (["expires_at\n"], "has no column value"),
        (["value,value\n"], "twice"),
        (["value\n", '"a\n'], "is not valid CSV"),
    ],
)
def test_files_that_cannot_be_read(lines: list[str], message: str) -> None:
    with pytest.raises(CsvFileError, match=message):
        read_entries(lines, "device_id", DECODER)
