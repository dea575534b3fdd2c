"""Rule expressions: a small safe subset of Python, checked on the syntax tree and compiled once.

Comparisons, `and`/`or`/`not`, arithmetic, `in`, literals, and the names of fields and features. There are no calls,
attributes, subscripts or loops, and types are checked beforehand, so an accepted expression cannot fail, do harm or
take long when it runs.
"""

import ast
import math
import re
import string
from collections.abc import Callable, Iterable, Mapping
from types import CodeType
from typing import Any

from decision_engine.schema import Schema
from order_contract.event import OrderEvent
from order_contract.nearest import nearest_name

Condition = Callable[[OrderEvent, Mapping[str, Any]], bool]
"""Whether a rule fires for an event and its features."""

Sentence = Callable[[OrderEvent, Mapping[str, Any]], str]
"""A description with the values of an event and its features in it."""

MAX_LENGTH = 2_000

# An integer of more bits may be too large for a float, and converting it fails.
_MAX_BITS = 1_000
_FIELD_BITS = 64

_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
_DIVISION = (ast.Div, ast.FloorDiv, ast.Mod)
_ORDERING = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_EQUALITY = (ast.Eq, ast.NotEq)
_MEMBERSHIP = (ast.In, ast.NotIn)
_KINDS: dict[type, str] = {bool: "truth value", int: "number", float: "number", str: "text"}
_FORMAT = re.compile(r"|,|\.[0-9]f|,\.[0-9]f|0?[0-9]{1,2}d?")
_POSITIONS = {name: position for position, name in enumerate(OrderEvent._fields)}


class ExpressionError(ValueError):
    """An expression that is not accepted; the text says why and what to write instead."""


def compile_condition(text: str, schema: Schema) -> Condition:
    """Compile a rule's condition over the names of `schema`. Raises ExpressionError."""
    return _compile(_parse_condition(text, schema), schema)


def compile_any(texts: Iterable[str], schema: Schema) -> Condition:
    """Compile whether any of several conditions holds: one call for the many orders on which no rule fires."""
    return _compile(ast.BoolOp(ast.Or(), [_FALSE, *(_parse_condition(text, schema) for text in texts)]), schema)


def compile_sentence(text: str, schema: Schema) -> Sentence:
    """Compile a description with `{name}` or `{name:,}` in it, over the same names. Raises ExpressionError."""
    types = schema.types
    parts: list[ast.expr] = []
    try:
        for literal, name, given, conversion in string.Formatter().parse(text):
            parts.append(ast.Constant(literal))
            if name is not None:
                parts.append(_format(name, given or "", conversion, types))
    except ExpressionError:
        raise
    except ValueError:
        raise ExpressionError(
            "the description is no template: each { wants a } and a name between them; write {{ for a brace"
        ) from None
    sentence: Sentence = _compile(ast.JoinedStr(parts), schema)
    return sentence


def _format(name: str, given: str, conversion: str | None, types: Mapping[str, type]) -> ast.expr:
    if name not in types or conversion is not None:
        raise ExpressionError(f"unknown value '{{{name}}}' in the description; {_there_are(name, types)}")
    if _FORMAT.fullmatch(given) is None or (given and types[name] is str):
        raise ExpressionError(
            f"'{{{name}:{given}}}' is not a format for it; write {{{name}}}, for numbers also {{{name}:,}}"
        )
    return ast.FormattedValue(ast.Name(name, ast.Load()), -1, ast.JoinedStr([ast.Constant(given)]))


def _there_are(name: str, known: Mapping[str, object]) -> str:
    """What names there are, the one that is most like `name` first."""
    nearest = nearest_name(name[:MAX_LENGTH], {each: each for each in known})
    names = f"there are {', '.join(sorted(known))}"
    return f"write {nearest}; {names}" if nearest else names


_FALSE = ast.Constant(value=False)


def _parse_condition(text: str, schema: Schema) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters, this one {len(text)}")
    kinds = {name: _KINDS[kind] for name, kind in schema.types.items()}
    try:
        tree = ast.parse(text.strip(), mode="eval")
        found = _Checker(kinds).kind(tree.body)
    except ExpressionError:
        raise
    except RecursionError:
        raise ExpressionError("the expression is nested too deeply; split the rule in two") from None
    except SyntaxError as error:
        place = f"at character {error.offset} of line {error.lineno}" if error.offset else "at its end"
        raise ExpressionError(
            f"not an expression: {place} something is missing or too much; write comparisons joined by and/or, "
            "such as amount > 10 and country == 'ID'"
        ) from None
    except ValueError:
        raise ExpressionError(
            "not an expression: it holds a character that no expression has, or a huge number"
        ) from None
    if found != "truth value":
        raise ExpressionError(f"a condition is a comparison or a combination of them, this one gives a {found}")
    return tree.body


def _compile(body: ast.expr, schema: Schema) -> Callable[[OrderEvent, Mapping[str, Any]], Any]:
    parameters = ast.arguments(
        posonlyargs=[ast.arg("event"), ast.arg("features")], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    function = ast.Expression(ast.Lambda(parameters, _Binder(frozenset(schema.features)).visit(body)))
    code: CodeType = compile(ast.fix_missing_locations(function), "<rule>", "eval")
    # Only checked nodes are in it, and it is given no builtins.
    compiled: Callable[[OrderEvent, Mapping[str, Any]], Any] = eval(code, {"__builtins__": {}})  # noqa: S307
    return compiled


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
                    raise ExpressionError(f"unknown name '{name}'; {_there_are(name, self._names)}")
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
                if _bits(node) > _MAX_BITS:
                    raise ExpressionError(
                        f"the value of '{ast.unparse(node)[:50]} ..' can have more than 300 digits; "
                        "multiply fewer values"
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


def _bits(node: ast.expr) -> int:
    """The most bits that the value of arithmetic may have, as if all of it were integers."""
    match node:
        case ast.Constant(value=int() | float() as literal):
            return int(abs(literal)).bit_length() if math.isfinite(literal) else 0
        case ast.UnaryOp(operand=operand):
            return _bits(operand)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _bits(left) + _bits(right)
        case ast.BinOp(left=left, right=right):
            return max(_bits(left), _bits(right)) + 1
    return _FIELD_BITS


class _Binder(ast.NodeTransformer):
    """Turns names into `event[position]`, which is faster than by name, and `features['name']`."""

    def __init__(self, features: frozenset[str]) -> None:
        self._features = features

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._features:
            return ast.Subscript(ast.Name("features", ast.Load()), ast.Constant(node.id), ast.Load())
        return ast.Subscript(ast.Name("event", ast.Load()), ast.Constant(_POSITIONS[node.id]), ast.Load())

    def visit_List(self, node: ast.List) -> ast.expr:
        # A tuple of constants is folded into the code; a list would be built again for every order.
        return ast.Tuple(node.elts, ast.Load())
