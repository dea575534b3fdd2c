"""`/healthz`, `/readyz` and `/metrics`, for probes and scrapers without a key."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict

from order_api.health.service import Health
from order_api.http.metrics import ApiMetrics
from order_api.http.problems.availability import NotReady
from order_api.http.problems.openapi import responses
from order_api.kit.registry import Provider

router = APIRouter(tags=["operations"])

Metrics = Annotated[ApiMetrics, Depends(Provider(ApiMetrics))]


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
    """Whether the process is alive; also while Postgres or Kafka are unavailable."""
    return Alive()


@router.get("/readyz", operation_id="get_readiness", responses=responses(503))
async def get_readiness(health: Health) -> Ready:
    """Whether Postgres and Kafka can be reached, and which of them not."""
    checks = Checks(postgres=await health.check_postgres(), kafka=await health.check_kafka())
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
async def get_metrics(metrics: Metrics) -> Response:
    """Prometheus metrics of this process, and of the review queue."""
    return Response(await metrics.render(), media_type=CONTENT_TYPE_LATEST)
