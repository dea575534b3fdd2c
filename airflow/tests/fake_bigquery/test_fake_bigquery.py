"""The fake's own strictness: what BigQuery would refuse, it refuses."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.fake_bigquery.discovery import ViolationError, check_parameters, check_request, check_response, find_call
from tests.fake_bigquery.server import FakeBigQuery, serving

BASE = "/bigquery/v2/projects/test-project"
LOAD = {"configuration": {"load": {"destinationTable": {"tableId": "t"}}}}


@pytest.fixture
def ask() -> Iterator[Callable[..., Any]]:
    """Ask by hand, as no client would."""
    with serving(FakeBigQuery()) as fake:

        def ask(method: str, path: str, **given: Any) -> Any:
            answer = requests.request(method, fake.url + path, timeout=10, **given)
            return answer.status_code, answer.json()["error"]["message"], fake.violations

        yield ask


@pytest.mark.parametrize(
    "body",
    [
        {**LOAD, "colour": "red"},
        {"configuration": {"load": {"sourceformat": "CSV"}}},
        {"configuration": {"load": {"maxBadRecords": "0"}}},
        {"configuration": {"load": {"autodetect": "false"}}},
        {"configuration": {"load": {"schema": {"fields": [{"nmae": "x"}]}}}},
        {"configuration": {"labels": {"a": 1}}},
        {**LOAD, "status": {"state": "DONE"}},
        [],
        None,
    ],
    ids=str,
)
def test_bodies_that_are_not_as_described(body: Any) -> None:
    call, _ = find_call("POST", f"{BASE}/jobs")
    check_request(call, LOAD)
    with pytest.raises(ViolationError, match=r"jobs\.insert"):
        check_request(call, body)


def test_numbers_of_64_bits_are_text() -> None:
    call, _ = find_call("POST", f"{BASE}/queries")
    check_request(call, {"query": "select 1", "maximumBytesBilled": "10"})
    for wrong in (10, "ten", "1.5"):
        with pytest.raises(ViolationError, match="maximumBytesBilled"):
            check_request(call, {"query": "select 1", "maximumBytesBilled": wrong})


def test_answers_may_hold_what_is_only_read() -> None:
    call, _ = find_call("POST", f"{BASE}/jobs")
    check_response(call, {**LOAD, "status": {"state": "DONE"}})
    with pytest.raises(ViolationError, match="the answer"):
        check_response(call, {"done": True})


@pytest.mark.parametrize(
    ("path", "query"),
    [({"projectId": "p"}, {"stateFiltr": "done"}), ({"projectId": "p"}, {"maxResults": "many"}),
     ({"projectId": "p"}, {"allUsers": "yes"}), ({"projectId": "p"}, {"projection": "half"}), ({}, {})],
    ids=str,
)  # fmt: skip
def test_parameters_that_are_not_as_described(path: dict[str, str], query: dict[str, str]) -> None:
    call, _ = find_call("GET", f"{BASE}/jobs")
    check_parameters(call, {"projectId": "p"}, {"stateFilter": "done", "maxResults": "5", "prettyPrint": "false"})
    with pytest.raises(ViolationError):
        check_parameters(call, path, query)


def test_calls_that_there_are_not() -> None:
    with pytest.raises(ViolationError, match="there is no"):
        find_call("POST", f"{BASE}/jbos")


def test_calls_that_the_adapter_does_not_make(ask: Callable[..., Any]) -> None:
    status, message, violations = ask("GET", f"{BASE}/datasets")
    assert (status, len(violations)) == (400, 1)
    assert "NotImplementedError" in message


@pytest.mark.parametrize(
    "statement",
    ["SELECT 1", "SELECT COUNT(*) AS row_count, CAST(NULL AS NUMERIC) AS amount FROM `p.d.t` WHERE TRUE"],
)
def test_queries_that_the_adapter_does_not_ask(ask: Callable[..., Any], statement: str) -> None:
    body = {"query": statement, "useLegacySql": False, "maximumBytesBilled": "1"}
    status, message, _ = ask("POST", f"{BASE}/queries", json=body)
    assert status == 400
    assert "not a query that is known" in message


def test_pieces_of_an_upload_that_is_gone(ask: Callable[..., Any]) -> None:
    status, message, _ = ask(
        "PUT",
        f"/upload{BASE}/jobs?uploadType=resumable&upload_id=none",
        headers={"Content-Range": "bytes 0-1/2"},
        data=b"xx",
    )
    assert status == 404
    assert "Upload none" in message
