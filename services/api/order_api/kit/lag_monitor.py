"""Lag of the detector, as far as the broker can be asked."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from aiokafka.errors import KafkaError

from order_api.kit.timeouts import ProgressTimeout
from order_platform.kafka.lag import ConsumerGroup, GroupMember, PartitionLag
from order_platform.outage_log import OutageLog

ASK_SECONDS = 2.0
# Requests within these share one reading; an unavailable broker is asked once a second, however many requests need it.
FRESH_SECONDS = 0.25
UNAVAILABLE_SECONDS = 1.0


class LagSource(Protocol):
    """What `order_platform.kafka.lag.LagReader` gives once it is open."""

    async def read(self) -> Sequence[PartitionLag]: ...

    async def group(self) -> ConsumerGroup: ...


OpenLagSource = Callable[[], AbstractAsyncContextManager[LagSource]]


class Reading(NamedTuple):
    """The lag of each partition and the detectors, or None and why they are not known."""

    partitions: Sequence[PartitionLag] | None
    detectors: Sequence[GroupMember] | None = None
    problem: str | None = None

    @property
    def total(self) -> int | None:
        """Messages that wait for the detector, None when that is not known."""
        return None if self.partitions is None else sum(part.lag for part in self.partitions)


class LagMonitor:
    """Asks the broker on demand; connects at the first demand, and again after an outage."""

    def __init__(
        self,
        open_source: OpenLagSource,
        *,
        ask_seconds: float = ASK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._open_source = open_source
        self._source: AbstractAsyncContextManager[LagSource] | None = None
        self._reader: LagSource | None = None
        self._asking = asyncio.Lock()
        self._last = Reading(None)
        self._fresh_until = 0.0
        self._outage = OutageLog("kafka")
        self._timeout = ProgressTimeout(ask_seconds)

    async def read(self) -> Reading:
        """The lag now, at most FRESH_SECONDS old; never raises for an unavailable broker."""
        if self._clock() < self._fresh_until:
            return self._last
        async with self._asking:
            if self._clock() < self._fresh_until:  # read in the meantime
                return self._last
            self._last = await self._ask()
            lifetime = FRESH_SECONDS if self._last.partitions is not None else UNAVAILABLE_SECONDS
            self._fresh_until = self._clock() + lifetime
            return self._last

    async def close(self) -> None:
        """Disconnect from the broker."""
        if source := self._detach():
            self._timeout.in_background(source.__aexit__(None, None, None))
        await self._timeout.close()

    async def _read(self) -> Reading:
        source = await self._connect()
        partitions = await source.read()
        if not partitions:
            return Reading(None, problem="the orders topic is not there")
        return Reading(partitions, (await source.group()).members)

    def _detach(self) -> AbstractAsyncContextManager[LagSource] | None:
        """The source, which is not this one's any more."""
        source, self._source, self._reader = self._source, None, None
        return source

    async def _ask(self) -> Reading:
        try:
            reading = await self._timeout.run(self._read())
        except (KafkaError, OSError, TimeoutError) as error:
            self._outage.failed(error)
            # A fresh start next time finds a broker that recovered elsewhere; leaving one that hangs takes long.
            if source := self._detach():
                self._timeout.in_background(source.__aexit__(None, None, None))
            return Reading(None, problem=f"Kafka cannot be asked ({type(error).__name__})")
        self._outage.succeeded()
        return reading

    async def _connect(self) -> LagSource:
        if self._reader is None:
            source = self._open_source()
            self._reader = await source.__aenter__()
            self._source = source
        return self._reader
