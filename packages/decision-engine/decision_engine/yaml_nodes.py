"""YAML of rule files: refused early when malicious, and read as nodes, which know their line and column."""

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from order_contract.nearest import nearest_name

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 12
MAX_NODES: Final = 100_000
_MAX_SHOWN = 60

# The loader of libyaml reads a large file in a tenth of the time; not every installation has it.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,30})")
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,30})(\.[0-9_]{1,30})?([eE][-+]?[0-9]{1,2})?")
_NUMERIC = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")

Scalar = str | int | float | bool | None


class RulesetError(ValueError):
    """A ruleset that is not accepted; the text names file, line, column and what to write instead."""


def compose(text: str, name: str) -> yaml.Node | None:
    """The root node of one YAML document, None when it is empty. Raises RulesetError, whose text begins with `name`.

    Anchors, tags and several documents are refused: no rule file needs them, and some of them fill the memory.
    """
    if len(text) > MAX_BYTES:
        raise RulesetError(f"{name}: has {len(text):,} characters; a rule file has at most {MAX_BYTES:,}, so split it")
    for number, line in enumerate(text.splitlines(), 1):
        if (found := yaml.SafeLoader.NON_PRINTABLE.search(line)) is not None:
            raise RulesetError(
                f"{name}:{number}:{found.start() + 1}: the character U+{ord(found.group()):04X} is not allowed; "
                "remove it"
            )
    try:
        _check_events(text, name)
        root: yaml.Node | None = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, RulesetError):
            raise
        mark = getattr(error, "problem_mark", None)
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise RulesetError(
            f"{name}:{place}: not YAML from about there on; look at indentation, quotes and brackets, and quote text "
            "that begins with a special character"
        ) from None
    return root


def _check_events(text: str, name: str) -> None:
    depth = nodes = documents = 0
    for event in yaml.parse(text, Loader=_LOADER):
        problem = None
        if isinstance(event, (yaml.CollectionStartEvent, yaml.ScalarEvent, yaml.AliasEvent)):
            nodes += 1
            if event.anchor is not None:
                problem = "anchors (&) and aliases (*) are not allowed; write the value out, or name it in parameters"
            elif (tag := getattr(event, "tag", None)) is not None:
                problem = f"the tag {shorten(tag)} is not allowed; write the plain value"
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if depth > MAX_DEPTH:
            problem = f"nested more than {MAX_DEPTH} deep; a rule file needs no such depth"
        elif nodes > MAX_NODES:
            problem = f"more than {MAX_NODES:,} values; split the file"
        elif documents > 1:
            problem = "a second document begins here; write one document without ---"
        if problem:
            mark: Any = event.start_mark
            raise RulesetError(f"{name}:{mark.line + 1}:{mark.column + 1}: {problem}")


def shorten(value: object) -> str:
    """A value as an error message quotes it: on one line and not too long."""
    text = " ".join(str(value).split())
    return f"'{text[:_MAX_SHOWN]}..'" if len(text) > _MAX_SHOWN else f"'{text}'"


def nearest_hint(value: object, known: tuple[str, ...]) -> str:
    """The known name nearest to a value, as the end of an error message."""
    nearest = nearest_name(value[:_MAX_SHOWN], {each: each for each in known}) if isinstance(value, str) else None
    return f"; write {nearest}" if nearest else ""


class NodeReader:
    """Reads nodes as values, for one file. Every method raises RulesetError with the node's line and column."""

    def __init__(self, name: str) -> None:
        self.name = name

    def error(self, node: yaml.Node, message: str, offset: int = 0) -> RulesetError:
        mark = node.start_mark
        return RulesetError(f"{self.name}:{mark.line + 1}:{mark.column + 1 + offset}: {message}")

    def expression_error(self, node: yaml.Node, message: str, offset: int) -> RulesetError:
        """An error `offset` characters into the text of a node, where the node is written on one line as it is."""
        style = node.style if isinstance(node, yaml.ScalarNode) else None
        one_line = node.start_mark.line == node.end_mark.line and style not in ("|", ">")
        return self.error(node, message, offset + bool(style) if one_line else 0)

    def entries(self, node: yaml.Node, what: str) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """A mapping by its keys: the key's and the value's nodes."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(node, f"{what} is a mapping: write name: value, one per line")
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.error(key, f"a name in {what} is plain text, not a list or mapping")
            if key.value in found:
                raise self.error(key, f"{shorten(key.value)} is given twice in {what}")
            found[key.value] = key, value
        return found

    def mapping(
        self, node: yaml.Node, known: tuple[str, ...], *, required: tuple[str, ...] = (), what: str
    ) -> Mapping[str, yaml.Node]:
        """A mapping with known keys only."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(node, f"{what} is a mapping with {', '.join(known)}")
        found = self.entries(node, what)
        for name, (key, _) in found.items():
            if name not in known:
                hint = nearest_hint(name, known)
                raise self.error(key, f"{what} has no {shorten(name)}; there are {', '.join(known)}{hint}")
        for name in required:
            if name not in found:
                raise self.error(node, f"{what} needs '{name}'")
        return {name: value for name, (_, value) in found.items()}

    def items(self, node: yaml.Node, message: str) -> list[yaml.Node]:
        """The elements of a list; `message` says what to write when it is something else."""
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(node, message)
        return list(node.value)

    def text(self, node: yaml.Node, name: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self.error(node, f"{name} is text")
        if not isinstance(self.scalar(node), str):
            raise self.error(node, f"{name} is text; put {shorten(node.value)} in quotes")
        return str(node.value).strip()

    def integer(self, node: yaml.Node, name: str, low: int, high: int) -> int:
        value = self.scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise self.error(node, f"{name} is an integer from {low:,} to {high:,}")

    def choice(self, node: yaml.Node, name: str, choices: tuple[str, ...]) -> str:
        value = node.value
        if not isinstance(value, str) or value not in choices:
            given = shorten(value) if isinstance(value, str) else "a list or mapping"
            raise self.error(node, f"{name} is one of {', '.join(choices)}, got {given}{nearest_hint(value, choices)}")
        return value

    def scalar(self, node: yaml.Node) -> Scalar:
        """The value of plain text: a number in decimal, true, false, null; anything else is text as it is written."""
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(node, "a single value belongs here, not a list or mapping")
        text = str(node.value)
        if node.tag == "tag:yaml.org,2002:null":
            return None
        if node.tag == "tag:yaml.org,2002:bool" and text in ("true", "false"):
            return text == "true"
        if not node.style and (node.tag in _NUMERIC or _NUMBER.fullmatch(text)):
            if _INTEGER.fullmatch(text):
                return int(text)
            if _NUMBER.fullmatch(text):
                return float(text)
            raise self.error(node, f"{shorten(text)} is a number in an unusual form; write it in decimal, or quote it")
        return text

    def plain(self, node: yaml.Node) -> Any:
        """The value of any node, as JSON would have it."""
        if isinstance(node, yaml.MappingNode):
            return {key: self.plain(value) for key, (_, value) in self.entries(node, "the mapping").items()}
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(value) for value in node.value]
        return self.scalar(node)
