"""Command line of the fraud detector: the list of commands; only the one that is called is imported."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any, Final

import typer

GROUPS: Final[Mapping[str, str]] = {
    "rules": "fraud_detector.rules.commands:app",
    "dead-letters": "fraud_detector.dead_letters.commands:app",
    "features": "fraud_detector.history.commands:app",
    "labels": "fraud_detector.labels.commands:app",
    "lists": "fraud_detector.lists.commands:app",
}
COMMANDS: Final[Mapping[str, str]] = {
    "accept-topic": "fraud_detector.accept_topic:accept_topic",
    "backtest": "fraud_detector.backtest.commands:backtest",
    "replay": "fraud_detector.replay.commands:replay",
    "retroactive": "fraud_detector.backtest.retroactive:retroactive",
    "rule-change": "fraud_detector.backtest.rule_change:rule_change",
    "run": "fraud_detector.run:run",
}


def build_application(called: str | None = None) -> typer.Typer:
    """The command line: of the command that is `called` alone, or of all when that is none of them."""
    app = typer.Typer(no_args_is_help=True, add_completion=False)

    @app.callback()
    def fraud_detector() -> None:
        """Decides orders: topic orders in, decisions out."""

    is_known = called in {*GROUPS, *COMMANDS}
    for name, place in GROUPS.items():
        if name == called or not is_known:
            app.add_typer(_load(name, place), name=name)
    for name, place in COMMANDS.items():
        if name == called or not is_known:
            app.command(name)(_load(name, place))
    return app


def _load(name: str, place: str) -> Any:
    return EntryPoint(name, place, "").load()
