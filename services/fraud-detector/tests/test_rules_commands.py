"""`fraud-detector rules test`, `explain`, `diff` and `schema`: results in sentences, exit codes that mean them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fraud_detector.cli import build_application

RULES = """\
review_at: 50
decline_at: 90
parameters: {most_users: 2}
lists: {known: {kind: trust, field: user_id}}
features:
  device_users_24h: {aggregate: distinct, field: user_id, key: device_id, window: 24h}
  own_average_90s: {aggregate: avg, field: amount, key: user_id, window: 90s, where: quantity > 1}
rules:
  - id: shared-device
    description: "{device_users_24h} users."
    when: device_users_24h >= most_users and user_id not in known
    score: 50
    severity: medium
    mode: shadow
    valid_to: 2026-12-31
    notes: Families share devices.
    tests:
      - {order: {device_id: d}, history: [{user_id: a}, {user_id: b, ago: 23h}], expect: true}
      - {name: on the list, order: {device_id: d}, history: [{user_id: a}, {user_id: b}], lists: [known], expect: false}
  - id: above-average
    description: "{amount:,}."
    when: own_average_90s is not None and amount > 3 * own_average_90s
    outcome: decline
    severity: high
    tests:
      - {order: {amount: 400}, history: [{amount: 100, quantity: 2}, {amount: 900}], expect: true}
"""


EXPLANATION = (
    "Rule shared-device (medium severity) adds 50 to the risk score of an order when device_users_24h is at least "
    "most_users (2) and user_id is not in list known.\n"
    "It is in shadow: it is recorded and takes no part in decisions.\n"
    "device_users_24h is the number of different values of user_id of the other orders with the same device_id in "
    "the 24 hours before the order.\n"
    "known is a trust list of values of user_id.\n"
    "An order may lack device_users_24h: a comparison with a value that is not there is false.\n"
    "It holds for orders placed before 2027-01-01 00:00:00 WIB.\n"
    "Families share devices.\n"
    "It has 2 examples.\n"
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build_application(), ["rules", *map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


def test_examples_are_run_by_the_engine(file: Path) -> None:
    done = run("test", file)
    assert (done.exit_code, done.output) == (0, f"{file}: 3 of 3 examples are as expected\n")

    file.write_text(RULES.replace("ago: 23h", "ago: 24h"))
    done = run("test", file)
    assert done.exit_code == 1
    assert (
        f"{file}:18: rule 'shared-device' does not fire on 'example 1', expected was true; device_users_24h is 1"
        in done.output
    )
    assert "2 of 3 examples" in done.output


def test_success_is_not_claimed_without_examples(file: Path) -> None:
    file.write_text(RULES[: RULES.index("    tests:")])
    done = run("test", file)
    assert done.exit_code == 1
    assert "there are no examples" in done.output


def test_a_rule_is_explained_in_sentences(file: Path) -> None:
    done = run("explain", "shared-device", "--file", file)
    assert done.exit_code == 0
    assert done.output == EXPLANATION
    done = run("explain", "shared-devise", "--file", file)
    assert done.exit_code == 1
    assert "rule 'shared-devise' does not exist; the nearest is shared-device" in done.output


def test_differences_are_sentences(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("# another layout\n" + RULES)
    done = run("diff", file, other)
    assert done.exit_code == 0
    assert done.output.startswith("no difference: both are version ")

    other.write_text(
        RULES.replace("most_users: 2", "most_users: 3")
        .replace("score: 50", "score: 60")
        .replace("window: 24h", "window: 48h")
        .replace("above-average", "far-above-average")
    )
    done = run("diff", file, other)
    assert done.exit_code == 1
    assert "Parameter most_users was 2 and is 3." in done.output
    assert "Rule shared-device: score was 50 and is 60." in done.output
    assert "in the 24 hours before the order and is the number" in done.output
    assert "Rule above-average is removed." in done.output
    assert "Rule far-above-average is added: Rule far-above-average (high severity) declines an order" in done.output


@pytest.mark.parametrize("command", [["test"], ["explain", "a", "--file"], ["diff", "rules.yaml"]])
def test_a_file_that_is_not_accepted_is_a_message(command: list[str], tmp_path: Path) -> None:
    done = run(*command, tmp_path / "missing.yaml")
    assert done.exit_code == 2
    assert "cannot be read" in done.output
    assert "Traceback" not in done.output


def test_the_schema_is_printed() -> None:
    done = run("schema")
    assert done.exit_code == 0
    assert json.loads(done.output)["title"] == "Orderwatch ruleset"
