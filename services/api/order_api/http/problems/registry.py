"""Registry of the problem types that are sent over HTTP."""

from order_api.http.problems import (
    availability,
    dead_letters,
    orders,
    rejections,
    requests,
    resources,
    reviews,
    rulesets,
)
from order_api.http.problems.problem import Problem

_MODULES = (requests, rejections, orders, dead_letters, rulesets, reviews, resources, availability)


def problem_types() -> dict[str, type[Problem]]:
    """All types that are answered, by code."""
    kinds = [kind for module in _MODULES for kind in vars(module).values() if isinstance(kind, type)]
    unanswered = (Problem, requests.ClientDisconnected)
    return {kind.code: kind for kind in kinds if issubclass(kind, Problem) and kind not in unanswered}
