"""Compilation of conditions and descriptions to one Python code object each.

A name that every order has costs one look-up by position. Only where a name can be absent, a comparison is preceded by
the question whether it is there.
"""

import ast
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import CodeType
from typing import Any, Final, NamedTuple

from decision_engine.expression import ExpressionError, list_names, name_of, operand_names, parse_condition
from decision_engine.history.declaration import ATTRIBUTE
from decision_engine.history.series_functions import seconds_between
from decision_engine.schema import Schema
from order_contract.business_time import business_text
from order_contract.event import MAX_TEXT_LENGTH, OrderEvent
from order_contract.feature_values import reader_of

Condition = Callable[[OrderEvent, Mapping[str, Any]], bool]
"""Whether a rule fires for an event and its features."""

FindFired = Callable[[OrderEvent, Mapping[str, Any]], Sequence[int]]
"""The positions of the conditions that hold for an event and its features."""

Sentence = Callable[[OrderEvent, Mapping[str, Any]], str]
"""A description with the values of an event and its features in it."""

LISTS: Final = "lists"
"""The feature that holds the names of the declared lists in which the order is."""

ABSENT_TEXT: Final = "none"
"""What a description shows for an absent value."""

_FORMAT = re.compile(r"|,|\.[0-9]f|,\.[0-9]f|0?[0-9]{1,2}d?")
_POSITIONS = {name: position for position, name in enumerate(OrderEvent._fields)}
_NONE = ast.Constant(value=None)
_EVENT = ast.Name("event", ast.Load())
_FEATURES = ast.Name("features", ast.Load())


class ConditionText(NamedTuple):
    """A condition as written, and the times from which and before which it can hold."""

    text: str
    valid_from: datetime | None = None
    valid_before: datetime | None = None


def compile_condition(condition: str | ConditionText, schema: Schema) -> Condition:
    """Compile a rule's condition over the names of `schema`. Raises ExpressionError."""
    binder = _Binder(schema)
    return binder.compile(binder.bind_condition(ConditionText(condition) if isinstance(condition, str) else condition))


def compile_event_condition(condition: str, schema: Schema) -> Callable[[OrderEvent], bool]:
    """Compile a condition over the fields of an event alone: `schema` has no features. Raises ExpressionError."""
    binder = _Binder(schema)
    return binder.compile(binder.bind_condition(ConditionText(condition)), ["event"])


def compile_all(conditions: Sequence[ConditionText], schema: Schema) -> FindFired:
    """Compile which of several conditions hold: one call for all of them, in which each value is loaded once."""
    return _SharingBinder(schema).compile_all(conditions)


def compile_value(name: str, schema: Schema) -> Callable[[OrderEvent, Mapping[str, Any]], Any]:
    """Compile the look-up of one name that has a value; None where an order lacks it."""
    return _Binder(schema).compile_name(name)


def compile_sentence(text: str, schema: Schema) -> Sentence:
    """Compile a description with `{name}` or `{name:,}` in it, over the same names. Raises ExpressionError."""
    binder = _Binder(schema)
    parts: list[ast.expr] = []
    try:
        for literal, name, given, conversion in string.Formatter().parse(text):
            parts.append(ast.Constant(literal))
            if name is not None:
                parts.append(binder.bind_value(name, given or "", conversion))
    except ExpressionError:
        raise
    except ValueError:
        raise ExpressionError(
            "the description is not a valid template: each { wants a } and a name between them; write {{ for a brace"
        ) from None
    sentence: Sentence = binder.compile(ast.JoinedStr(parts))
    return sentence


def _attribute_reader(*kinds: type) -> Callable[[dict[str, Any] | None, str], Any]:
    """Reads an attribute of one of these types; of another type it is absent."""

    def read(attributes: dict[str, Any] | None, name: str) -> Any:
        value = None if attributes is None else attributes.get(name)
        return value if type(value) in kinds else None

    return read


_HELPERS: Mapping[str, Any] = {
    "read_str": _attribute_reader(str),
    "read_int": _attribute_reader(int),
    "read_float": _attribute_reader(int, float),
    "read_bool": _attribute_reader(bool),
    "business_text": business_text,
    "seconds_between": seconds_between,
}


class _Binder(ast.NodeTransformer):
    """Turns the names of a checked expression into look-ups, and compiles the result.

    Names become `event[position]`, which is faster than by name, `features['name']`, or constants.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._types = schema.types
        self._may_be_absent = schema.may_be_absent
        self._moments: dict[str, datetime] = {}
        # Local variables that hold the names of the comparison at hand.
        self._variables: dict[str, str] = {}
        self._count = 0

    def compile(self, body: ast.expr, parameters: Sequence[str] = ("event", "features")) -> Callable[..., Any]:
        arguments = ast.arguments(
            posonlyargs=[ast.arg(name) for name in parameters], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]
        )
        names = self._names()
        compiled: Callable[..., Any] = eval(  # noqa: S307  (only checked nodes are in it)
            _compile(ast.Expression(ast.Lambda(arguments, body)), "eval"), names
        )
        return compiled

    def _names(self) -> dict[str, Any]:
        """What compiled code may use beside its parameters: no builtins."""
        return {"__builtins__": {}, **_HELPERS, **self._moments}

    def compile_name(self, name: str) -> Callable[[OrderEvent, Mapping[str, Any]], Any]:
        return self.compile(self._load(name))

    def bind_condition(self, condition: ConditionText) -> ast.expr:
        body: ast.expr = self.visit(parse_condition(condition.text, self._schema))
        bounds: list[tuple[ast.cmpop, datetime | None]] = [
            (ast.GtE(), condition.valid_from), (ast.Lt(), condition.valid_before)
        ]  # fmt: skip
        guards: list[ast.expr] = []
        for op, moment in bounds:
            if moment is not None:
                name = f"moment{len(self._moments)}"
                self._moments[name] = moment
                guards.append(ast.Compare(self._load("created_date"), [op], [ast.Name(name, ast.Load())]))
        return ast.BoolOp(ast.And(), [*guards, body]) if guards else body

    def bind_value(self, name: str, given: str, conversion: str | None) -> ast.expr:
        """The text of a value in a description."""
        kind = self._types.get(name)
        if kind is None or conversion is not None:
            raise ExpressionError(f"unknown value '{{{name}}}' in the description; {list_names(name, self._types)}")
        if (
            _FORMAT.fullmatch(given) is None
            or (given and kind not in (int, float))
            or (given.endswith("d") and kind is float)
        ):
            raise ExpressionError(
                f"'{{{name}:{given}}}' is not a format for it; write {{{name}}}, for numbers also {{{name}:,}}"
            )
        value = self._load(name)
        if name not in self._may_be_absent:
            return _text_of(value, name, kind, given)
        variable = ast.Name("value", ast.Load())
        text = ast.IfExp(
            ast.Compare(ast.NamedExpr(ast.Name("value", ast.Store()), value), [ast.Is()], [_NONE]),
            ast.Constant(ABSENT_TEXT),
            ast.JoinedStr([_text_of(variable, name, kind, given)]),
        )
        return ast.FormattedValue(text, -1)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        operands = [node.left, *node.comparators]
        if isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            return ast.Compare(self._load(str(name_of(node.left))), node.ops, [_NONE])
        outer = self._variables
        absent = [name for each in operands for name in operand_names(each) if name in self._may_be_absent]
        self._variables = {name: self._variable(name) for name in dict.fromkeys(absent)}
        guards: list[ast.expr] = [
            ast.Compare(self._assign(variable, name), [ast.IsNot()], [_NONE])
            for name, variable in self._variables.items()
        ]
        right = node.comparators[0]
        if isinstance(right, ast.Name) and right.id in self._schema.lists:
            bound = ast.Compare(ast.Constant(right.id), node.ops, [_get(LISTS, ast.Tuple([], ast.Load()))])
        else:
            bound = ast.Compare(
                self.visit(node.left), node.ops, [self.visit(comparator) for comparator in node.comparators]
            )
        self._variables = outer
        return ast.BoolOp(ast.And(), [*guards, bound]) if guards else bound

    def _variable(self, name: str) -> str:
        """The local variable that holds a value that can be absent."""
        self._count += 1
        return f"value{self._count}"

    def _assign(self, variable: str, name: str) -> ast.expr:
        """The value that goes into its variable before it is compared."""
        return ast.NamedExpr(ast.Name(variable, ast.Store()), self._load(name))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        bound = ast.BinOp(self.visit(node.left), node.op, self.visit(node.right))
        if self._types.get(name_of(node.left) or "") is datetime:
            return ast.Call(ast.Name("seconds_between", ast.Load()), [bound.left, bound.right], [])
        return bound

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._value(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self._value(str(name_of(node)))

    def visit_List(self, node: ast.List) -> ast.expr:
        # A tuple of constants is folded into the code; a list would be built again for every order.
        return ast.Tuple(node.elts, ast.Load())

    def _value(self, name: str) -> ast.expr:
        if name in self._variables:
            return ast.Name(self._variables[name], ast.Load())
        value = self._load(name)
        if name in self._may_be_absent:  # a truth value by itself: absent is not true
            return ast.Compare(value, [ast.Is()], [ast.Constant(value=True)])
        return value

    def _load(self, name: str) -> ast.expr:
        schema = self._schema
        if name in schema.parameters:
            return _constant(schema.parameters[name])
        if name in schema.history:
            return _get(name, _NONE)
        if name in schema.features:
            return ast.Subscript(_FEATURES, ast.Constant(name), ast.Load())
        if name.startswith(ATTRIBUTE):
            reader = ast.Name(f"read_{self._types[name].__name__}", ast.Load())
            return ast.Call(reader, [_field("attributes"), ast.Constant(name.removeprefix(ATTRIBUTE))], [])
        return _field(name)


class _SharingBinder(_Binder):
    """Binds the conditions of all rules into one function.

    Fields, what can be absent, and the seconds between two times are loaded once, before the first condition.
    """

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        self._loaded: dict[str, str] = {}
        self._seconds: dict[tuple[str, str], str] = {}

    def compile_all(self, conditions: Sequence[ConditionText]) -> FindFired:
        tests = [self.bind_condition(each) for each in conditions]
        module = ast.parse("\n".join(("def find_fired(event, features):", *self._loads(), "    found = ()")))
        function = module.body[0]
        assert isinstance(function, ast.FunctionDef)
        for position, test in enumerate(tests):
            function.body.append(ast.If(test, ast.parse(f"found += ({position},)").body, []))
        function.body.append(ast.Return(ast.Name("found", ast.Load())))
        names = self._names() | {"read_features": reader_of(self._loaded_features())}
        exec(_compile(module, "exec"), names)  # noqa: S102  (only checked nodes are in it)
        find_fired: FindFired = names["find_fired"]
        return find_fired

    def _loads(self) -> Iterator[str]:
        features = self._loaded_features()
        if features:
            yield f"    {', '.join(self._loaded[name] for name in features)}, = read_features(features)"
        for name, variable in self._loaded.items():
            if name not in features:
                yield f"    {variable} = {ast.unparse(super()._load(name))}"
        for (later, earlier), variable in self._seconds.items():
            absent = [self._loaded[name] for name in (later, earlier) if name in self._may_be_absent]
            seconds = f"seconds_between({ast.unparse(self._load(later))}, {ast.unparse(self._load(earlier))})"
            guards = " or ".join(f"{each} is None" for each in absent)
            yield f"    {variable} = {f'None if {guards} else ' if guards else ''}{seconds}"

    def _loaded_features(self) -> Sequence[str]:
        return [name for name in self._loaded if name in self._schema.history]

    def _variable(self, name: str) -> str:
        return self._loaded.setdefault(name, f"loaded{len(self._loaded)}")

    def _assign(self, variable: str, name: str) -> ast.expr:
        return ast.Name(variable, ast.Load())

    def _load(self, name: str) -> ast.expr:
        if name in self._may_be_absent or name in self._schema.fields:
            return ast.Name(self._variable(name), ast.Load())
        return super()._load(name)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        later, earlier = name_of(node.left) or "", name_of(node.right) or ""
        if self._types.get(later) is not datetime:
            return super().visit_BinOp(node)
        for name in (later, earlier):
            self._load(name)
        return ast.Name(self._seconds.setdefault((later, earlier), f"seconds{len(self._seconds)}"), ast.Load())


def _compile(tree: ast.Module | ast.Expression, mode: str) -> CodeType:
    try:
        code: CodeType = compile(ast.fix_missing_locations(tree), "<rule>", mode)
    except (RecursionError, MemoryError):
        raise ExpressionError("the expression is nested too deeply; split the rule in two") from None
    return code


def _constant(value: object) -> ast.expr:
    if isinstance(value, tuple):
        return ast.Tuple([ast.Constant(each) for each in value], ast.Load())
    return ast.Constant(value)  # type: ignore[arg-type]  # text, a number or a truth value


def _field(name: str) -> ast.expr:
    return ast.Subscript(_EVENT, ast.Constant(_POSITIONS[name]), ast.Load())


def _get(name: str, default: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(_FEATURES, "get", ast.Load()), [ast.Constant(name), default], [])


def _text_of(value: ast.expr, name: str, kind: type, given: str) -> ast.FormattedValue:
    if kind is datetime:
        value = ast.Call(ast.Name("business_text", ast.Load()), [value], [])
    elif kind is bool:
        value = ast.IfExp(value, ast.Constant("yes"), ast.Constant("no"))
    elif kind is str and name.startswith(ATTRIBUTE):
        value = ast.Subscript(value, ast.Slice(None, ast.Constant(MAX_TEXT_LENGTH)), ast.Load())
    elif kind is float and given in ("", ","):
        given += ".2f"
    return ast.FormattedValue(value, -1, ast.JoinedStr([ast.Constant(given)]))
