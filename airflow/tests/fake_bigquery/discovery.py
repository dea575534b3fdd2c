"""Google's own descriptions of BigQuery v2 and of projects, turned into JSON Schemas: which calls there are, and what
they may hold.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

# Google's client sends it although the call has no such parameter; BigQuery ignores it.
_IGNORED = {("jobs.get", "projection")}
# Routes that several methods have; those of tables and projects are meant.
_AMBIGUOUS = (
    "routines.testIamPermissions",
    "rowAccessPolicies.testIamPermissions",
    "cloudresourcemanager.organizations.testIamPermissions",
)
BIGQUERY, RESOURCE_MANAGER = "bigquery.v2", "cloudresourcemanager.v1"
_NUMBERS = {"int64": r"^-?\d+$", "uint64": r"^\d+$"}


class ViolationError(Exception):
    """A request or an answer that is not as the description has it."""


@dataclass(frozen=True)
class Call:
    """A method of the API, by its short id: `jobs.insert`."""

    id: str
    http_method: str
    path: re.Pattern[str]
    parameters: Mapping[str, Any]
    request: str | None
    response: str | None
    api: str = BIGQUERY


@cache
def document(api: str = BIGQUERY) -> dict[str, Any]:
    """A discovery document that google-api-python-client carries."""
    text = files("googleapiclient").joinpath(f"discovery_cache/documents/{api}.json").read_text()
    described: dict[str, Any] = json.loads(text)
    return described


def find_call(http_method: str, path: str) -> tuple[Call, dict[str, str]]:
    """The call that a request makes, and the parameters in its path."""
    for call in _calls():
        if call.http_method == http_method and (found := call.path.fullmatch(path)):
            return call, found.groupdict()
    raise ViolationError(f"there is no {http_method} {path}")


def check_parameters(call: Call, path: Mapping[str, str], query: Mapping[str, str]) -> None:
    """Refuse parameters that the call does not have, has elsewhere, or of another type."""
    for place, given in (("path", path), ("query", query)):
        for name, value in given.items():
            if (call.id, name) in _IGNORED:
                continue
            described = call.parameters.get(name) or document(call.api)["parameters"].get(name)
            if described is None or described["location"] != place:
                raise ViolationError(f"{call.id} has no parameter {name} in its {place}")
            if not _parameter_fits(described, value):
                raise ViolationError(f"{call.id}: {name}={value!r} is no {described.get('format', described['type'])}")
    missing = {name for name, described in call.parameters.items() if described.get("required")} - path.keys()
    if missing:
        raise ViolationError(f"{call.id} lacks {sorted(missing)}")


def check_request(call: Call, body: Any) -> None:
    """Refuse a body with fields that the call does not take, or of another type."""
    _check(call, call.request, body, call.id, writing=True)


def check_response(call: Call, body: Any) -> None:
    """The same for what the fake answers: it must not make up fields either."""
    _check(call, call.response, body, f"the answer of {call.id}", writing=False)


@cache
def _calls() -> list[Call]:
    return [*_described(BIGQUERY), *_described(RESOURCE_MANAGER)]


def _described(api: str) -> list[Call]:
    base = f"/{document(api)['servicePath']}"
    found = []
    for resource in document(api)["resources"].values():
        for method in resource.get("methods", {}).values():
            if method["id"].removeprefix("bigquery.") in _AMBIGUOUS:
                continue
            pattern = re.sub(r"\{\+resource\}", r"(?P<resource>projects/[^:]+)", method["path"])
            pattern = re.sub(r"\{\+?(\w+)\}", r"(?P<\1>[^/:]+)", pattern)
            found.append(
                Call(
                    method["id"].removeprefix("bigquery."),
                    method["httpMethod"],
                    re.compile(re.escape(base) + pattern),
                    method.get("parameters", {}),
                    method.get("request", {}).get("$ref"),
                    method.get("response", {}).get("$ref"),
                    api,
                )
            )
    return found


def _check(call: Call, schema: str | None, body: Any, where: str, *, writing: bool) -> None:
    if schema is None:
        if body not in (None, {}):
            raise ViolationError(f"{where} takes no body, got {body}")
        return
    faults = sorted(_validator(call.api, schema, writing).iter_errors(body), key=str)
    if faults:
        raise ViolationError("; ".join(f"{where}: {fault.json_path} {fault.message}" for fault in faults[:3]))


@cache
def _validator(api: str, schema: str, writing: bool) -> Draft202012Validator:
    definitions = {name: _schema(described, writing) for name, described in document(api)["schemas"].items()}
    return Draft202012Validator({"$defs": definitions, "$ref": f"#/$defs/{schema}"})


def _schema(described: Mapping[str, Any], writing: bool) -> dict[str, Any]:  # noqa: PLR0911
    """A description as JSON Schema. What is read only may not be written; unknown fields are refused."""
    if "$ref" in described:
        return {"$ref": f"#/$defs/{described['$ref']}"}
    match described["type"]:
        case "any":
            return {}
        case "array":
            return {"type": "array", "items": _schema(described["items"], writing)}
        case "object" if "properties" in described:
            properties = {
                name: _schema(each, writing)
                for name, each in described["properties"].items()
                if not (writing and each.get("readOnly"))
            }
            return {"type": "object", "properties": properties, "additionalProperties": False}
        case "object":
            return {"type": "object", "additionalProperties": _schema(described["additionalProperties"], writing)}
        case "string" if described.get("format") in _NUMBERS:
            return {"type": "string", "pattern": _NUMBERS[described["format"]]}
        case kind:
            return {"type": kind} | ({"enum": described["enum"]} if "enum" in described else {})


def _parameter_fits(described: Mapping[str, Any], value: str) -> bool:
    if "enum" in described and value not in described["enum"]:
        return False
    if described["type"] == "boolean":
        return value in {"true", "false", "True", "False"}
    if described["type"] == "integer" or described.get("format") in _NUMBERS:
        return re.fullmatch(r"-?\d+", value) is not None
    return True
