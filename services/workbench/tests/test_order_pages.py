"""The pages of orders in a browser: search, order, entity and links, with hostile values, in both themes."""

import csv
import io
import json
from functools import partial
from typing import Final
from urllib.parse import urlencode

import pytest

from order_platform.kafka.topics import MAX_ORDER_BYTES
from tests.support.workbench import SignIn, Visit, WorkbenchSystem, make_order

pytestmark = pytest.mark.integration

HOSTILE: Final = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "\N{RIGHT-TO-LEFT OVERRIDE}txet desrever",
    "../../..",
    "x" * 64,
    "=a b&c=d?e#f%00",
)
LARGE: Final = MAX_ORDER_BYTES - 1_000
"""Bytes of an attribute of the largest order that topic orders takes."""
MOST_OF_PAGE: Final = 100_000
PATHS: Final = {
    "search": "/workbench/orders",
    "order": "/workbench/order?id=o-1",
    "entity": "/workbench/entity?kind=device&id=shared",
    "links": "/workbench/links?kind=order&id=o-1&depth=3",
}


order_of_device = partial(make_order, device_id="shared", ip_address="36.68.10.20")


@pytest.fixture(scope="module", autouse=True)
def orders(workbench: WorkbenchSystem) -> None:
    """Two orders of one device, and orders with hostile values in every field of text."""
    count = len(HOSTILE)
    hostile = [
        order_of_device(
            value, user_id=HOSTILE[(number + 1) % count], product_id=HOSTILE[(number + 2) % count],
            device_id=HOSTILE[(number + 3) % count], voucher_code=HOSTILE[(number + 4) % count],
            payment_method=HOSTILE[(number + 5) % count], **{HOSTILE[(number + 6) % count]: value},
        )
        for number, value in enumerate(HOSTILE)
    ]  # fmt: skip
    large = order_of_device("large", note="y" * LARGE, device_id="other", ip_address="36.68.10.21")
    workbench.publish([order_of_device("o-1"), order_of_device("o-2", country="ID"), large, *hostile])


WIDE: Final = """
    document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
    [...document.querySelectorAll("main *")]
        .filter((each) => each.getBoundingClientRect().right > innerWidth && !each.closest(".wide"))
        .map((each) => each.outerHTML.slice(0, 200))
"""


def find_wide_elements(visit: Visit) -> list[str]:
    """What makes the page so wide that it has to be scrolled sideways."""
    found: list[str] = visit.page.evaluate(WIDE)
    return found


def test_an_order_is_explained_and_labelled(workbench: WorkbenchSystem, sign_in: SignIn) -> None:
    visit = sign_in("Dina", "review")
    assert visit.goto(PATHS["order"]) == 200
    page = visit.page
    assert "Ordered from SG, not from Indonesia." in page.locator(".reasons").inner_text()
    assert page.get_by_text("With country ID instead of SG the order would be approved.").count() == 1
    fired = page.locator("table.log tr", has=page.locator("code", has_text="foreign-country"))
    assert "fired" in fired.inner_text()
    page.keyboard.press("m")
    page.wait_for_selector("#message pre")
    assert '"order_id": "o-1"' in page.locator("#message pre").inner_text()
    page.keyboard.press("e")
    page.keyboard.type("called the bank")
    page.keyboard.press("Escape")
    page.locator("select[name=reason]").select_option("stolen-card")
    page.keyboard.press("f")
    page.wait_for_url("**/workbench/order?id=o-1#labels")
    stored = workbench.execute("select label, reason, note from labels where order_id = 'o-1'")
    assert [tuple(row) for row in stored] == [("fraud", "stolen-card", "called the bank")]
    assert "called the bank" in page.locator("section", has=page.locator("#labels")).inner_text()
    assert "stolen card" in page.locator("dl.figures").inner_text()
    assert sign_in("Rudi", "read").goto(PATHS["order"]) == 200


def test_a_device_is_listed_and_a_rule_snoozed(workbench: WorkbenchSystem, sign_in: SignIn) -> None:
    workbench.execute(
        "insert into lists (name, kind, field, created_by) values ('blocked_devices', 'block', 'device_id', 'test')"
    )
    visit = sign_in("Dina", "review")
    assert visit.goto(PATHS["entity"]) == 200
    page = visit.page
    page.wait_for_selector("[data-chart] canvas")
    form = page.locator("form[action$='/list']")
    form.locator("[name=reason]").fill("shared by many")
    form.locator("[name=days]").fill("30")
    form.get_by_role("button").click()
    held = page.locator("section", has=page.locator("#lists")).locator("li", has_text="blocked_devices")
    held.wait_for()
    assert "shared by many" in held.inner_text()
    snooze = page.locator("form[action$='/snooze']")
    snooze.locator("[name=rule]").fill("foreign-country")
    snooze.locator("[name=reason]").fill("on holiday")
    snooze.get_by_role("button").click()
    page.locator("li", has_text="snooze:foreign-country:device_id").wait_for()
    held.locator("[name=reason]").fill("a mistake")
    held.get_by_role("button").click()
    held.wait_for(state="detached")
    current = workbench.execute("select list from list_entries where removed_in is null")
    assert [row["list"] for row in current] == ["snooze:foreign-country:device_id"]
    assert visit.goto("/workbench/list?name=blocked_devices") == 200
    page.keyboard.press("h")
    page.wait_for_url("**/workbench/list/history?**")
    row = page.locator("tbody tr", has_text="shared by many").inner_text()
    assert row.count("Dina") == 2
    assert "a mistake" in row
    assert visit.find_accessibility_faults() == []


def test_links_are_expanded_one_by_one(sign_in: SignIn) -> None:
    visit = sign_in()
    assert visit.goto("/workbench/links?" + urlencode({"kind": "user", "id": "user of o-1", "depth": 1})) == 200
    page = visit.page
    page.wait_for_selector("[data-graph] canvas")
    device = page.locator("#nodes tr[data-node='device:shared']")
    assert page.locator("#nodes tr[data-node='user:user of o-2']").count() == 0
    device.locator("[data-expand]").click()
    found = page.locator("#nodes tr[data-node='user:user of o-2']")
    found.wait_for()
    assert found.locator("[data-steps]").inner_text() == "2"
    assert device.locator("[data-expand]").count() == 0


def test_a_search_is_shared_by_its_address_and_downloaded(sign_in: SignIn) -> None:
    visit = sign_in()
    visit.goto(PATHS["search"])
    page = visit.page
    page.locator("select[name=outcome]").select_option("review")
    page.get_by_text("Columns", exact=True).click()
    page.locator("input[name=column][value=voucher_code]").check()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Search f").click()
    page.wait_for_url("**outcome=review**")
    assert "Voucher" in page.locator("table.orders thead").inner_text()
    assert page.locator("table.orders tbody tr").count() > 0
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV c").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert {row["outcome"] for row in rows} == {"review"}
    assert f"'{HOSTILE[-1]}" in {row["voucher_code"] for row in rows}


def test_hostile_values_are_shown_as_they_are(sign_in: SignIn) -> None:
    visit = sign_in(viewport={"width": 360, "height": 800})
    for value in HOSTILE[::3]:  # the order of each holds all of them
        pages = [
            f"/workbench/order?{urlencode({'id': value})}",
            f"/workbench/links?{urlencode({'kind': 'order', 'id': value})}",
        ]
        pages += [
            f"/workbench/entity?{urlencode({'kind': kind, 'id': value})}"
            for kind in ("user", "device", "voucher", "product")
        ]
        for path in pages:
            assert visit.goto(path) == 200, path
            assert value in visit.page.content() or value in (visit.page.locator("body").text_content() or ""), path
            assert find_wide_elements(visit) == [], path
    every_column = [("column", name) for name in ("order_id", "voucher_code", "device_id", "reasons", "payment_method")]
    assert visit.goto(f"/workbench/orders?{urlencode(every_column)}") == 200
    assert find_wide_elements(visit) == []


def test_large_attributes_are_cut(sign_in: SignIn) -> None:
    visit = sign_in("Dina", "review", viewport={"width": 360, "height": 800})
    for path in (
        "/workbench/order?id=large",
        "/workbench/order/message?id=large",
        "/workbench/queue?id=large",
        "/workbench/orders?device_id=other",
        "/workbench/entity?kind=device&id=other",
    ):
        assert visit.goto(path) == 200, path
        assert "large" in visit.page.locator("main").inner_text(), path
        assert len(visit.page.content()) < MOST_OF_PAGE, path
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360, path
    visit.goto("/workbench/order?id=large")
    visit.page.keyboard.press("m")
    visit.page.locator("#message pre").wait_for()
    with visit.page.expect_download() as download:
        visit.page.get_by_role("link", name="Download all of them").click()
    assert len(json.loads(download.value.path().read_bytes())["note"]) == LARGE


def test_the_pages_are_accessible(sign_in: SignIn) -> None:
    visit = sign_in()
    for name, path in PATHS.items():
        assert visit.goto(path) == 200
        if name == "links":
            visit.page.wait_for_selector("[data-graph] canvas")
        assert visit.find_accessibility_faults_of_themes() == [], name
