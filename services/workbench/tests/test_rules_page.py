"""The rules' pages in a browser: a draft from the editor to its publication by two persons, and back."""

import pytest

from order_api.auth.keys import Role
from tests.support.workbench import SignIn, Visit, WorkbenchSystem

pytestmark = pytest.mark.integration

RULE = """
  - id: wallets
    description: Paid {amount:,} by OVO.
    when: payment_method == "OVO" and amount > 1_000
    severity: low
    score: 50
"""
ORDER = {
    "user_id": "u-1", "product_id": "p-1", "quantity": 1, "amount": 5_000, "payment_method": "OVO", "country": "ID",
    "created_date": "2026-11-22T10:00:00+07:00",
}  # fmt: skip
DRAFT = "/workbench/rules/draft?name=wallets"


def write(visit: Visit, text: str) -> None:
    """Add a text at the end of the editor's, and leave the editor."""
    visit.page.locator(".cm-content").click()
    visit.page.keyboard.press("Control+End")
    visit.page.keyboard.insert_text(text)
    visit.page.evaluate("document.activeElement.shadowRoot.activeElement.blur()")


def test_a_draft_is_checked_previewed_approved_published_and_rolled_back(
    workbench: WorkbenchSystem, sign_in: SignIn
) -> None:
    workbench.publish([{**ORDER, "order_id": f"o-{number}"} for number in range(4)])
    eva = sign_in("Eva")
    eva.goto(DRAFT)
    write(eva, RULE.replace("amount >", "amuont >"))
    eva.page.get_by_text("unknown name 'amuont'; write amount").wait_for()
    eva.goto(DRAFT)
    write(eva, RULE)
    eva.page.keyboard.press("p")
    eva.page.get_by_text("Of 4 orders, 4 get another outcome").wait_for()
    assert eva.find_accessibility_faults() == []
    eva.page.get_by_label("What it is for").fill("wallets")
    eva.page.get_by_role("button", name="Save the draft").click()
    eva.page.get_by_text("Another person approves it").wait_for()
    budi = sign_in("Budi", Role.REVIEW)
    budi.goto(DRAFT)
    assert budi.page.get_by_text("Rule wallets is added").count() == 1
    budi.page.get_by_role("button", name="Approve this version").click()
    budi.page.get_by_text("Budi (").wait_for()
    eva.goto(DRAFT)
    eva.page.get_by_label("Percent of the users").fill("10")
    eva.page.get_by_role("button", name="Check and publish").click()
    # The browser notes that the first response was a conflict.
    eva.page.get_by_role("button", name="Publish all the same: 4 outcomes change").click()
    eva.page.get_by_text("decides for 10 % of the users").wait_for()
    eva.faults.clear()
    eva.page.get_by_text("Change what is active").click()
    eva.page.get_by_role("button", name="End the roll-out").click()
    eva.page.get_by_text("rollback, Eva").wait_for()


def test_the_report_of_a_backtest_has_charts(workbench: WorkbenchSystem, sign_in: SignIn) -> None:
    days = ("2026-11-20", "2026-11-21")
    workbench.publish(
        [{**ORDER, "order_id": day, "created_date": f"{day}T10:00:00+07:00", "country": "SG"} for day in days]
    )
    visit = sign_in()
    visit.goto("/workbench/rules/backtests")
    page = visit.page
    page.locator("[name=since]").fill(days[0])
    page.locator("[name=last]").fill(days[1])
    page.locator("form[action$='/backtests'] button").click()
    # The report comes into the page that showed the progress.
    page.locator("[data-chart] canvas").nth(1).wait_for()
    assert "Flagged after" in page.locator("[data-chart]").first.inner_text()
    page.get_by_text("As a table").click()
    rows = page.locator("#report-days tbody tr")
    assert rows.evaluate_all("all => all.map(row => [...row.cells].slice(1).map(cell => cell.dataset.value))") == [
        ["1", "1", "1", "1"],
        ["1", "1", "1", "1"],
    ]
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert visit.find_accessibility_faults() == []


def test_pages_are_accessible_and_narrow(workbench: WorkbenchSystem, sign_in: SignIn) -> None:
    workbench.publish([{**ORDER, "order_id": f"narrow-{number}", "country": "SG"} for number in range(2)])
    visit = sign_in(viewport={"width": 360, "height": 800})
    for path in ("", "/rule?id=foreign-country", "/draft?name=new", "/backtests", "/overlaps", "/scores"):
        assert visit.goto(f"/workbench/rules{path}") == 200
        visit.page.wait_for_load_state("networkidle")
        assert visit.find_accessibility_faults_of_themes() == [], path
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360, path
