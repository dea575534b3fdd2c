"""Every screen: it opens, axe finds nothing in both themes, it fits 360 px, and its scripts and styles are small."""

import gzip
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from order_contract.business_time import business_date, business_date_start
from order_workbench.kit.screens import SCREENS
from tests.support.workbench import SignIn, WorkbenchSystem, make_order

pytestmark = pytest.mark.integration

PATHS: Final = (*(screen.path for screen in SCREENS), "/workbench/audit", "/workbench/queue/routes")
MOST_BYTES: Final = 60_000
NARROW: Final = 360


@pytest.fixture(scope="module")
def filled(workbench: WorkbenchSystem) -> WorkbenchSystem:
    """The system with an order that is flagged, one that is not, and a message that was refused."""
    order = make_order("o-1", device_id="d-1")
    workbench.publish([order, {**order, "order_id": "o-2", "country": "ID"}, {**order, "country": "<b>XX</b>"}])
    return workbench


def test_screens_are_accessible_and_fit(filled: WorkbenchSystem, sign_in: SignIn) -> None:
    visit = sign_in(viewport={"width": NARROW, "height": 740})
    for path in PATHS:
        assert visit.goto(path) == 200, path
        assert visit.find_accessibility_faults_of_themes() == [], path
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= NARROW, path


def test_scripts_and_styles_of_a_page_are_small(filled: WorkbenchSystem, sign_in: SignIn) -> None:
    visit = sign_in()
    bodies: dict[str, int] = {}
    for path in PATHS:
        visit.goto(path)
        names = visit.page.evaluate(
            "[...document.querySelectorAll('script[src], link[rel=stylesheet]')].map(each => each.src || each.href)"
        )
        for name in names:
            if name not in bodies:
                bodies[name] = len(gzip.compress(visit.page.request.get(name).body()))
        if "editor" not in "".join(names):
            assert sum(bodies[name] for name in names) <= MOST_BYTES, path


def test_a_dead_letter_is_shown_and_published_again(filled: WorkbenchSystem, sign_in: SignIn) -> None:
    visit = sign_in()
    visit.goto("/workbench/dead-letters")
    visit.page.locator("tbody a").first.click()
    assert "<b>XX</b>" in visit.page.locator("textarea").input_value()
    visit.page.locator("[data-enable=body]").click()
    corrected = visit.page.locator("textarea").input_value().replace("<b>XX</b>", "ID").replace('"o-1"', '"o-3"')
    visit.page.locator("textarea").fill(corrected)
    visit.page.locator("button.primary").click()
    visit.page.wait_for_url("**/workbench/dead-letter?**")
    assert visit.page.locator("ol .tag", has_text="corrected").count() == 1


def test_a_person_is_invited_and_revoked(filled: WorkbenchSystem, sign_in: SignIn) -> None:
    visit = sign_in()
    visit.goto("/workbench/people")
    visit.page.locator("input[name=name]").fill("Sari")
    visit.page.locator("form[action$=invite] button").click()
    link = visit.page.locator(".notice code").inner_text()
    other = sign_in("Rudi", "read")
    other.page.goto(link)
    assert other.page.url.endswith("/workbench/now")
    visit.goto("/workbench/people")
    visit.page.locator("button[aria-label='Revoke Sari']").click()
    visit.page.wait_for_url("**/workbench/people")
    other.goto("/workbench/now")
    assert "/workbench/sign-in" in other.page.url
    visit.goto("/workbench/audit?subject_kind=person")
    assert visit.page.locator("tbody tr").count() >= 2
    assert "name Sari" in visit.page.locator("tbody").inner_text()


def test_a_search_is_saved_shared_and_forgotten(filled: WorkbenchSystem, sign_in: SignIn) -> None:
    visit = sign_in()
    visit.goto("/workbench/orders?country=SG")
    visit.page.locator("form[action$=save] input[name=name]").fill("from <b>abroad</b>")
    visit.page.locator("form[action$=save] input[name=shared]").check()
    visit.page.locator("form[action$=save] button").click()
    other = sign_in("Rudi", "read")
    other.goto("/workbench/orders")
    other.page.get_by_role("link", name="from <b>abroad</b>").click()
    other.page.wait_for_url("**/workbench/orders?**country=SG**")
    assert other.page.locator("form[action$=forget]").count() == 0
    visit.page.locator("form[action$=forget] button").click()
    visit.page.wait_for_url("**/workbench/orders")
    assert visit.page.get_by_role("link", name="from <b>abroad</b>").count() == 0


def test_the_system_has_detectors_and_dates(filled: WorkbenchSystem, sign_in: SignIn) -> None:
    yesterday = business_date(datetime.now(UTC)) - timedelta(days=1)
    filled.publish([make_order("o-yesterday", created_date=business_date_start(yesterday).isoformat())])
    visit = sign_in()
    visit.goto("/workbench/system")
    visit.page.get_by_role("region", name="Detectors").get_by_role("cell", name="127.0.0.1").wait_for()
    row = visit.page.get_by_role("region", name="Batch dates").get_by_role("row", name=str(yesterday))
    assert "not published yet" in row.inner_text()


def test_a_note_is_written_and_seen_by_others(filled: WorkbenchSystem, sign_in: SignIn) -> None:
    visit = sign_in("Dina", "review")
    visit.goto("/workbench/order?id=o-1")
    visit.page.locator("#notes input[name=text]").fill("called <script>alert(1)</script>")
    visit.page.locator("#notes button").click()
    visit.page.wait_for_selector("#notes li bdi")
    other = sign_in("Rudi", "read")
    other.goto("/workbench/order?id=o-1")
    assert "called <script>alert(1)</script>" in other.page.locator("#notes li").inner_text()
    assert other.page.locator("#notes form").count() == 0
    assert other.find_accessibility_faults() == []
    visit.page.locator("#notes input[name=text]").fill("called again")
    visit.page.locator("#notes button").click()
    visit.page.locator("#notes li", has_text="called again").wait_for()
    assert other.goto("/workbench/notes?subject_kind=order&subject_id=o-1&limit=1") == 200
    assert "called again" in other.page.locator("#notes ul").inner_text()
    other.page.get_by_role("link", name="Older notes").click()
    other.page.locator("#notes li", has_text="alert(1)").wait_for()
    assert other.page.get_by_role("link", name="Older notes").count() == 0
    assert other.page.get_by_role("link", name="Newest notes").count() == 1


LONG_FORMS: Final = """
    async () => {
        const found = [];
        for (const form of document.querySelectorAll("main form")) {
            const fields = form.querySelectorAll("input:not([type]), input[type=date], textarea");
            for (const field of fields) {
                const data = new URLSearchParams(new FormData(form));
                const isGet = form.method === "get";
                const length = isGet ? 4_000 : field.maxLength > 0 ? 50_000 : 70_000;
                data.set(field.name, "9x".repeat(length / 2));
                const url = new URL(form.action);
                if (isGet) url.search = data;
                const response = await fetch(url, isGet ? {} : {method: "POST", body: data});
                const text = await response.text();
                const sent = `${form.method} ${url.pathname} ${field.name}`;
                found.push([sent, response.status, text.includes('role="alert"')]);
            }
        }
        return found;
    }
"""
"""Sends each form of a page once for each field of text, with a value that is far too long."""


def test_too_long_values_are_answered_with_a_message(filled: WorkbenchSystem, sign_in: SignIn) -> None:
    filled.execute(
        "insert into lists (name, kind, field, created_by) values ('blocked', 'block', 'device_id', 'test')"
        " on conflict do nothing"
    )
    visit = sign_in()
    forms = (
        "/workbench/order?id=o-1", "/workbench/entity?kind=device&id=d-1", "/workbench/list?name=blocked",
        "/workbench/list/history?name=blocked", "/workbench/rules/draft?name=new", "/workbench/rules/backtests",
        "/workbench/rules/scores", "/workbench/queue?id=o-1", "/workbench/notes?subject_kind=order&subject_id=o-1",
        "/workbench/queue/routes?name=default",
    )  # fmt: skip
    sent = []
    for path in (*PATHS, *forms):
        assert visit.goto(path) == 200, path
        sent += visit.page.evaluate(LONG_FORMS)
    assert [each for each in sent if each[1] not in (413, 422) or not each[2]] == []
    assert len(sent) > 40
    visit.faults.clear()  # the browser reports each status
