"""Texts of the templates are translated, and values are written as people of each language do."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import order_workbench
from order_workbench.kit.languages import load_language
from order_workbench.kit.screens import SCREENS

TEMPLATES = sorted(Path(order_workbench.__file__).parent.rglob("*.html"))
TEXT = re.compile(r"""_\(\s*"((?:[^"\\]|\\.)*)"|_\(\s*'((?:[^'\\]|\\.)*)'""")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_text_of_a_template_is_translated(template: Path) -> None:
    texts = {first or second for first, second in TEXT.findall(template.read_text())}
    assert texts - load_language("id").texts.keys() == set()


def test_titles_of_screens_are_translated() -> None:
    assert {screen.title for screen in SCREENS} <= load_language("id").texts.keys()


def test_writes_values_as_the_language_does() -> None:
    moment = datetime(2026, 11, 22, 3, 15, tzinfo=UTC)
    english, indonesian = load_language("en"), load_language("id")
    assert english.money(320_000_000, "IDR") == "Rp\N{NO-BREAK SPACE}320,000,000"
    assert indonesian.money(320_000_000, "IDR") == "Rp\N{NO-BREAK SPACE}320.000.000"
    assert indonesian.time(moment) == "22 Nov 2026, 10.15.00 WIB"
    assert english.time("2026-11-22T03:15:00Z") == "22 Nov 2026, 10:15:00 WIB"
    assert indonesian.percent(0.051) == "5,1%"
