"""Chance: every choice of a simulated world, drawn from one script, so that a history can be replayed and shrunk."""

import asyncio
from collections.abc import Iterable

# Of simulated seconds. The first is what an exhausted script gives: no delay but a turn of the loop.
PAUSES = (0.0, 0.0, 0.005, 0.05, 0.4, 3.0, 20.0)


class ScriptedRandom:
    """Choices from a script of small integers; once it is used up, or calm, always the first, benign one."""

    def __init__(self, script: Iterable[int]) -> None:
        self._script = iter(script)
        self._calm = False

    def calm(self) -> None:
        """From now on nothing fails and nothing is slow."""
        self._calm = True

    def choose(self, options: int) -> int:
        """A number below `options`; 0 is benign."""
        return 0 if self._calm else next(self._script, 0) % options

    def happens(self, one_in: int) -> bool:
        """Whether something that is not benign happens."""
        return self.choose(one_in) == one_in - 1

    async def pause(self) -> None:
        """Take some simulated time: this is where interleavings come from."""
        await asyncio.sleep(PAUSES[self.choose(len(PAUSES))])
