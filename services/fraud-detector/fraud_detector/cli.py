"""Command line of the fraud detector."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from decision_engine.lint import ruleset_warnings
from decision_engine.ruleset import RulesetError, load_ruleset
from fraud_detector.accept_topic import accept_topic
from fraud_detector.app import run as run_detector
from fraud_detector.dead_letters.commands import app as dead_letters
from fraud_detector.history.commands import app as features
from fraud_detector.settings import DetectorSettings
from fraud_detector.stream.ports import ActionRequiredError
from order_contract.reference_data import PaymentMethods
from order_platform.command_line.settings_errors import read_settings
from order_platform.event_settings import EventSettings
from order_platform.health_server import PortTakenError
from order_platform.logging import configure_logging
from order_platform.postgres.topic_epochs import RecreatedTopicError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Decides orders: topic orders in, decisions out.")
rules = typer.Typer(no_args_is_help=True, help="Check rule files.")
app.add_typer(rules, name="rules")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(features, name="features")
app.command()(accept_topic)

# What an operator can fix: reported in one line, without a traceback.
_EXPECTED = (RulesetError, PortTakenError, ActionRequiredError, RecreatedTopicError)


@app.command()
def run() -> None:
    """Decide orders until SIGTERM, then finish what was read.

    Starting another process is scaling out: the partitions of topic orders are shared among all of one group.
    Settings come from the environment: ORDERWATCH_KAFKA, ORDERWATCH_DATABASE_URL, ORDERWATCH_RULES,
    ORDERWATCH_DETECTOR_PORT (health and metrics), and more in docs/operations.md.
    """
    settings = read_settings(DetectorSettings)
    configure_logging(settings, "fraud-detector")
    try:
        asyncio.run(run_detector(settings))
    except* _EXPECTED as group:
        structlog.get_logger().error("detector_failed", problem=str(_first(group)))
        sys.exit(1)


@rules.command()
def lint(files: Annotated[list[Path], typer.Argument(help="YAML files of rules.")]) -> None:
    """Check rule files: file, line and what to write instead; exits 1 when one is not accepted.

    A rule that names a payment method, country or currency that does not exist is a warning, which fails nothing:
    ORDERWATCH_PAYMENT_METHODS says which methods exist besides the usual ones.
    """
    methods = PaymentMethods(read_settings(EventSettings).payment_methods)
    failed = False
    for file in files:
        try:
            ruleset = load_ruleset(file)
        except RulesetError as error:
            typer.echo(str(error), err=True)
            failed = True
        else:
            for warning in ruleset_warnings(ruleset, str(file), methods):
                typer.echo(warning, err=True)
            typer.echo(f"{file}: {len(ruleset.rules)} rules, version {ruleset.version}")
    raise typer.Exit(1 if failed else 0)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
