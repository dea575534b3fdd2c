"""The truth about generated orders: which are fraud, kept apart from the orders."""

from pathlib import Path
from typing import Self

import orjson


class TruthFile:
    """Writes a JSON line an order of a fraud pattern: order_id, pattern. Use as a context manager.

    Orders that are not in it are honest. Without a path nothing is written.
    """

    def __init__(self, path: Path | None) -> None:
        # A line at a time: whoever reads along sees whole lines, and a kill loses none.
        self._file = None if path is None else path.open("w", buffering=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._file is not None:
            self._file.close()

    def record(self, order_id: str, pattern: str) -> None:
        """An order belongs to a pattern."""
        if self._file is not None:
            self._file.write(orjson.dumps({"order_id": order_id, "pattern": pattern}).decode() + "\n")
