"""The OpenAPI document: what FastAPI derives from the routes, completed by problems, links, sessions and examples."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from fastapi import FastAPI

from order_api.auth.sessions import COOKIE
from order_api.docs.links import LINKS
from order_api.http.problems.openapi import problem_components, responses

TAGS: Final = [
    {"name": "orders", "description": "Orders with their decisions: one, or pages of them."},
    {"name": "labels", "description": "What orders turned out to be."},
    {"name": "reviews", "description": "Orders that a person is to look at."},
    {"name": "notes", "description": "What people wrote about orders, users and what orders share."},
    {"name": "saved searches", "description": "Query strings that people keep under a name."},
    {"name": "users", "description": "Users as their orders show them."},
    {"name": "decisions", "description": "Decisions as they are made."},
    {"name": "dead letters", "description": "Messages that were refused; role admin."},
    {"name": "marts", "description": "What the batch side published."},
    {"name": "stats", "description": "Counts, sums and lag."},
    {"name": "keys", "description": "API keys; role admin."},
    {"name": "audit", "description": "Who changed lists, labels and rulesets; role admin."},
    {"name": "lists", "description": "Lists that rules look into, and snoozes of rules."},
    {"name": "rulesets", "description": "What is active, and drafts until they are published."},
    {"name": "rules", "description": "How well rules have worked."},
    {"name": "backtests", "description": "What rules would have decided on past orders."},
    {"name": "session", "description": "How a browser asks on behalf of a key."},
    {"name": "operations", "description": "For probes and scrapers; without a key."},
    {"name": "guide", "description": "Index, problems and this document; without a key."},
]
_SESSION: Final = {
    "type": "apiKey",
    "in": "cookie",
    "name": COOKIE,
    "description": "A session, as `POST /v1/session` begins one.",
}


class DocumentedAPI(FastAPI):
    """FastAPI with sessions, problems, links and examples in its document."""

    def openapi(self) -> dict[str, Any]:
        """The document; made when it is first asked for, and kept."""
        if self.openapi_schema is None:
            # A copy: the document may be changed, and parts of it are constants.
            self.openapi_schema = deepcopy(_complete(super().openapi()))
        return self.openapi_schema


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    components = document["components"]
    components["responses"], schemas = problem_components()
    restore_nulls(components["schemas"])
    components["schemas"] |= schemas
    components["securitySchemes"]["session"] = _SESSION
    used = {operation["tags"][0] for operation in _operations(document)}
    document["tags"] = [tag for tag in TAGS if tag["name"] in used]
    for operation in _operations(document):
        if operation.get("security") == [{"apiKey": []}]:
            operation["security"] = [{"apiKey": []}, {"session": []}]
        if operation["tags"][0] != "operations":
            operation["responses"].setdefault("429", responses(429)[429])
        show_parameters(operation)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            content["schema"] = _drop_null(content["schema"])
        show_content(operation.get("requestBody", {}), components["schemas"])
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                if links := LINKS.get(operation["operationId"]):
                    response["links"] = links
                show_content(response, components["schemas"])
    return document


def _drop_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A body that may be left out may not be null (`parameters.reject_null_body`): generated clients send nothing."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document["paths"].values():
        yield from item.values()


PARAMETERS: Final[dict[str, object]] = {
    "user_id": "U-1042",
    "product_id": "P-0007",
    "order_id": "0193f7c2-5d1e-7c44-9a31-6f0a4a2f9b10",
    "rule": "foreign-country",
    "outcome": "decline",
    "status": "fraud",
    "country": "SG",
    "payment_method": "GoPay",
    "device_id": "d-77aa",
    "ip_address": "36.68.10.20",
    "min_amount": 50_000_000,
    "max_amount": 300_000_000,
    "currency": "IDR",
    "from": "2026-11-22T00:00:00+07:00",
    "to": "2026-11-23T00:00:00+07:00",
    "state": "open",
    "limit": 50,
    "cursor": "Yk2tQx0vZ7mBWzE3OTk1MDI1MDAwMDAwMDAsIm8tMSJd",
    "wait": "5s",
    "whole": False,
    "get_entity.kind": "device",
    "find_links.kind": "user",
    "find_links.id": "U-1042",
    "depth": 2,
    "get_entity.id": "d-77aa",
    "voucher_code": "NOVEMBER10",
    "period": "week",
    "label_days": 30,
    "by_version": False,
    "flagged": True,
    "min_risk_score": 80,
    "code": "user-unknown",
    "get_mart.name": "mart_user_blacklist_status",
    "get_mart.cursor": "Xn3Hc1pGTdGq0uJ5o2rWbQAAAAAAAABk",
    "error_type": "bad-value",
    "actor": "fraud team (3f9c0a7be412)",
    "action": "add",
    "subject_kind": "list",
    "kind": "block",
    "value": "d-77aa",
    "at": "2026-11-22T10:15:00+07:00",
    "subject_id": "blocked_devices",
    "key_id": "3f9c0a7be412",
    "backtest_id": 17,
    "ruleset_version": "3372255be29951af",
    "opened_by": "dina@review-7",
    "get_draft.name": "large-wallets",
    "save_draft.name": "large-wallets",
    "discard_draft.name": "large-wallets",
    "approve_draft.name": "large-wallets",
    "publish_draft.name": "large-wallets",
    "list_backtests.state": "done",
    "page_review_queue.state": "waiting",
    "queue": "default",
    "list_notes.subject_kind": "user",
    "list_notes.subject_id": "U-1042",
    "delete_saved_search.name": "foreign, large",
    "mine": True,
    "stream_decisions.from": "0:21611,1:21480,2:21702",
}
"""By the parameter's name, or `operation.name` where one name means several things."""


def show_parameters(operation: dict[str, Any]) -> None:
    """Give each parameter of an operation that has no example the one of its name."""
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        known = PARAMETERS.get(f"{operation['operationId']}.{name}", PARAMETERS.get(name))
        if known is not None and not {"example", "examples"} & (parameter.keys() | parameter["schema"].keys()):
            parameter["example"] = known


def show_content(response: dict[str, Any], schemas: dict[str, Any]) -> None:
    """What a schema has for an example, where people and tools look for that of a response or of a request's body."""
    for content in response.get("content", {}).values():
        examples = _resolve(content.get("schema", {}), schemas).get("examples")
        if examples and not {"example", "examples"} & content.keys():
            content["example"] = examples[0]


def restore_nulls(schemas: dict[str, Any]) -> None:
    """Complete the examples of all schemas: FastAPI leaves out their members that are null, required ones too."""
    for schema in schemas.values():
        if "examples" in schema:
            schema["examples"] = [_add_nulls(example, schema, schemas) for example in schema["examples"]]


def _add_nulls(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    kinds = [_resolve(kind, schemas) for kind in schema.get("anyOf", [schema])]
    if isinstance(value, list):
        items: dict[str, Any] = next((kind["items"] for kind in kinds if "items" in kind), {})
        return [_add_nulls(item, _resolve(items, schemas), schemas) for item in value]
    kind = next((kind for kind in kinds if "properties" in kind), None)
    if not isinstance(value, dict) or kind is None:
        return value
    completed = {name: None for name in kind.get("required", ()) if name not in value} | value
    return {
        name: _add_nulls(completed[name], _resolve(kind["properties"].get(name, {}), schemas), schemas)
        for name in sorted(completed, key=[*kind["properties"], *value].index)
    }


def _resolve(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """What a schema refers to, or itself."""
    known: dict[str, Any] = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    return known
