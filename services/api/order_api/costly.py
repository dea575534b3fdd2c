"""Costly requests: fair turns between keys on connections of their own, ended when the client hangs up."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request

from order_api.database import Database
from order_api.disconnection import while_connected
from order_api.key_ring import Principal
from order_api.turns import Turns

Result = TypeVar("Result")


class Costly:
    """One kind of costly request."""

    def __init__(self, database: Database, turns: Turns) -> None:
        self.database = database
        self.turns = turns

    async def run(self, request: Request, caller: Principal, work: Callable[[Database], Awaitable[Result]]) -> Result:
        """The result of `work` for a key. Raises TooManyAtOnce, TooBusy, or CallerLeft when the client hangs up."""

        async def take_turn() -> Result:
            async with self.turns.turn(caller.key_id):
                return await work(self.database)

        return await while_connected(request, take_turn())
