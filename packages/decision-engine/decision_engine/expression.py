"""Rule expressions: a small safe subset of Python, checked on the syntax tree.

Comparisons, `and`/`or`/`not`, arithmetic, `in`, `is None`, literals, and the names of a schema. There are no calls,
subscripts or loops, and types are checked beforehand, so an accepted expression cannot fail, do harm or take long when
it runs.

A name that an order lacks is absent. A comparison with something absent is false, `!=` and `not in` too; arithmetic
with something absent is absent; `is None` asks.
"""

import ast
import math
import warnings
from collections.abc import Iterator, Mapping
from datetime import datetime

from decision_engine.schema import Constant, Schema
from order_contract.nearest import nearest_name

MAX_LENGTH = 2_000
MAX_DEPTH = 100
_MOST_NAMES = 40

# An integer of more bits may be too large for a float, and converting it fails.
_MAX_BITS = 1_000
_FIELD_BITS = 64
# A sum of 64-bit integers over as many orders as a machine can hold.
_FEATURE_BITS = 128

_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
_DIVISION = (ast.Div, ast.FloorDiv, ast.Mod)
_ORDERING = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_EQUALITY = (ast.Eq, ast.NotEq)
_MEMBERSHIP = (ast.In, ast.NotIn)
_PRESENCE = (ast.Is, ast.IsNot)
KINDS: Mapping[type, str] = {
    bool: "truth value", int: "number", float: "number", str: "text", datetime: "time"
}  # fmt: skip


class ExpressionError(ValueError):
    """An expression that is not accepted; the text says why and what to write instead.

    `offset` is the number of characters before what is at fault, where the expression is on one line.
    """

    def __init__(self, message: str, node: ast.expr | None = None, *, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = node.col_offset if node is not None and getattr(node, "lineno", 0) == 1 else offset


def list_names(name: str, known: Mapping[str, object]) -> str:
    """What names there are, the one that is most like `name` first."""
    nearest = nearest_name(name[:MAX_LENGTH], {each: each for each in known})
    names = f"there are {', '.join(sorted(known)[:_MOST_NAMES])}{' ..' if len(known) > _MOST_NAMES else ''}"
    return f"write {nearest}; {names}" if nearest else names


def parse_condition(text: str, schema: Schema) -> ast.expr:
    """The syntax tree of a condition over the names of `schema`, checked. Raises ExpressionError."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters, this one {len(text)}")
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text.strip(), mode="eval")
        found = _Checker(schema).kind(tree.body)
    except ExpressionError:
        raise
    except (RecursionError, MemoryError):
        raise ExpressionError("the expression is nested too deeply; split the rule in two") from None
    except SyntaxError as error:
        place = f"at character {error.offset} of line {error.lineno}" if error.offset else "at its end"
        raise ExpressionError(
            f"not an expression: {place} something is missing or too much; write comparisons joined by and/or, "
            "such as amount > 10 and country == 'ID'",
            offset=max((error.offset or 1) - 1, 0) if error.lineno == 1 else 0,
        ) from None
    except ValueError:
        raise ExpressionError(
            "not an expression: it holds a character that no expression has, or a huge number"
        ) from None
    if found != "truth value":
        raise ExpressionError(f"a condition is a comparison or a combination of them, this one gives a {found}")
    return tree.body


def name_of(node: ast.expr) -> str | None:
    """The name that a node is, with that of an attribute as `attributes.name`; None for anything else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id="attributes"), attr=name):
            return f"attributes.{name}"
    return None


def names_in(text: str) -> list[str]:
    """The names in an accepted expression, in the order in which they are written."""
    found: list[tuple[int, int, str]] = []
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        name = name_of(node) if isinstance(node, ast.expr) else None
        if isinstance(node, ast.expr) and name is not None and name != "attributes":
            found.append((node.lineno, node.col_offset, name))
    return list(dict.fromkeys(name for *_, name in sorted(found)))


def operand_names(node: ast.expr) -> Iterator[str]:
    """The names whose absence makes an operand of a comparison absent."""
    name = name_of(node)
    if name is not None:
        yield name
    elif isinstance(node, ast.BinOp):
        yield from operand_names(node.left)
        yield from operand_names(node.right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield from operand_names(node.operand)


class _Checker:
    """Infers the kind (truth value, number, text, time) of every node; refuses what is not whitelisted."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._types = schema.types
        self._may_be_absent = schema.may_be_absent
        self._depth = 0

    def kind(self, node: ast.expr) -> str:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError("the expression is nested too deeply; split the rule in two")
        found = self._kind(node)
        self._depth -= 1
        return found

    def _kind(self, node: ast.expr) -> str:  # noqa: PLR0911  (one return per kind of node)
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as literal):
                return KINDS[type(literal)]
            case ast.Constant(value=None):
                raise ExpressionError("None is not allowed here; write 'name is None' or 'name is not None'", node)
            case ast.Name() | ast.Attribute(value=ast.Name(id="attributes")):
                return KINDS[self._type_of(node)]
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
            case ast.BinOp(op=op) if isinstance(op, _ARITHMETIC):
                return self._arithmetic(node)
            case ast.Compare():
                return self._comparison(node)
        raise ExpressionError(
            f"'{ast.unparse(node)}' is not allowed; write comparisons, and/or/not, arithmetic and in", node
        )

    def _type_of(self, node: ast.expr) -> type:
        name = str(name_of(node))
        found = self._types.get(name)
        if found is not None:
            return found
        if name in self._schema.lists:
            field = self._schema.lists[name].field
            raise ExpressionError(f"'{name}' is a list; write {field} in {name}", node)
        if name in self._schema.parameters:
            raise ExpressionError(f"'{name}' is a parameter that holds a list; write it after 'in'", node)
        if name.startswith("attributes."):
            raise ExpressionError(
                f"'{name}' is not declared; write 'attributes: {{{name.partition('.')[2]}: text}}' (or integer, "
                "number, boolean) at the top of the file",
                node,
            )
        raise ExpressionError(f"unknown name '{name}'; {list_names(name, self._types)}", node)

    def _arithmetic(self, node: ast.BinOp) -> str:
        if isinstance(node.op, ast.Sub) and self._is_time(node.left):
            self._require(node.right, "time", "a difference of times")
            return "number"
        self._require(node.left, "number", "arithmetic")
        self._require(node.right, "number", "arithmetic")
        if isinstance(node.op, _DIVISION) and not self._constant(node.right):
            raise ExpressionError(
                "division is by a literal number other than 0; multiply the other side instead", node.right
            )
        if self._bits(node) > _MAX_BITS:
            raise ExpressionError(
                f"the value of '{ast.unparse(node)[:50]} ..' can have more than 300 digits; multiply fewer values", node
            )
        return "number"

    def _is_time(self, node: ast.expr) -> bool:
        return self._types.get(name_of(node) or "") is datetime

    def _constant(self, node: ast.expr) -> Constant:
        """The value of a literal or a parameter, None for anything else."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, (bool, int, float, str)) else None
        return self._schema.parameters.get(node.id) if isinstance(node, ast.Name) else None

    def _bits(self, node: ast.expr) -> int:
        """The most bits that the value of arithmetic may have, as if all of it were integers."""
        match self._constant(node), node:
            case int() | float() as constant, _:
                return int(abs(constant)).bit_length() if math.isfinite(constant) else 0
            case _, ast.UnaryOp(operand=operand):
                return self._bits(operand)
            case _, ast.BinOp(left=left, op=ast.Mult(), right=right):
                return self._bits(left) + self._bits(right)
            case _, ast.BinOp(left=left, op=ast.Sub()) if self._is_time(left):
                return _FIELD_BITS
            case _, ast.BinOp(left=left, right=right):
                return max(self._bits(left), self._bits(right)) + 1
        return _FEATURE_BITS if name_of(node) in self._schema.history else _FIELD_BITS

    def _comparison(self, node: ast.Compare) -> str:
        if any(isinstance(op, _PRESENCE) for op in node.ops):
            return self._presence(node)
        left = self.kind(node.left)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, _MEMBERSHIP):
                self._membership(node, left, comparator)
            elif isinstance(op, _EQUALITY + _ORDERING):
                self._require(comparator, left, "a comparison")
                if isinstance(op, _ORDERING) and left not in ("number", "time"):
                    raise ExpressionError(
                        f"only numbers and times are compared by size; '{ast.unparse(node)}' compares a {left}", node
                    )
            else:
                raise ExpressionError(
                    f"'{ast.unparse(node)}' is not allowed; compare with == != < <= > >= in", node
                )  # pragma: no cover  (there are no other operators)
        return "truth value"

    def _presence(self, node: ast.Compare) -> str:
        match node:
            case ast.Compare(left=left, ops=[_], comparators=[ast.Constant(value=None)]) if name_of(left):
                self._type_of(left)
                name = str(name_of(left))
                if name not in self._may_be_absent:
                    raise ExpressionError(f"'{name}' is never absent: every order has it", left)
                return "truth value"
        raise ExpressionError(
            f"'{ast.unparse(node)}' is not allowed; 'is' asks whether something is absent: device_id is None", node
        )

    def _membership(self, node: ast.Compare, left: str, comparator: ast.expr) -> None:
        if len(node.ops) > 1:
            raise ExpressionError("'in' is not chained with other comparisons; join them with and", node)
        if isinstance(comparator, ast.Name):
            declared = self._schema.lists.get(comparator.id)
            values = self._schema.parameters.get(comparator.id)
            if declared is not None:
                if name_of(node.left) != declared.field:
                    raise ExpressionError(
                        f"list '{comparator.id}' holds values of {declared.field}; write {declared.field} in "
                        f"{comparator.id}",
                        node,
                    )
                return
            if isinstance(values, tuple):
                if values and KINDS[type(values[0])] != left:
                    raise ExpressionError(
                        f"in needs a {left}, but '{comparator.id}' holds a {KINDS[type(values[0])]}", comparator
                    )
                return
            if comparator.id not in self._types:
                known = {**self._schema.lists, **self._schema.parameters}
                hint = f"; {list_names(comparator.id, known)}" if known else ""
                raise ExpressionError(
                    f"unknown list '{comparator.id}'{hint}; declare it under lists: "
                    f"{{{comparator.id}: {{kind: block, field: {name_of(node.left) or 'user_id'}}}}}",
                    comparator,
                )
        if not isinstance(comparator, (ast.List, ast.Tuple, ast.Set)):
            raise ExpressionError(
                "'in' looks into a list of literals, such as country in ['ID', 'SG'], or a declared list", comparator
            )
        for element in comparator.elts:
            if not isinstance(element, ast.Constant):
                raise ExpressionError("the list after 'in' holds literals only", element)
            self._require(element, left, "in")

    def _require(self, node: ast.expr, expected: str, where: str) -> None:
        found = self.kind(node)
        if found != expected:
            raise ExpressionError(f"{where} needs a {expected}, but '{ast.unparse(node)}' is a {found}", node)
