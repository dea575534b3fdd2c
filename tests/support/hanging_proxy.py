"""A way to a server that hangs at a moment: connections stay open and can be made, and nothing comes any more."""

import asyncio

from tests.support.deaf_proxy import DeafProxy


class HangingProxy(DeafProxy):
    """Passes everything on until it hangs. Use as an async context manager."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._hanging = False

    def hang(self) -> None:
        """Pass nothing on from now on."""
        self._hanging = True
        for each in self._passing:
            each.cancel()
        self._passing.clear()

    async def _connected(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self._hanging:
            self._ends.append(to_client)
        else:
            await super()._connected(from_client, to_client)
