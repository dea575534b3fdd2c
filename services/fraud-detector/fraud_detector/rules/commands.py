"""The subcommands of `fraud-detector rules`: lint, test, explain, diff and schema, and those for versions."""

import json
from pathlib import Path
from typing import Annotated

import typer

from decision_engine.example_runner import run_examples
from decision_engine.explanation import explain_difference, explain_rule
from decision_engine.json_schema import ruleset_schema
from decision_engine.lint import ruleset_warnings
from decision_engine.ruleset import Ruleset, RulesetError, load_ruleset
from fraud_detector.lists.snooze_commands import add_snooze_commands
from fraud_detector.rules.draft_commands import app as draft_app
from fraud_detector.rules.publish_command import publish, watch
from fraud_detector.rules.suggest_command import suggest
from fraud_detector.rules.version_commands import add_version_commands
from order_contract.nearest import nearest_name
from order_contract.reference_data import PaymentMethods
from order_platform.command_line.errors import ExitCode
from order_platform.command_line.settings_errors import read_settings
from order_platform.event_settings import EventSettings

app = typer.Typer(no_args_is_help=True, help="Check, try, explain, compare and publish rule files.")
app.command()(publish)
app.command()(watch)
add_version_commands(app)
app.add_typer(draft_app, name="draft")
add_snooze_commands(app)
app.command()(suggest)


@app.command()
def lint(files: Annotated[list[Path], typer.Argument(help="YAML files of rules.")]) -> None:
    """Check rule files: file, line, column and what to write instead; exits 1 when one is not accepted.

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


@app.command()
def test(file: Annotated[Path, typer.Argument(help="YAML file of rules with tests.")]) -> None:
    """Run the examples beside the rules; exits 1 when one is not as expected, or when there are none.

    Each example's earlier orders are counted, then its order is evaluated by its rule, whatever the rule's mode.
    """
    ruleset = _load(file)
    results = [*run_examples(ruleset)]
    for result in results:
        if not result.as_expected:
            example = result.example
            features = {
                name: value for name, value in example.features(ruleset.features).items() if name in result.rule.when
            }
            typer.echo(
                f"{file}:{example.line}: rule '{result.rule.id}' {'fires' if result.fires else 'does not fire'} on "
                f"'{example.name}', expected was {str(example.expect).lower()}; "
                f"{', '.join(f'{name} is {value}' for name, value in features.items()) or 'it uses no features'}",
                err=True,
            )
    without = [rule.id for rule in ruleset.rules if not rule.examples]
    if without:
        typer.echo(f"{file}: without examples: {', '.join(without)}", err=True)
    failed = sum(not result.as_expected for result in results)
    if not results:
        typer.echo(f"{file}: there are no examples; write 'tests:' beside a rule", err=True)
    else:
        typer.echo(f"{file}: {len(results) - failed} of {len(results)} examples are as expected")
    raise typer.Exit(ExitCode.NEGATIVE if failed or not results else ExitCode.OK)


@app.command()
def explain(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="The rule's id.")],
    file: Annotated[
        Path | None,
        typer.Option("--file", envvar="ORDERWATCH_RULES", help="The rule file; the default rules when there is none."),
    ] = None,
) -> None:
    """Say in sentences what a rule does; exits 1 when the rule does not exist."""
    ruleset = _load(file)
    rules = {rule.id: rule for rule in ruleset.rules}
    if rule_id not in rules:
        nearest = nearest_name(rule_id[:100], {name: name for name in rules})
        hint = f"; the nearest is {nearest}" if nearest else f"; there are {', '.join(list(rules)[:40])}"
        typer.echo(f"rule '{rule_id[:100]}' does not exist{hint}", err=True)
        raise typer.Exit(ExitCode.NEGATIVE)
    for sentence in explain_rule(rules[rule_id], ruleset):
        typer.echo(sentence)


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="The earlier rule file.")],
    after: Annotated[Path, typer.Argument(help="The later rule file.")],
) -> None:
    """Say in sentences how one ruleset differs from another; exits 1 when it does, as diff does."""
    old, new = _load(before), _load(after)
    sentences = [*explain_difference(old, new)]
    for sentence in sentences:
        typer.echo(sentence)
    if sentences:
        raise typer.Exit(ExitCode.NEGATIVE)
    typer.echo(f"no difference: both are version {old.version}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of rule files, with which an editor completes and checks them."""
    typer.echo(json.dumps(ruleset_schema(), indent=2))


def _load(file: Path | None) -> Ruleset:
    try:
        return load_ruleset(file)
    except RulesetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.USAGE) from None
