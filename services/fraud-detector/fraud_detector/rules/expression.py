"""Rule expressions: a small safe subset of Python, checked on the syntax tree and compiled once.

Comparisons, `and`/`or`/`not`, arithmetic, `in`, literals, and the names of fields and features. There are no calls,
attributes, subscripts or loops, and types are checked beforehand, so an accepted expression cannot fail, do harm or
take long when it runs.
"""

import ast
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from order_contract.event import OrderEvent

Condition = Callable[[OrderEvent, Mapping[str, Any]], bool]
"""Whether a rule fires for an event and its features."""

MAX_LENGTH = 2_000

_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
_DIVISION = (ast.Div, ast.FloorDiv, ast.Mod)
_ORDERING = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_EQUALITY = (ast.Eq, ast.NotEq)
_MEMBERSHIP = (ast.In, ast.NotIn)
_KINDS: dict[type, str] = {bool: "truth value", int: "number", float: "number", str: "text"}


class ExpressionError(ValueError):
    """An expression that is not accepted; the text says why and what to write instead."""


def compile_condition(text: str, fields: Mapping[str, type], features: Mapping[str, type]) -> Condition:
    """Compile a rule's condition over event `fields` and `features`, each a name with its type.

    Raises ExpressionError.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters, this one {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ExpressionError(f"not an expression: {error}") from None
    try:
        return _compile(tree, fields, features)
    except RecursionError:
        raise ExpressionError("the expression is nested too deeply; split the rule in two") from None


def _compile(tree: ast.Expression, fields: Mapping[str, type], features: Mapping[str, type]) -> Condition:
    kinds = {name: _KINDS[kind] for name, kind in (*fields.items(), *features.items())}
    found = _Checker(kinds).kind(tree.body)
    if found != "truth value":
        raise ExpressionError(f"a condition is a comparison or a combination of them, this one gives a {found}")
    body = ast.fix_missing_locations(_Binder(frozenset(features)).visit(tree.body))
    function = ast.Expression(
        ast.Lambda(
            args=ast.arguments(
                posonlyargs=[ast.arg("event"), ast.arg("features")], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]
            ),
            body=body,
        )
    )
    code: CodeType = compile(ast.fix_missing_locations(function), "<rule>", "eval")
    # Only checked nodes are in it, and it is given no builtins.
    condition: Condition = eval(code, {"__builtins__": {}})  # noqa: S307
    return condition


class _Checker:
    """Infers the kind (truth value, number, text, list) of every node; refuses what is not whitelisted."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def kind(self, node: ast.expr) -> str:  # noqa: PLR0911  (one return a kind of node)
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as literal):
                return _KINDS[type(literal)]
            case ast.Name(id=name):
                if name not in self._names:
                    raise ExpressionError(f"unknown name '{name}'; there are {', '.join(sorted(self._names))}")
                return self._names[name]
            case ast.BoolOp(values=values):
                for value in values:
                    self._require(value, "truth value", "and/or")
                return "truth value"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._require(operand, "truth value", "not")
                return "truth value"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                self._require(operand, "number", "-")
                return "number"
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _ARITHMETIC):
                self._require(left, "number", "arithmetic")
                self._require(right, "number", "arithmetic")
                if isinstance(op, _DIVISION) and not (isinstance(right, ast.Constant) and right.value):
                    raise ExpressionError(
                        "division is by a literal number other than 0; multiply the other side instead"
                    )
                return "number"
            case ast.Compare():
                return self._comparison(node)
        raise ExpressionError(f"'{ast.unparse(node)}' is not allowed; write comparisons, and/or/not, arithmetic and in")

    def _comparison(self, node: ast.Compare) -> str:
        left = self.kind(node.left)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, _MEMBERSHIP):
                if not isinstance(comparator, (ast.List, ast.Tuple, ast.Set)) or len(node.ops) > 1:
                    raise ExpressionError("'in' looks into a list of literals, such as country in ['ID', 'SG']")
                for element in comparator.elts:
                    if not isinstance(element, ast.Constant):
                        raise ExpressionError("the list after 'in' holds literals only")
                    self._require(element, left, "in")
            elif isinstance(op, _EQUALITY + _ORDERING):
                self._require(comparator, left, "a comparison")
                if isinstance(op, _ORDERING) and left != "number":
                    raise ExpressionError(f"only numbers are compared by size; '{ast.unparse(node)}' compares a {left}")
            else:
                raise ExpressionError(f"'{ast.unparse(node)}' is not allowed; compare with == != < <= > >= in")
        return "truth value"

    def _require(self, node: ast.expr, expected: str, where: str) -> None:
        found = self.kind(node)
        if found != expected:
            raise ExpressionError(f"{where} needs a {expected}, but '{ast.unparse(node)}' is a {found}")


class _Binder(ast.NodeTransformer):
    """Turns names into `event.name` and `features['name']`."""

    def __init__(self, features: frozenset[str]) -> None:
        self._features = features

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._features:
            return ast.Subscript(ast.Name("features", ast.Load()), ast.Constant(node.id), ast.Load())
        return ast.Attribute(ast.Name("event", ast.Load()), node.id, ast.Load())

    def visit_List(self, node: ast.List) -> ast.expr:
        # A tuple of constants is folded into the code; a list would be built anew for every order.
        return ast.Tuple(node.elts, ast.Load())
