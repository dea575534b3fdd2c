"""Signing in to the workbench: by a link, once; by a key; and out again."""

from urllib.parse import urlsplit

import httpx
import pytest

from order_api.auth.keys import Role
from tests.support.workbench import WorkbenchSystem

pytestmark = pytest.mark.integration


def client(workbench: WorkbenchSystem) -> httpx.Client:
    """A client that keeps cookies, like a browser."""
    return httpx.Client(base_url=workbench.api.url, trust_env=False, verify=False, timeout=60)


def test_a_link_signs_in_once(workbench: WorkbenchSystem) -> None:
    link = workbench.sign_in_link("Dina", Role.REVIEW)
    path = urlsplit(link)._replace(scheme="", netloc="").geturl()
    with client(workbench) as first, client(workbench) as second:
        assert first.get(path, headers={"Sec-Purpose": "prefetch"}).status_code == 403  # not used up by it
        begun = first.get(path)
        assert (begun.status_code, begun.headers["location"]) == (303, "/workbench/now")
        page = first.get("/workbench/now")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "<h1>Now</h1>" in page.text
        again = second.get(path)
        assert again.status_code == 403
        assert "This link was used already" in again.text
        assert first.post("/workbench/sign-out", headers={"Origin": "https://elsewhere.example"}).status_code == 403
        assert first.post("/workbench/sign-out").status_code == 303
        assert first.get("/workbench/now").headers["location"].startswith("/workbench/sign-in")


def test_a_page_leads_back_after_the_sign_in(workbench: WorkbenchSystem) -> None:
    with client(workbench) as visitor:
        sent = visitor.get("/workbench/now?outcome=review")
        assert sent.headers["location"] == "/workbench/sign-in?next=%2Fworkbench%2Fnow%3Foutcome%3Dreview"
        assert visitor.get(sent.headers["location"]).status_code == 200
        refused = visitor.post("/workbench/sign-in", data={"key": "ow_wrong"})
        assert (refused.status_code, "unknown, expired or revoked" in refused.text) == (401, True)
        for wanted in ("https://elsewhere.example/", "//elsewhere.example", "/workbench/\\elsewhere", "/v1/orders"):
            kept = visitor.post("/workbench/preferences", data={"theme": "dark", "next": wanted})
            assert (kept.status_code, kept.headers["location"]) == (303, "/workbench/now")
        assert 'data-theme="dark"' in visitor.get("/workbench/sign-in").text


def test_the_language_is_chosen_or_the_browsers(workbench: WorkbenchSystem) -> None:
    with client(workbench) as visitor:
        assert "<h1>Masuk</h1>" in visitor.get("/workbench/sign-in", headers={"Accept-Language": "id-ID,en"}).text
        visitor.post("/workbench/preferences", data={"language": "id"})
        assert "<h1>Masuk</h1>" in visitor.get("/workbench/sign-in").text
        assert visitor.post("/workbench/preferences", data={"language": "xx"}).status_code == 422
