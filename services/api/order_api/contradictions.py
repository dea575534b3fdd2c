"""Filters that can never match together: a 422 that says so, as an empty page would look like "no fraud"."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from order_contract.decision import Outcome, Status, status_of


class Contradiction(NamedTuple):
    """A parameter, its value, and why nothing can match."""

    parameter: str
    value: object
    message: str


def refuse_contradictions(parameters: BaseModel) -> None:
    """Raises RequestValidationError, which names each parameter that contradicts another one.

    Works on any of the filters that have these fields; `from` and `to` are named by their aliases.
    """
    given = {name: getattr(parameters, name) for name in type(parameters).model_fields}
    found = [*_times(given), *_amounts(given), *_outcomes(given)]
    if found:
        raise RequestValidationError(
            [
                {"type": "contradiction", "loc": ("query", each.parameter), "input": each.value, "msg": each.message}
                for each in found
            ]
        )


def _times(given: dict[str, Any]) -> Iterator[Contradiction]:
    for start_name, end_name in (("created_from", "created_to"), ("recorded_from", "recorded_to"), ("start", "end")):
        start, end = given.get(start_name), given.get(end_name)
        if isinstance(start, datetime) and isinstance(end, datetime) and end <= start:
            yield Contradiction(
                "to",
                end.isoformat(),
                f"is not after `from` ({start.isoformat()}), so nothing can match; write a later time",
            )


def _amounts(given: dict[str, Any]) -> Iterator[Contradiction]:
    low, high = given.get("min_amount"), given.get("max_amount")
    if low is not None and high is not None and high < low:
        yield Contradiction(
            "max_amount", high, f"is below `min_amount` ({low}), so nothing can match; write {low} or more"
        )


def _outcomes(given: dict[str, Any]) -> Iterator[Contradiction]:
    outcome, status, flagged = given.get("outcome"), given.get("status"), given.get("flagged")
    if outcome is not None and status is not None and status != status_of(Outcome(outcome)):
        right = status_of(Outcome(outcome))
        yield Contradiction(
            "status",
            str(status),
            f"contradicts outcome {outcome}, so nothing can match; write {right}, or leave it out",
        )
    if flagged is None:
        return
    for name, value in (("outcome", outcome), ("status", status)):
        if value is None:
            continue
        is_flagged = value != (Outcome.APPROVE if name == "outcome" else Status.GENUINE)
        if is_flagged != flagged:
            yield Contradiction(
                "flagged", str(flagged).lower(),
                f"contradicts {name} {value}, so nothing can match; write {str(is_flagged).lower()}, or leave it out",
            )  # fmt: skip
            return
