"""The banned-word check finds what is planted, in names, text and paths, and nothing in standard terms."""

import subprocess
from pathlib import Path

import pytest

from scripts.check_words import RULES, Rules, find_problems


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def problems(checkout: Path, path: str, text: str) -> list[str]:
    """What is found in a checkout with one file."""
    (checkout / path).write_text(text)
    subprocess.run(["git", "add", "--all"], cwd=checkout, check=True)
    return list(find_problems(checkout, Rules.load(RULES)))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("def judge_order(event): ...", "judge"),
        ("class DecisionAnnouncer: ...", "announcer"),
        ('"""What became of an order."""', "became of"),
        ("# nobody waits for it", "nobody"),
        ('log.warning("broker_comes_back")', "comes back"),
        ('raise ValueError("is no order event")', "is no order"),
        ("MEND_AFTER = 3", "mend"),
    ],
)
def test_a_planted_word_is_found(checkout: Path, line: str, found: str) -> None:
    (problem,) = problems(checkout, "module.py", f'"""A module."""\n{line}\n')
    assert problem.startswith(f"module.py:2: '{found}'; write ")


def test_a_planted_name_of_a_file_is_found(checkout: Path) -> None:
    (problem,) = problems(checkout, "key_ring.py", '"""A module."""\n')
    assert problem == "key_ring.py: 'key ring' in the name; write credential cache"


def test_standard_terms_pass(checkout: Path) -> None:
    text = '"""Publishes decisions; repairs dates; amendments; 500 orders a second; is no longer valid."""\n'
    assert problems(checkout, "publisher.py", text) == []


def test_what_is_not_in_git_is_not_read(checkout: Path) -> None:
    (checkout / "notes.md").write_text("nobody")
    assert list(find_problems(checkout, Rules.load(RULES))) == []
