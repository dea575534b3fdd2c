"""The OpenAPI document: complete, and no part of it leads nowhere."""

from collections.abc import Iterator
from typing import Any

import pytest

from order_api.application import create_app
from order_api.links import LINKS
from order_api.settings import ApiSettings

DOCUMENT = create_app(ApiSettings()).openapi()
BY_ID = {
    operation["operationId"]: (path, operation)
    for path, item in DOCUMENT["paths"].items()
    for operation in item.values()
}
OPERATIONS = [pytest.param(path, operation, id=name) for name, (path, operation) in BY_ID.items()]


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


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """What a node is, or refers to."""
    if "$ref" not in node:
        return node
    found: Any = DOCUMENT
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


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
        assert {"401", "403", "429", "503"} <= set(operation["responses"])
        assert "422" in operation["responses"] or not operation.get("parameters")
        # Either the one or the other; to begin a session the key may stand in the body instead.
        other: dict[str, Any] = {} if operation["operationId"] == "create_session" else {"session": []}
        assert operation["security"] == [{"apiKey": []}, other]


@pytest.mark.parametrize(("path", "operation"), OPERATIONS)
def test_operations_have_examples(path: str, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        kind = resolved(parameter["schema"])
        assert "example" in parameter or parameter["schema"].get("examples") or kind.get("enum"), parameter["name"]
    bodies = [resolved(response) for response in operation["responses"].values()]
    if "requestBody" in operation:
        bodies.append(operation["requestBody"])
    for body in bodies:
        for content in body.get("content", {}).values():
            shown = "example" in content or content.get("examples") or resolved(content["schema"]).get("examples")
            kinds = [resolved(kind) for kind in content["schema"].get("anyOf", [])]
            assert shown or any(kind.get("examples") for kind in kinds), body


def test_links_lead_to_operations_and_their_parameters() -> None:
    links = [
        link
        for _, operation in BY_ID.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert len(links) > 10
    for link in links:
        names = {parameter["name"] for parameter in BY_ID[link["operationId"]][1].get("parameters", [])}
        assert set(link["parameters"]) <= names
    assert set(LINKS) <= set(BY_ID)


def test_who_changes_a_document_changes_no_other() -> None:
    changed = create_app(ApiSettings()).openapi()
    changed["paths"]["/v1/orders/{order_id}"]["get"]["responses"]["200"]["links"].clear()
    changed["components"]["responses"].clear()
    changed["tags"][0].clear()
    assert create_app(ApiSettings()).openapi() == DOCUMENT


def test_no_parameter_may_be_null() -> None:
    parameters = [parameter for _, operation in BY_ID.values() for parameter in operation.get("parameters", [])]
    assert len(parameters) > 30
    assert "null" not in str(parameters)


def test_generators_that_name_by_title_and_those_that_name_by_component_agree() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert {name: schema["title"] for name, schema in schemas.items()} == {name: name for name in schemas}
    assert not [name for name in schemas if name.endswith("Model")]


def test_schemas_that_people_read_have_examples() -> None:
    for name in ("Order", "OrderSummary", "OrderPage", "User", "Stats", "Problem"):
        assert DOCUMENT["components"]["schemas"][name]["examples"], name
