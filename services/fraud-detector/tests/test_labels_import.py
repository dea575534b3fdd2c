"""`fraud-detector labels import`: reading the file, and publishing on the real broker."""

import asyncio
import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fraud_detector.cli import build_application
from fraud_detector.labels.csv_file import read_labels
from order_contract.label import Label, LabelEvent
from order_contract.label_record import decode_label
from order_platform.command_line.errors import CommandError, UnavailableError, UsageError
from order_platform.csv_rows import CsvFileError
from order_platform.settings import KafkaSettings
from tests.support.ports import free_port
from tests.support.reading import read_topic

LATEST = datetime(2026, 11, 30, tzinfo=UTC)
DEFAULTS = {"source": "import", "author": "me", "at": "2026-11-29T00:00:00Z"}
GOOD_AND_BAD = """order_id,label,note
o1,fraud,"two
lines"
o2,fruad,

o3,legitimate,ok
,fraud,x
o4,chargeback,a,b
o1,chargeback,
"""


def test_lines_are_labels_with_defaults_or_refused_with_their_place() -> None:
    found = read_labels(GOOD_AND_BAD.splitlines(keepends=True), DEFAULTS, LATEST)

    at = datetime(2026, 11, 29, tzinfo=UTC)
    assert found.events == [
        LabelEvent("o1", Label.FRAUD, "import", "me", at, "two\nlines"),
        LabelEvent("o3", Label.LEGITIMATE, "import", "me", at, "ok"),
        LabelEvent("o1", Label.CHARGEBACK, "import", "me", at, None),
    ]
    assert [(each.line, each.column, each.value) for each in found.refusals] == [
        (4, "label", "fruad"),
        (7, "order_id", ""),
        (8, "", "o4,chargeback,a,b"),
    ]
    assert 'got "fruad": write fraud' in found.refusals[0].problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is empty; the first line names the columns"),
        ("order_id\no1\n", "the header has no column label"),
        ("order_id,lable\n", "an unknown column 'lable'; write label"),
        ("order_id,label,label\n", "the column label twice"),
        ('order_id,label\n"o1"x,fraud\n', "line 2 is not valid CSV"),
    ],
)
def test_a_file_that_is_not_labels_is_refused_as_a_whole(text: str, problem: str) -> None:
    with pytest.raises(CsvFileError, match=problem):
        read_labels(text.splitlines(keepends=True), DEFAULTS, LATEST)


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes(b"order_id,label\no\xff,fraud\n")

    result = CliRunner().invoke(build_application(), ["labels", "import", str(file), "--dry-run"])

    assert isinstance(result.exception, UsageError)
    assert "is not in UTF-8" in str(result.exception)


def test_a_dry_run_needs_no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_KAFKA", f"127.0.0.1:{free_port()}")
    file = tmp_path / "labels.csv"
    file.write_text(GOOD_AND_BAD)

    result = CliRunner().invoke(build_application(), ["labels", "import", str(file), "--dry-run"])

    assert result.exit_code == 1
    assert "3 labels are valid, 3 lines refused; nothing published" in result.output


def test_without_a_broker_it_says_that_nothing_is_known_to_be_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERWATCH_KAFKA", f"127.0.0.1:{free_port()}")
    file = tmp_path / "labels.csv"
    file.write_text("order_id,label\no1,fraud\n")

    result = CliRunner().invoke(build_application(), ["labels", "import", str(file)])

    assert isinstance(result.exception, UnavailableError)
    assert "0 of 1 labels are known to be published" in result.exception.advice


def test_labels_are_published_in_order_and_refused_lines_reported(
    kafka_settings: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERWATCH_KAFKA", kafka_settings.kafka)
    monkeypatch.setenv("ORDERWATCH_LABELS_TOPIC", kafka_settings.labels_topic)
    file, refused = tmp_path / "labels.csv", tmp_path / "refused.csv"
    file.write_text(GOOD_AND_BAD)

    arguments = ["labels", "import", str(file), "--source", "bank", "--author", "me", "--refused", str(refused)]
    result = CliRunner().invoke(build_application(), arguments)

    assert result.exit_code == 1, result.output
    assert "3 labels published, 3 lines refused" in result.output
    records = asyncio.run(read_topic(kafka_settings, kafka_settings.labels_topic))
    events = [decode_label(record.value, datetime.now(UTC)) for record in records]
    assert sorted((each.order_id, each.label) for each in events) == [
        ("o1", "chargeback"),
        ("o1", "fraud"),
        ("o3", "legitimate"),
    ]
    of_one_order = [record for record in records if record.key == b"o1"]
    assert len({record.partition for record in of_one_order}) == 1
    newest = max(of_one_order, key=lambda record: record.offset)
    assert decode_label(newest.value, datetime.now(UTC)).label is Label.CHARGEBACK
    assert {(each.source, each.author) for each in events} == {("bank", "me")}
    with refused.open(newline="") as report:
        assert [row["line"] for row in csv.DictReader(report)] == ["4", "7", "8"]


def test_a_report_that_cannot_be_written_publishes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("order_id,label\no1,fraud\n")

    result = CliRunner().invoke(
        build_application(), ["labels", "import", str(file), "--refused", str(tmp_path / "no" / "file.csv")]
    )

    assert isinstance(result.exception, CommandError)
    assert "cannot be written" in str(result.exception)
