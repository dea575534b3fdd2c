"""The OpenAPI document: complete, and no part of it leads nowhere."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import jsonschema_rs
import pytest
from fastapi.routing import iter_route_contexts

from order_api.app import create_app
from order_api.docs.links import LINKS
from order_api.kit.routing import CredentialsFirstRoute
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
def test_references_resolve(reference: str) -> None:
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
        # Either the one or the other; to begin a session the key may be in the body instead.
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


class Example(NamedTuple):
    """An example, the schema that it belongs to, and where it is."""

    place: str
    schema: dict[str, Any]
    value: Any


def examples(node: Any, place: str = "") -> Iterator[Example]:
    """Every example below a node: of parameters, headers and bodies beside their schema, of schemas within it."""
    if isinstance(node, list):
        for number, child in enumerate(node):
            yield from examples(child, f"{place}/{number}")
    if not isinstance(node, dict):
        return
    shown = node.get("examples", [])
    named = shown.items() if isinstance(shown, dict) else enumerate(shown)
    found = [*named, *([("example", node["example"])] if "example" in node else [])]
    for name, value in found:
        beside = "schema" in node
        unwrapped = value["value"] if beside and isinstance(shown, dict) and name != "example" else value
        yield Example(f"{place}/{name}", node["schema"] if beside else node, unwrapped)
    for name, child in node.items():
        if name not in {"example", "examples"}:
            yield from examples(child, f"{place}/{name}")


EXAMPLES = list(examples(DOCUMENT))


def test_there_are_examples_to_check() -> None:
    assert len(EXAMPLES) > 100
    for place in ("parameters", "requestBody", "responses", "components/schemas"):
        assert [example for example in EXAMPLES if place in example.place], place


@pytest.mark.parametrize("example", [pytest.param(example, id=example.place) for example in EXAMPLES])
def test_examples_are_valid(example: Example) -> None:
    schema = {**example.schema, "components": DOCUMENT["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    faults = [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(example.value)]
    assert not faults


@pytest.mark.parametrize(("path", "operation"), OPERATIONS)
def test_bodies_have_their_examples_beside_them(path: str, operation: dict[str, Any]) -> None:
    bodies = [operation.get("requestBody", {})]
    bodies += [resolved(response) for status, response in operation["responses"].items() if status.startswith("2")]
    for body in bodies:
        for content in body.get("content", {}).values():
            assert {"example", "examples"} & content.keys(), path


NUMBERS = [
    pytest.param(path, operation, parameter, id=f"{name}-{parameter['name']}")
    for name, (path, operation) in BY_ID.items()
    for parameter in operation.get("parameters", [])
    if parameter["schema"].get("type") == "integer"
]
NO_DIGITS = [
    "1_0",
    "5.0",
    "+5",
    " 5",
    "5 ",
    "5e0",
    "0x5",
    "",
    "\N{ARABIC-INDIC DIGIT FIVE}",
    "\N{FULLWIDTH DIGIT FIVE}",
]


@pytest.mark.parametrize(("path", "operation", "parameter"), NUMBERS)
@pytest.mark.integration
async def test_numbers_are_digits(serve: Any, path: str, operation: dict[str, Any], parameter: dict[str, Any]) -> None:
    """Of every parameter that is a number, whichever route it belongs to."""
    method = next(method for method, known in DOCUMENT["paths"][path].items() if known is operation)
    given = {
        other["name"]: other.get("example") or other["schema"]["examples"][0]
        for other in operation["parameters"]
        if other["in"] == "path"
    }
    required = {
        other["name"]: other["example"]
        for other in operation["parameters"]
        if other["in"] == "query" and other["required"]
    }
    async with serve("admin") as client:
        for text in NO_DIGITS:
            in_path = {**given, **({parameter["name"]: quote(text, safe="")} if parameter["in"] == "path" else {})}
            if "" in in_path.values():
                continue  # another path
            query = required | ({parameter["name"]: text} if parameter["in"] == "query" else {})
            response = await client.request(method.upper(), path.format(**in_path), params=query)
            assert response.status_code == 422, text
            [error] = response.json()["errors"]
            assert (error["in"], error["field"]) == (parameter["in"], parameter["name"])
            assert error["message"] == "is not a whole number: write digits only, like 50"
            assert error["value"] == text


def test_there_are_numbers_to_check() -> None:
    assert len(NUMBERS) >= 12
    assert {"limit", "partition", "offset", "min_amount"} <= {case.values[2]["name"] for case in NUMBERS}  # type: ignore[index]


def test_every_route_that_needs_a_key_looks_at_it_first() -> None:
    routes = iter_route_contexts(create_app(ApiSettings()).routes)
    guarded = [route for route in routes if (route.path or "").startswith("/v1")]
    assert len(guarded) > 10
    assert all(isinstance(route.original_route, CredentialsFirstRoute) for route in guarded)


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
