"""The command `order-producer`, as a person or a supervisor runs it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from order_platform.command_line.errors import SettingsError
from order_platform.settings import KafkaSettings
from order_producer.cli import app
from tests.support.reading import read_topic
from tests.support.waiting import until

pytestmark = pytest.mark.slow

PAST = ("--start", "2026-11-01", "--count", "200")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "order_producer", *arguments]


def environment(settings: KafkaSettings | None = None, **more: str) -> dict[str, str]:
    own = {} if settings is None else {
        "ORDERWATCH_KAFKA": settings.kafka, "ORDERWATCH_ORDERS_TOPIC": settings.orders_topic,
    }  # fmt: skip
    return {**os.environ, "COLUMNS": "200", **own, **more}


def run(*arguments: str, settings: KafkaSettings | None = None, given: bytes = b"", **more: str) -> Any:
    return subprocess.run(
        command(*arguments),
        env=environment(settings, **more),
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )


@contextmanager
def running(*arguments: str, settings: KafkaSettings, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command(*arguments), env=environment(settings, **more), stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def events(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def next_event(process: subprocess.Popen[bytes], name: str) -> dict[str, Any]:
    """Read on in the log until this event."""
    assert process.stderr is not None
    for line in process.stderr:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == name:
            return event
    raise AssertionError(f"the log ended without {name}")


# Without a broker


@pytest.mark.parametrize("arguments", [("--help",), ("generate", "--help"), ("replay", "--help"), ()])
def test_help_teaches(arguments: tuple[str, ...]) -> None:
    said = CliRunner().invoke(app, arguments).output

    assert "Usage" in said
    if arguments and arguments[0] != "--help":
        assert f"order-producer {arguments[0]} " in said


def test_the_same_command_writes_the_same_lines(tmp_path: Path) -> None:
    file, truth = tmp_path / "orders.jsonl", tmp_path / "truth.jsonl"

    to_file = run("generate", *PAST, "--output", str(file), "--truth", str(truth))
    to_stdout = run("generate", *PAST, "--to-stdout")

    assert to_file.returncode == to_stdout.returncode == 0
    assert file.read_bytes() == to_stdout.stdout
    orders = [json.loads(line)["order_id"] for line in file.read_text().splitlines()]
    frauds = [json.loads(line) for line in truth.read_text().splitlines()]
    assert len(orders) == 200
    assert 0 < len(frauds) < 30
    assert {fraud["order_id"] for fraud in frauds} <= set(orders)
    assert events(to_file.stderr)[-1]["acknowledged"] == 200


def test_a_reader_that_closes_the_pipe_causes_no_message() -> None:
    with subprocess.Popen(
        command("generate", "--to-stdout", "--start", "2026-11-01", "--count", "1000000"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"order_id"')
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("replay", "no-such-file"), "no-such-file: No such file or directory"),
        (("replay", "/"), "/: Is a directory"),
        (("replay", "-", "--rate", "5", "--speedup", "2"), "not both"),
        (("generate", "--days", "2"), "--start"),
        (("generate", "--start", "2024-12-31"), "2025-01-01"),
        (("generate", "--start", "yesterday"), "--start"),
        (("generate", "--fraud-share", "2"), "--fraud-share"),
        (("generate", "--count", "0"), "--count"),
    ],
)
def test_impossible_arguments_are_rejected(arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, arguments, terminal_width=200)

    assert done.exit_code == 2
    assert said in done.output


def test_a_setting_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_PRODUCER_PORT", "many")

    done = CliRunner().invoke(app, ["generate"])

    assert isinstance(done.exception, SettingsError)
    assert "ORDERWATCH_PRODUCER_PORT='many' is not a port" in str(done.exception)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    done = run("generate", *PAST, "--output", str(tmp_path / "no" / "such" / "folder"))

    assert done.returncode == 3
    [error] = [event for event in events(done.stderr) if event["event"] == "producer_failed"]
    assert "No such file or directory" in error["problem"]


def test_a_stop_of_endless_orders_while_the_broker_is_unavailable_is_not_a_failure() -> None:
    nowhere = KafkaSettings(kafka="127.0.0.1:1")
    with running("generate", settings=nowhere) as process:
        next_event(process, "broker_unavailable")
        process.terminate()

        assert next_event(process, "finished")["sent"] == 0
        assert process.wait(10) == 0


NOWHERE = KafkaSettings(kafka="127.0.0.1:1")


def test_orders_to_a_number_end_after_a_stated_time_without_a_broker() -> None:
    done = run("generate", "--count", "5", "--broker-timeout", "1", settings=NOWHERE)

    assert done.returncode == 3
    said = {event["event"]: event for event in events(done.stderr)}
    assert "for 1 s (--broker-timeout)" in said["broker_unavailable"]["hint"]
    assert "no answer from the broker at 127.0.0.1:1 for 1 s" in said["producer_failed"]["problem"]


def test_orders_to_a_number_that_are_stopped_without_a_broker_are_a_failure() -> None:
    with running("generate", "--count", "5", settings=NOWHERE) as process:
        assert "for 60 s" in next_event(process, "broker_unavailable")["hint"]
        process.send_signal(signal.SIGINT)

        assert "nothing was published" in next_event(process, "producer_failed")["problem"]
        assert process.wait(10) == 3


ORDER = b'{"order_id":"o-1","user_id":"U1"}\n'


def test_a_replay_without_a_broker_ends_after_a_stated_time(tmp_path: Path) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_bytes(ORDER * 5)

    done = run("replay", str(file), "--broker-timeout", "1", settings=NOWHERE)

    assert done.returncode == 3
    said = {event["event"]: event for event in events(done.stderr)}
    assert "for 1 s (--broker-timeout)" in said["broker_unavailable"]["hint"]
    assert "no answer from the broker at 127.0.0.1:1 for 1 s" in said["producer_failed"]["problem"]
    assert "0 lines were acknowledged, 5 were not" in said["replay_incomplete"]["problem"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_replay_that_is_stopped_says_what_was_not_acknowledged(tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_bytes(ORDER * 1_000)

    with running("replay", str(file), settings=NOWHERE) as process:
        next_event(process, "broker_unavailable")
        process.send_signal(number)

        assert "0 lines were acknowledged, 1,000 were not" in next_event(process, "replay_incomplete")["problem"]
        assert process.wait(20) == 1


@pytest.mark.parametrize("from_stdin", [False, True])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, *, from_stdin: bool) -> None:
    file = tmp_path / "orders.jsonl"
    file.touch()

    done = run("replay", "-" if from_stdin else str(file), settings=NOWHERE)

    assert done.returncode == 0
    assert events(done.stderr)[-1]["problem"] == f"{'standard input' if from_stdin else file} is empty"


@pytest.mark.parametrize("from_stdin", [False, True])
def test_a_file_of_another_kind_is_recognised_before_anything_is_published(tmp_path: Path, *, from_stdin: bool) -> None:
    file = tmp_path / "orders.json"
    file.write_bytes(b'{\n  "order_id": "o-1",\n  "user_id": "U1"\n}\n')

    name = "-" if from_stdin else str(file)
    done = run("replay", name, settings=NOWHERE, given=file.read_bytes())

    assert done.returncode == 2
    [error] = [event for event in events(done.stderr) if event["event"] == "not_lines_of_json"]
    assert f"jq -c . {'FILE' if from_stdin else file} | order-producer replay -" in error["problem"]


def test_help_says_how_long_a_broker_is_waited_for() -> None:
    said = CliRunner().invoke(app, ["replay", "--help"], terminal_width=200).output

    assert "--broker-timeout" in said
    assert "60" in said


# With one


@pytest.mark.integration
async def test_a_file_of_another_kind_can_be_published_as_it_is(kafka_settings: KafkaSettings, tmp_path: Path) -> None:
    file = tmp_path / "orders.json"
    file.write_bytes(b'[\n{"order_id":"o-1"}\n]')

    assert run("replay", str(file), settings=kafka_settings).returncode == 2
    assert await read_topic(kafka_settings, kafka_settings.orders_topic) == []
    assert run("replay", str(file), "--as-is", settings=kafka_settings).returncode == 0
    records = await read_topic(kafka_settings, kafka_settings.orders_topic)
    assert sorted(record.value for record in records) == sorted(file.read_bytes().split(b"\n"))


@pytest.mark.integration
@pytest.mark.parametrize("from_stdin", [False, True])
async def test_a_file_is_replayed_line_by_line(
    kafka_settings: KafkaSettings, tmp_path: Path, *, from_stdin: bool
) -> None:
    lines = [b'{"user_id":"U1"}', b"", b"not json", b"\xff", b'{"user_id":"U2"} \r', b"x" * 5_000_000, b"no line end"]
    file = tmp_path / "lines"
    file.write_bytes(b"\n".join(lines))

    done = run("replay", "-", settings=kafka_settings, given=file.read_bytes()) if from_stdin else run(
        "replay", str(file), settings=kafka_settings
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert {"sent": 7, "acknowledged": 7, "failed": 0}.items() <= events(done.stderr)[-1].items()
    records = await read_topic(kafka_settings, kafka_settings.orders_topic)
    assert sorted(record.value for record in records) == sorted(lines)
    assert {record.key for record in records} == {None, b"U1", b"U2"}


@pytest.mark.integration
def test_a_line_that_was_not_published_makes_the_exit_code(kafka_settings: KafkaSettings) -> None:
    done = run("replay", "-", settings=kafka_settings, given=b"a\n" + b"x" * 9_000_000 + b"\nb\n")

    assert done.returncode == 1
    [finished, incomplete] = events(done.stderr)[-2:]
    assert {"sent": 3, "acknowledged": 2, "failed": 1}.items() <= finished.items()
    assert incomplete["event"] == "replay_incomplete"
    assert "2 lines were acknowledged, 1 were not" in incomplete["problem"]
    [failure] = [event for event in events(done.stderr) if event["event"] == "not_published"]
    assert failure["message"] == "line 2"


@pytest.mark.integration
def test_a_missing_topic_makes_the_exit_code(broker: str) -> None:
    done = run("generate", "--count", "1", settings=KafkaSettings(kafka=broker, orders_topic="no-such-topic"))

    assert done.returncode == 3
    assert "orderwatch migrate" in events(done.stderr)[-1]["problem"]


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_after_all_sent_is_acknowledged(
    kafka_settings: KafkaSettings, tmp_path: Path, number: signal.Signals
) -> None:
    truth = tmp_path / "truth"
    with running("generate", "--rate", "2000", "--truth", str(truth), settings=kafka_settings) as process:
        await until(lambda: truth.exists() and truth.stat().st_size > 1_000, "some orders")
        process.send_signal(number)

        finished = next_event(process, "finished")
        assert process.wait(10) == 0

    assert finished["sent"] == finished["acknowledged"] > 0
    records = await read_topic(kafka_settings, kafka_settings.orders_topic)
    assert len(records) == len({record.value for record in records}) == finished["acknowledged"]
    published = {json.loads(record.value)["order_id"] for record in records}
    assert {json.loads(line)["order_id"] for line in truth.read_text().splitlines()} <= published


@pytest.mark.integration
def test_health_and_metrics_are_served(kafka_settings: KafkaSettings) -> None:
    with running("generate", "--rate", "100", settings=kafka_settings, ORDERWATCH_PRODUCER_PORT="0") as process:
        port = next_event(process, "health_served")["port"]

        def get(path: str) -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return str(answer.read().decode())

        while "orderwatch_producer_orders_published_total 0.0" in (metrics := get("/metrics")):
            time.sleep(0.1)
        assert '"ok"' in get("/readyz")
        assert '"ok"' in get("/healthz")
        for name in ("orders_published_total", "orders_failed_total", "orders_in_flight", "acknowledge_seconds_bucket"):
            assert f"producer_{name}" in metrics
        process.terminate()
        assert process.wait(10) == 0


def test_a_taken_port_is_an_error_that_names_the_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("generate", ORDERWATCH_PRODUCER_PORT=str(taken.getsockname()[1]))

    assert done.returncode == 3
    assert "ORDERWATCH_PRODUCER_PORT" in events(done.stderr)[-1]["problem"]
