"""Registry of the problem types that are sent over HTTP."""

from order_api.http.problems import availability, requests
from order_api.http.problems import rejections as refusals
from order_api.http.problems import resources as orders
from order_api.http.problems.problem import Problem

_MODULES = (requests, refusals, orders, availability)


def problem_types() -> dict[str, type[Problem]]:
    """All types that are answered, by code."""
    kinds = [kind for module in _MODULES for kind in vars(module).values() if isinstance(kind, type)]
    unanswered = (Problem, requests.ClientDisconnected)
    return {kind.code: kind for kind in kinds if issubclass(kind, Problem) and kind not in unanswered}
