"""The Now page in a browser: decisions appear, pause and resume without a gap, and survive the API's death."""

from typing import Any

import pytest

from tests.support.waiting import eventually
from tests.support.workbench import SignIn, Visit, WorkbenchSystem, make_order

pytestmark = pytest.mark.integration


def make_orders(first: int, count: int, country: str = "ID") -> list[dict[str, Any]]:
    """Order events with ids from `first` on."""
    return [make_order(f"o-{number}", country=country, amount=50_000) for number in range(first, first + count)]


def shown_count(visit: Visit) -> int:
    """How many decisions the page counted."""
    return int(visit.page.locator("[data-count=decisions]").get_attribute("data-total") or 0)


def test_decisions_appear_and_none_is_missing_or_twice(workbench: WorkbenchSystem, sign_in: SignIn) -> None:
    visit = sign_in()
    visit.goto("/workbench/now")
    page = visit.page
    page.wait_for_selector("[data-live][data-state=live]")
    workbench.publish(make_orders(0, 20, country="SG"))
    eventually(lambda: shown_count(visit) == 20, "the decisions to be counted")
    assert page.locator("#live-rows li", has_text="Ordered from SG, not from Indonesia.").count() > 0

    page.keyboard.press("p")
    page.wait_for_selector("[data-live][data-state=paused]")
    workbench.publish(make_orders(100, 30))
    assert shown_count(visit) == 20
    page.keyboard.press("p")
    eventually(lambda: shown_count(visit) == 50, "the decisions of the pause")

    workbench.api.kill()
    workbench.publish(make_orders(200, 40))
    visit.faults.clear()  # the browser reports the lost connection
    workbench.api.start()
    eventually(lambda: shown_count(visit) == 90, "the decisions of the time without the API")
    visit.faults.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(workbench: WorkbenchSystem, sign_in: SignIn, scheme: str) -> None:
    visit = sign_in(color_scheme=scheme)
    visit.goto("/workbench/now")
    visit.page.wait_for_selector(".figures dd")
    assert visit.find_accessibility_faults() == []
    visit.page.keyboard.press("?")
    assert visit.page.locator("#keys dt").count() >= 2
    assert visit.find_accessibility_faults() == []


def test_old_rows_leave_with_the_text_between_them(workbench: WorkbenchSystem, sign_in: SignIn) -> None:
    visit = sign_in()
    visit.goto("/workbench/now")
    left = visit.page.evaluate(
        """() => {
            const list = document.getElementById("live-rows");
            for (let number = 0; number < 1000; number++) list.prepend(document.createElement("li"), "\\n");
            document.dispatchEvent(new CustomEvent("htmx:sse:after:message", {detail: {message: {}}}));
            return [list.childElementCount, list.childNodes.length];
        }"""
    )
    assert left[0] == 200
    assert left[1] <= 401
