"""`/healthz`, `/readyz`, `/metrics`: open to everybody, for probes and scrapers."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict

from order_api import queries
from order_api.openapi import responses
from order_api.problems.availability import DatabaseUnavailable, NotReady
from order_api.services import AllServices

router = APIRouter(tags=["operations"])


class Alive(BaseModel):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"] = "ok"


class Checks(BaseModel):
    """What the API depends on."""

    postgres: str = "ok"
    kafka: str = "ok"


class Ready(BaseModel):
    """Everything can be reached."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "ok", "checks": {"postgres": "ok", "kafka": "ok"}}]}
    )

    status: Literal["ok"] = "ok"
    checks: Checks


@router.get("/healthz", operation_id="get_health")
async def get_health() -> Alive:
    """Whether the process is alive; it stays so while Postgres or Kafka are away."""
    return Alive()


@router.get("/readyz", operation_id="get_readiness", responses=responses(503))
async def get_readiness(services: AllServices) -> Ready:
    """Whether Postgres and Kafka can be reached, and which of them not."""
    checks = Checks()
    try:
        await queries.ping(services.databases.health)
    except DatabaseUnavailable as problem:
        checks.postgres = problem.detail
    checks.kafka = (await services.lag.read()).problem or "ok"
    if checks != Checks():
        failing = [f"{name}: {state}" for name, state in checks if state != "ok"]
        raise NotReady("; ".join(failing), members={"checks": checks.model_dump()})
    return Ready(checks=checks)


@router.get(
    "/metrics",
    operation_id="get_metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"example": "orderwatch_api_waiting_requests 12.0\n"}}}},
)
async def get_metrics(request: Request) -> Response:
    """Prometheus metrics of this process."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
