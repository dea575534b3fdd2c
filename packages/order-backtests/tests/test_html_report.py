"""The page of a backtest: well formed, complete in itself, and whatever orders say is text in it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import pytest

from decision_engine.backtest.backtester import Backtester, PastOrder
from decision_engine.backtest.tally import Tally
from decision_engine.ruleset import Ruleset, parse_ruleset
from order_backtests.charts import MOST_COLUMNS, flagged_by_day
from order_backtests.html import as_html
from order_backtests.report import Backtest
from order_contract.decision import Outcome
from order_contract.event import OrderEvent
from order_contract.label import Label

RULES = """
review_at: 50
decline_at: 90
rules:
  - {id: large, description: "Order of {user_id} has {amount:,}.", when: amount >= 20_000_000, severity: low, score: 50}
  - {id: foreign, description: "From {country}.", when: country != 'ID', severity: low, score: 60}
"""
HOSTILE = """</td></svg><script>alert("1")</script><img src=x onerror='alert(1)'>{{ 7 * 7 }}&amp;"""


class Page(HTMLParser):
    """The elements of a page; fails on one that is not closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def orders(text: str, days: int) -> Iterator[PastOrder]:
    labels = (None, Label.FRAUD, Label.LEGITIMATE, Label.CHARGEBACK)
    for number in range(40 * days):
        event = OrderEvent(
            order_id=f"{text}{number}", user_id=text, product_id="p", quantity=1, amount=number % 40 * 1_000_000,
            currency="IDR", payment_method=text, country="SG" if number % 7 == 0 else "ID",
            created_date=datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=number * 0.6), device_id=None,
            ip_address=None, voucher_code=None, email=None, shipping_country=None, account_created_date=None,
            attributes=None,
        )  # fmt: skip
        yield PastOrder(event, Outcome.APPROVE if number % 3 else Outcome.REVIEW, labels[number % 4])


def tried(text: str = "o", days: int = 3) -> Backtest:
    ruleset = parse_ruleset(RULES, "rules.yaml")
    backtester = Backtester(ruleset)
    for order in orders(text, days):
        backtester.decide(order)
    return Backtest(f"{text}.yaml", text, "2026-11-01 to 2026-11-03", ruleset, backtester.tally, date(2026, 10, 1))


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return parse_ruleset(RULES, "rules.yaml")


def test_the_page_is_complete_in_itself() -> None:
    text = as_html(tried())
    page = Page(text)
    assert page.names.count("figure") == 4
    assert not {"script", "img", "link", "iframe", "object"} & set(page.names)
    assert not {"src", "href", "onload", "srcset"} & set(page.attributes)
    assert "url(" not in text
    assert "Order of o has" in page.text
    assert "large" in page.text
    assert "Orders before 2026-10-01 were removed" in page.text


def test_what_orders_say_is_text() -> None:
    plain, hostile = Page(as_html(tried())), Page(as_html(tried(HOSTILE)))
    assert hostile.names == plain.names
    assert hostile.attributes == plain.attributes
    assert f"Order of {HOSTILE} has" in hostile.text
    assert "\x1b" not in as_html(tried("\x1b[31m"))


def test_reasons_can_be_left_out() -> None:
    page = Page(as_html(tried("someone"), with_reasons=False))
    assert "Order of someone" not in page.text
    assert "large, foreign" in page.text


def test_without_labels_or_flagged_orders_charts_are_left_out(ruleset: Ruleset) -> None:
    page = Page(as_html(Backtest("a", "b", "2026-11-01", ruleset, Tally(ruleset))))
    assert "figure" not in page.names
    assert "No order is labelled" in page.text


def test_many_days_share_columns() -> None:
    chart = flagged_by_day(tried(days=200).tally)
    assert chart is not None
    assert len(chart.rectangles) <= 2 * MOST_COLUMNS
    assert chart.note.startswith("Each pair of bars is the sum of")
    assert all(each.x + each.width <= 720 and each.y >= 0 and each.height >= 0 for each in chart.rectangles)
