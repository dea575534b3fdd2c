"""Signing in with an identity provider: who comes in, with which role, and who does not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey
from pydantic import ValidationError

from order_workbench.settings import WorkbenchSettings
from tests.support.api import ApiProcess
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider, serve_provider
from tests.support.workbench import WorkbenchSystem

SETTINGS = {
    "ORDERWATCH_OIDC_CLIENT_ID": CLIENT_ID,
    "ORDERWATCH_OIDC_CLIENT_SECRET": CLIENT_SECRET,
    "ORDERWATCH_OIDC_REVIEW_GROUPS": "fraud-analysts, reviewers",
    "ORDERWATCH_OIDC_ADMIN_GROUPS": "fraud-leads",
}


@pytest.fixture
def provider() -> Iterator[Provider]:
    """An identity provider."""
    with serve_provider() as served:
        yield served


@pytest.fixture
def api(workbench: WorkbenchSystem, provider: Provider, tmp_path: Path) -> Iterator[ApiProcess]:
    """An API that knows it."""
    settings = {**SETTINGS, "ORDERWATCH_OIDC_ISSUER": provider.issuer}
    with ApiProcess(workbench.kafka, workbench.database_url, tmp_path / "api.log", **settings) as running:
        yield running


def sign_in(client: httpx.Client) -> httpx.Response:
    """Go to the provider and return; the response to the return."""
    sent = client.get("/workbench/sign-in/provider")
    assert sent.status_code == 303
    returned = httpx.get(sent.headers["location"], trust_env=False, timeout=60).headers["location"]
    return client.get(returned)


def browser_of(api: ApiProcess) -> httpx.Client:
    """A client that keeps cookies."""
    return httpx.Client(base_url=api.url, trust_env=False, verify=False, timeout=60)


@pytest.mark.integration
def test_a_person_signs_in_with_the_role_of_their_groups(
    api: ApiProcess, provider: Provider, workbench: WorkbenchSystem
) -> None:
    with browser_of(api) as client:
        assert "/workbench/sign-in/provider" in client.get("/workbench/sign-in").text
        begun = sign_in(client)
        assert (begun.status_code, begun.headers["location"]) == (303, "/workbench/now")
        assert client.get("/workbench/queue").status_code == 200
        assert client.get("/workbench/people").status_code == 403
    provider.claims |= {"groups": ["fraud-leads"], "name": "Dina Sari"}
    with browser_of(api) as client:
        assert sign_in(client).status_code == 303
        assert client.get("/workbench/people").status_code == 200
    rows = workbench.execute("select name, role, subject from api_keys where subject is not null")
    assert [tuple(row) for row in rows] == [("Dina Sari", "admin", f"{provider.issuer}|person-7")]
    workbench.execute("update api_keys set revoked_at = now() where subject is not null")
    with browser_of(api) as client:
        refused = sign_in(client)
        assert (refused.status_code, "was revoked" in refused.text) == (403, True)


@pytest.mark.integration
def test_refuses_whom_the_provider_does_not_vouch_for(api: ApiProcess, provider: Provider) -> None:
    changes: list[dict[str, Any]] = [
        {"groups": ["warehouse"]}, {"groups": None}, {"aud": "another"}, {"iss": "https://elsewhere.example"},
        {"nonce": "of-another"}, {"exp": 1}, {"sub": None},
    ]  # fmt: skip
    for change in changes:
        provider.changes = change
        with browser_of(api) as client:
            assert sign_in(client).status_code == 403, change
            assert client.get("/workbench/now").status_code == 303, change
    provider.changes = {}
    provider.signing_key = RSAKey.generate_key(2048, {"kid": "first"})
    with browser_of(api) as client:
        assert sign_in(client).status_code == 403
    provider.signing_key = provider.key
    with browser_of(api) as client, browser_of(api) as other:
        sent = client.get("/workbench/sign-in/provider")
        returned = httpx.get(sent.headers["location"], trust_env=False, timeout=60).headers["location"]
        assert other.get(returned).status_code == 403  # it did not begin there
        assert client.get(f"{returned}x").status_code == 403
        assert client.get("/workbench/sign-in/callback?error=access_denied").status_code == 403
        assert client.get(returned).status_code == 303
        assert client.get(returned).status_code == 403  # the code is used


@pytest.mark.integration
def test_says_that_the_provider_does_not_respond(api: ApiProcess, provider: Provider) -> None:
    provider.server_close()
    with browser_of(api) as client:
        assert client.get("/workbench/sign-in/provider").status_code == 503


def test_settings_name_what_is_missing_and_choose_the_largest_role() -> None:
    with pytest.raises(ValidationError, match="ORDERWATCH_OIDC_CLIENT_ID"):
        WorkbenchSettings(oidc_issuer="https://login.example")
    settings = WorkbenchSettings(oidc_admin_groups=("leads",), oidc_review_groups=("staff",), oidc_read_groups=("*",))
    assert settings.find_role(["staff", "leads"]) == "admin"
    assert settings.find_role("staff") == "review"
    assert settings.find_role(None) == "read"
    assert WorkbenchSettings().find_role(["leads"]) is None
