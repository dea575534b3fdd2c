"""Secrets in files: ORDERWATCH_X_FILE names a file that holds ORDERWATCH_X, as container platforms hand secrets out."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import PydanticBaseSettingsSource


class SecretFiles(PydanticBaseSettingsSource):
    """A source for every field that is a SecretStr. Raises ValidationError for a file that cannot be read, and for a
    secret that is given both ways."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The file's text without the line end that editors leave; None when no file is named."""
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        path = os.environ.get(f"{variable}_FILE")
        if not path:
            return None, field_name, False
        if os.environ.get(variable):
            raise self._bad(field_name, f"is set beside {variable}; set one of the two")
        try:
            secret = Path(path).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8, or not a path"
            raise self._bad(field_name, f"{path} cannot be read: {reason}") from None
        if not secret:
            raise self._bad(field_name, f"{path} is empty")
        return secret, field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self._secrets()}
        return {name: value for name, value in found.items() if value is not None}

    def _secrets(self) -> Iterator[tuple[str, FieldInfo]]:
        for name, field in self.settings_cls.model_fields.items():
            if SecretStr in {field.annotation, *get_args(field.annotation)}:
                yield name, field

    def _bad(self, field_name: str, message: str) -> ValidationError:
        error = PydanticCustomError("secret_file", "{message}", {"message": message})
        details = InitErrorDetails(type=error, loc=(f"{field_name}_file",), input=None)
        return ValidationError.from_exception_data(self.settings_cls.__name__, [details], hide_input=True)
