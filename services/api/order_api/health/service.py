"""Readiness of the API: whether Postgres and Kafka can be reached."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from order_api.http.problems.availability import DatabaseUnavailable
from order_api.kit.database import Database
from order_api.kit.lag_monitor import LagMonitor
from order_api.kit.registry import Provider


@dataclass(frozen=True, slots=True)
class HealthService:
    """Checks what the API depends on."""

    database: Database
    lag: LagMonitor

    async def check_postgres(self) -> str:
        """`ok`, or what is wrong."""
        try:
            await self.database.fetchrow("select from orders limit 1")
        except DatabaseUnavailable as problem:
            return problem.detail
        return "ok"

    async def check_kafka(self) -> str:
        """`ok`, or what is wrong."""
        return (await self.lag.read()).problem or "ok"


Health = Annotated[HealthService, Depends(Provider(HealthService))]
