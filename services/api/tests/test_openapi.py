"""The OpenAPI document: complete, and no part of it leads nowhere."""

from collections.abc import Iterator
from typing import Any

import pytest

from order_api.application import create_app
from order_api.settings import ApiSettings

DOCUMENT = create_app(ApiSettings()).openapi()
OPERATIONS = [
    pytest.param(path, operation, id=operation["operationId"])
    for path, item in DOCUMENT["paths"].items()
    for operation in item.values()
]


def references(node: Any) -> Iterator[str]:
    """Every $ref below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")


@pytest.mark.parametrize("reference", sorted(set(references(DOCUMENT))))
def test_references_lead_somewhere(reference: str) -> None:
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    assert node


@pytest.mark.parametrize(("path", "operation"), OPERATIONS)
def test_operations_are_described(path: str, operation: dict[str, Any]) -> None:
    assert operation["tags"]
    assert operation["description"]
    assert "HTTPValidationError" not in str(operation)
    protected = path.startswith("/v1")
    assert ("security" in operation) is protected
    if protected:
        assert {"401", "403", "422", "503"} <= set(operation["responses"])


def test_no_parameter_may_be_null() -> None:
    parameters = [parameter for item in DOCUMENT["paths"].values() for parameter in item["get"].get("parameters", [])]
    assert len(parameters) > 30
    assert "null" not in str(parameters)


def test_schemas_that_people_read_have_examples() -> None:
    for name in ("OrderDetails", "OrderSummary", "OrderPage", "Stats", "Problem"):
        assert DOCUMENT["components"]["schemas"][name]["examples"], name
