"""The OpenAPI document: what FastAPI derives from the routes, and what it cannot know."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from fastapi import FastAPI

from order_api.examples import restore_nulls, show_content, show_parameters
from order_api.links import LINKS
from order_api.problems.documents import problem_components, responses
from order_api.sessions.cookie import COOKIE

__all__ = ["DocumentedAPI", "responses"]

TAGS: Final = [
    {"name": "orders", "description": "Orders with their decisions: one, or pages of them."},
    {"name": "users", "description": "Users as their orders show them."},
    {"name": "decisions", "description": "Decisions as they are made."},
    {"name": "dead letters", "description": "Messages that were refused; role admin."},
    {"name": "marts", "description": "What the batch side published."},
    {"name": "stats", "description": "Counts, sums and lag."},
    {"name": "keys", "description": "API keys; role admin."},
    {"name": "session", "description": "How a browser asks on behalf of a key."},
    {"name": "operations", "description": "For probes and scrapers; open to everybody."},
    {"name": "guide", "description": "Finding one's way; open to everybody."},
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
            # A copy: who is given the document may change it, and parts of it are constants of ours.
            self.openapi_schema = deepcopy(_completed(super().openapi()))
        return self.openapi_schema


def _completed(document: dict[str, Any]) -> dict[str, Any]:
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
            content["schema"] = _without_null(content["schema"])
        show_content(operation.get("requestBody", {}), components["schemas"])
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                if links := LINKS.get(operation["operationId"]):
                    response["links"] = links
                show_content(response, components["schemas"])
    return document


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A body that may be left out may not be null (`parameters.refuse_null_body`): generated clients send nothing."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document["paths"].values():
        yield from item.values()
