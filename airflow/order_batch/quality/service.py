"""The checks over Postgres and the warehouse, and their alerts: each check at most once per date."""

from collections.abc import Callable, Iterable
from datetime import date

import psycopg
import structlog

from order_batch.quality.checks import Finding, check_deadline, check_orders, check_unknown
from order_batch.quality.freshness import check_freshness
from order_batch.quality.repository import QualityRepository
from order_batch.transform.dbt import Dbt

log = structlog.get_logger()

SendAlert = Callable[[str], bool]
"""Sends a message; returns whether it was delivered."""


class AlertNotDeliveredError(Exception):
    """The webhook did not take an alert; it is sent again when the check is repeated."""


class QualityChecks:
    """The checks of a business date."""

    def __init__(self, connection: "psycopg.Connection[object]", dbt: Dbt, send: SendAlert | None) -> None:
        self._connection = connection
        self._repository = QualityRepository(connection)
        self._dbt = dbt
        self._send = send

    def orders(self, day: date) -> list[Finding]:
        """Volume, fraud share, and orders of unknown users and products."""
        findings = check_orders(day, self._repository.figures(day))
        return [*findings, *check_unknown(day, self._repository.unknown_shares(day))]

    def deadline(self, day: date, deadline: str) -> list[Finding]:
        """Whether the published marts have the date."""
        orders = self._repository.orders(day)
        return list(check_deadline(day, orders, published=self._repository.is_published(day), deadline=deadline))

    def freshness(self, day: date) -> list[Finding]:
        """Age of the raw tables. Raises DbtError when dbt did not run."""
        return list(check_freshness(day, self._dbt.source_freshness()))

    def report(self, findings: Iterable[Finding]) -> None:
        """Log all findings, and send an alert of each that had none for its check and date.

        Raises AlertNotDeliveredError; what was not delivered counts as not sent.
        """
        for finding in findings:
            log.warning("quality", check=finding.check, business_date=str(finding.day), finding=finding.message)
            if self._send is None:
                continue
            with self._connection.transaction():
                if self._repository.record(finding) and not self._send(finding.text()):
                    raise AlertNotDeliveredError(f"the alert {finding.check} of {finding.day} was not delivered")
