"""The review queue in a browser: a review by keyboard alone, two analysts at once, hostile values, both themes."""

from typing import Final

import pytest

from tests.support.waiting import eventually
from tests.support.workbench import SignIn, Visit, WorkbenchSystem, make_order

pytestmark = pytest.mark.integration

HOSTILE: Final = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "\N{RIGHT-TO-LEFT OVERRIDE}txet desrever\N{ZERO WIDTH SPACE}",
    "../../..",
    "x" * 64,
    "a b&c=d?e#f%00",
)
AT_HAND: Final = "article input[name=order_id]"


def at_hand(visit: Visit) -> str | None:
    """The order that a person looks at; None when there is none."""
    value: str | None = visit.page.evaluate(f"document.querySelector({AT_HAND!r})?.value ?? null")
    return value


def press(visit: Visit, keys: str) -> str | None:
    """Press keys, one after the other, that show another order; returns which."""
    before = at_hand(visit)
    visit.page.keyboard.type(keys)
    eventually(lambda: at_hand(visit) != before, "another order")
    return at_hand(visit)


def labels(workbench: WorkbenchSystem, order_id: str) -> list[tuple[str | None, ...]]:
    """Label, reason, author's name and note of an order's labels that are stored."""
    query = (
        "select label, reason, split_part(author, ' (', 1), note from labels where order_id = $1 order by recorded_at"
    )
    return [tuple(row) for row in workbench.execute(query, order_id)]


def test_a_review_by_keyboard_alone(workbench: WorkbenchSystem, sign_in: SignIn) -> None:
    workbench.publish([make_order("keys-1", amount=9_000_000), make_order("keys-2"), make_order("keys-3", amount=1)])
    visit = sign_in("Dina", "review")
    visit.page.get_by_role("button", name="Review the most urgent order").wait_for()
    visit.page.keyboard.press("n")
    visit.page.wait_for_url("**/workbench/queue?id=keys-1")
    visit.wait_for_parts()
    assert "Ordered from SG, not from Indonesia." in visit.page.locator("article .reasons").inner_text()
    visit.page.keyboard.press("t")
    visit.page.keyboard.type("it was reported; f1 l1 n")
    visit.page.keyboard.press("Escape")
    assert press(visit, "f1") == "keys-2"
    assert visit.page.url.endswith("id=keys-2")
    assert press(visit, "l1") == "keys-3"
    assert press(visit, "e") is None  # an escalated one is for another person
    eventually(lambda: labels(workbench, "keys-2"), "the labels to be stored")
    assert labels(workbench, "keys-1") == [("fraud", "stolen-card", "Dina", "it was reported; f1 l1 n")]
    assert labels(workbench, "keys-2") == [("legitimate", "known-customer", "Dina", None)]

    rudi = sign_in("Rudi", "review")
    rudi.goto("/workbench/queue")
    assert press(rudi, "n") == "keys-3"
    assert "Dina" in rudi.page.locator("article").inner_text()
    assert press(rudi, "l3") is None


def test_two_analysts_never_get_the_same_order(workbench: WorkbenchSystem, sign_in: SignIn) -> None:
    workbench.publish([make_order(f"two-{number}") for number in range(8)])
    visits = [sign_in("Dina", "review"), sign_in("Rudi", "review")]
    for visit in visits:
        visit.goto("/workbench/queue")
    shown: list[list[str | None]] = [[press(visit, "n")] for visit in visits]
    for _ in range(3):
        for visit, own in zip(visits, shown, strict=True):
            own.append(press(visit, "l1"))
    assert len({*shown[0], *shown[1]}) == 8
    taken = shown[0][-1]
    visits[1].goto(f"/workbench/queue?id={taken}")
    visits[1].faults.clear()
    visits[1].page.keyboard.type("f2")
    visits[1].page.wait_for_selector("[role=alert]")
    assert "Dina" in visits[1].page.locator("[role=alert]").inner_text()
    visits[1].faults.clear()  # the browser reports the status 409
    assert labels(workbench, str(taken)) == []


def test_an_administrator_ends_a_claim(workbench: WorkbenchSystem, sign_in: SignIn) -> None:
    workbench.publish([make_order("held", amount=99_000_000)])
    rudi = sign_in("Rudi", "review")
    rudi.goto("/workbench/queue?id=held")
    rudi.page.keyboard.press("c")
    rudi.page.locator("article p", has_text="claimed by").wait_for()
    assert rudi.page.get_by_role("button", name="End this claim").count() == 0
    dina = sign_in("Dina", "admin")
    dina.goto("/workbench/queue?id=held")
    dina.page.get_by_role("button", name="End this claim").click()
    dina.page.locator("article p", has_text="claimed by").wait_for(state="detached")
    ended = workbench.execute("select subject_id, actor from audit_log where action = 'end-claim'")
    assert [(row["subject_id"], row["actor"].split(" (")[0]) for row in ended] == [("held", "Dina")]
    assert press(rudi, "l1") != "held"


def test_routes_are_added_changed_and_removed(workbench: WorkbenchSystem, sign_in: SignIn) -> None:
    visit = sign_in()
    page = visit.page
    visit.goto("/workbench/queue/routes")
    names = page.locator("tbody td:first-child a")
    assert names.all_inner_texts() == ["default"]
    form = page.locator("form[action$='/add']")
    form.locator("[name=name]").fill("from-abroad")
    form.locator("[name=country]").fill("sg")
    form.locator("[name=due_minutes]").fill("90")
    form.locator("[name=default_action]").select_option("escalate")
    form.get_by_role("button").click()
    page.wait_for_url("**/workbench/queue/routes")
    assert names.all_inner_texts() == ["from-abroad", "default"]
    assert "90 minutes" in page.locator("tbody tr").first.inner_text()
    page.get_by_role("button", name="Later: from-abroad").click()
    page.get_by_role("button", name="Earlier: from-abroad").click()
    page.get_by_role("link", name="Change from-abroad").click()
    form = page.locator("form[action$='/change']")
    form.locator("[name=due_minutes]").fill("120")
    form.get_by_role("button").click()
    page.wait_for_url("**/workbench/queue/routes")
    assert "2 hours" in page.locator("tbody tr").first.inner_text()

    workbench.publish([make_order("routed")])
    visit.goto("/workbench/queue?queue=from-abroad")
    assert page.locator("input[name=order_ids]").evaluate_all("all => all.map(each => each.value)") == ["routed"]
    visit.goto("/workbench/queue/routes")
    page.get_by_role("button", name="Remove from-abroad").click()
    page.locator("tr[data-orphan]", has_text="from-abroad").wait_for()
    assert visit.find_accessibility_faults() == []
    page.get_by_role("button", name="Move them").click()
    page.locator("[role=status]", has_text="Moved to default: 1.").wait_for()
    assert page.locator("tr[data-orphan]").count() == 0
    reader = sign_in("Sari", "read")
    assert reader.goto("/workbench/queue/routes") == 200
    assert reader.page.locator("form[action*='/queue/routes']").count() == 0


def test_hostile_values_are_shown_and_never_run(workbench: WorkbenchSystem, sign_in: SignIn) -> None:
    workbench.publish(
        make_order(
            f"{value}"[:60] + f"-{number}", user_id=value, product_id=value, device_id=value, voucher_code=value,
            email=value, payment_method=value, more={"text": value * 1000}, amount=90_000_000 + number,
        )
        for number, value in enumerate(HOSTILE)
    )  # fmt: skip
    visit = sign_in("Dina", "review", viewport={"width": 360, "height": 740})
    visit.goto("/workbench/queue")
    seen = {press(visit, "n")}
    for _ in HOSTILE[1:]:  # the most urgent ones, by their amount
        width = visit.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360
        assert str(at_hand(visit)) in visit.page.locator("article h2").inner_text()
        seen.add(press(visit, "l1"))
    assert len(seen) == len(HOSTILE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(workbench: WorkbenchSystem, sign_in: SignIn, scheme: str) -> None:
    workbench.publish([make_order(f"axe-{scheme}", amount=95_000_000)])
    visit = sign_in("Dina", "review", color_scheme=scheme)
    visit.goto("/workbench/queue")
    assert visit.find_accessibility_faults() == []
    press(visit, "n")
    assert visit.find_accessibility_faults() == []
