"""Examples in the OpenAPI document: of parameters by their name, and of answers from their schemas."""

from typing import Any, Final

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
    "limit": 50,
    "cursor": "Yk2tQx0vZ7mBWzE3OTk1MDI1MDAwMDAwMDAsIm8tMSJd",
    "wait": "5s",
    "flagged": True,
    "min_risk_score": 80,
    "code": "user-unknown",
    "get_mart.name": "mart_user_blacklist_status",
    "error_type": "bad-value",
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


def show_answer(response: dict[str, Any], schemas: dict[str, Any]) -> None:
    """What a schema has for an example, where people and tools look for that of an answer."""
    for content in response.get("content", {}).values():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        examples = schemas.get(name, {}).get("examples")
        if examples and not {"example", "examples"} & content.keys():
            content["example"] = examples[0]
