"""Fixtures of tests in a browser.

workbench            a detector and the API with its pages, on topics and a database of their own      module
browser              Chromium; skips where none is installed                                           module
sign_in              `sign_in("Dina", Role.REVIEW, color_scheme="dark")`: a tab of a person, as `Visit`
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.databases import Databases
from tests.support.fixtures import own_database, own_topics

if TYPE_CHECKING:  # most runs need no browser
    from playwright.sync_api import Browser

    from order_api.auth.keys import Role
    from tests.support.workbench import SignIn, WorkbenchSystem


@pytest.fixture(scope="module")
def workbench(
    broker: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["WorkbenchSystem"]:
    """A detector and the API, on topics and a database of their own."""
    from tests.support.workbench import serve_workbench  # noqa: PLC0415

    with (
        own_topics(broker) as kafka,
        own_database(databases) as url,
        serve_workbench(kafka, url, tmp_path_factory.mktemp("workbench")) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium. While it is open the thread has a loop, with which fixtures of other modules must do without."""
    from tests.support.workbench import CHROMIUM, open_browser  # noqa: PLC0415

    if CHROMIUM is None:
        pytest.skip("no Chromium: `apt-get install chromium` provides one")
    with open_browser() as opened:
        yield opened


@pytest.fixture
def sign_in(browser: "Browser", workbench: "WorkbenchSystem") -> Iterator["SignIn"]:
    """Tabs of people, each with cookies of its own; at the end nothing went wrong in any."""
    from tests.support.workbench import Visit  # noqa: PLC0415

    visits: list[Visit] = []

    def begin(name: str = "Dina", role: "Role | str" = "admin", **options: object) -> Visit:
        context = browser.new_context(**options)  # type: ignore[arg-type]  # options of a context, as Playwright has them
        visit = Visit(context, workbench.api.url)
        visits.append(visit)
        visit.page.goto(workbench.sign_in_link(name, role))
        visit.wait_for_parts()
        return visit

    yield begin
    for visit in visits:
        visit.page.context.close()
    assert [fault for visit in visits for fault in visit.faults] == []
