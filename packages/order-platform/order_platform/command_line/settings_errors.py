"""Settings that are not valid, as sentences: the variable, its value unless it is a secret, and what to write."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings
from pydantic_settings.exceptions import SettingsError as UnreadableSettingError

from order_platform.command_line.errors import SettingsError

Settings = TypeVar("Settings", bound=BaseSettings)

_PREFIX = "ORDERWATCH_"
_SHOWN = 80
"""Characters of a value; a variable can hold anything."""

_REASONS = {
    **dict.fromkeys(
        ("int_parsing", "int_type", "int_from_float", "int_parsing_size"),
        "is not a whole number; write digits only, such as 8000",
    ),
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), "is not a number; write one such as 2.5"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "is neither yes nor no; write true or false"),
}
_BOUNDS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
_WORDS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}


def read_settings(kind: type[Settings], **given: Any) -> Settings:
    """Settings from the environment, `given` ones first. Raises SettingsError, which names each fault."""
    try:
        return kind(**given)
    except ValidationError as error:
        raise SettingsError("\n".join(sentences(error, kind))) from None
    except UnreadableSettingError as error:
        raise SettingsError(str(error)) from None


def as_settings_error(error: BaseException) -> SettingsError | None:
    """An error of settings that were read without `read_settings`; None for any other error."""
    if isinstance(error, ValidationError):
        # Of which class is not known, so any value may be a secret.
        return SettingsError("\n".join(sentences(error, None)))
    return SettingsError(str(error)) if isinstance(error, UnreadableSettingError) else None


def sentences(error: ValidationError, kind: type[BaseModel] | None) -> list[str]:
    """One per fault: `ORDERWATCH_API_PORT='many' is not a port`."""
    return [_sentence(each, kind) for each in error.errors(include_url=False)]


def _sentence(error: ErrorDetails, kind: type[BaseModel] | None) -> str:
    if not error["loc"]:  # about several settings: its message names them
        return _own_message(error)
    field = str(error["loc"][0])
    variable = f"{_PREFIX}{field.upper()}"
    secret = kind is None or _is_secret(kind, field)
    reason, value = _reason(error), error.get("input")
    shown = not secret and kind is not None and field in kind.model_fields and value is not None
    return (
        f"{variable}={_shown(value)} {reason}"
        if shown and not reason.startswith(str(value))
        else f"{variable}: {reason}"
    )


def _reason(error: ErrorDetails) -> str:
    """What is wrong and what to write; never a library's words that hold the value."""
    what, context = error["type"], error.get("ctx", {})
    if what in _BOUNDS:
        word = _BOUNDS[what]
        return f"must be {_WORDS[word]} {context[word]}"
    if what in {"literal_error", "enum"}:
        return f"is not known; write {context['expected']}"
    if what in {"string_too_long", "string_too_short"}:
        return f"must have {'at most' if what == 'string_too_long' else 'at least'} {_length(context)} characters"
    if what == "string_pattern_mismatch":
        return f"has another form than {context['pattern']}"
    return _REASONS.get(what) or _own_message(error)


def _length(context: Mapping[str, Any]) -> object:
    return context.get("max_length", context.get("min_length"))


def _own_message(error: ErrorDetails) -> str:
    return error["msg"].removeprefix("Value error, ")


def _is_secret(kind: type[BaseModel], field: str) -> bool:
    found = kind.model_fields.get(field)
    return found is not None and SecretStr in {found.annotation, *get_args(found.annotation)}


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "..."
    text = str(value)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
