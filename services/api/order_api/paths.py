"""Ids in paths: any character may be in one."""

from typing import Annotated

from fastapi import Path
from starlette.convertors import Convertor, register_url_convertor

from order_api.parameters import Identifier


class IdentifierConvertor(Convertor[str]):
    """The rest of the path, as it is: ids like `INV/2026/0001` are common, and any character may be in one.

    So a route below such a path has to be declared before the path's own.
    """

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("identifier", IdentifierConvertor())

OrderId = Annotated[Identifier, Path(description="as published; slashes may stand as they are")]
UserId = Annotated[Identifier, Path(description="as published; slashes may stand as they are")]
