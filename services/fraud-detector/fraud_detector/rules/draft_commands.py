"""The subcommands of `fraud-detector rules draft`: rulesets that are worked on, and their approval."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from rich.table import Table

from decision_engine.ruleset import RulesetError, load_ruleset, parse_ruleset
from order_backtests.publication.publishing import explain_draft
from order_contract.business_time import business_text
from order_platform.command_line.database import run_on_database
from order_platform.command_line.errors import CommandError, UsageError
from order_platform.command_line.operator import current_operator
from order_platform.command_line.output import OUT, AsJson, print_json
from order_platform.command_line.settings_errors import read_settings
from order_platform.postgres.ruleset_drafts import (
    Draft,
    DraftError,
    approve_draft,
    delete_draft,
    draft_document,
    find_draft,
    list_drafts,
    save_draft,
)
from order_platform.postgres.ruleset_versions import Connection
from order_platform.settings import DatabaseSettings

MAX_TEXT: Final = 1_000
_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

Result = TypeVar("Result")
Name = Annotated[str, typer.Argument(help="Name of the draft: lower-case words joined by '-'.")]
Author = Annotated[str | None, typer.Option(help="Who; the user and the machine by default.", show_default=False)]

app = typer.Typer(no_args_is_help=True, help="Rulesets that are worked on before they are published.")


@app.command()
def save(
    name: Name,
    file: Annotated[Path, typer.Argument(help="YAML file of rules.")],
    *,
    message: Annotated[str | None, typer.Option("--message", "-m", help="What it is for.")] = None,
    author: Author = None,
) -> None:
    """Create a draft from a rule file, or change it, which ends its approval. Included files are stored with it."""
    if _NAME.fullmatch(name) is None or len(name) > 100:
        raise UsageError(f"a draft's name is lower-case words joined by '-', got '{name[:100]}'", "Nothing was saved.")
    try:
        ruleset = load_ruleset(file)
        parse_ruleset(ruleset.content, f"{file} with what it includes")
    except RulesetError as error:
        raise UsageError(str(error), "Nothing was saved.") from None
    who = read_author(author)
    draft = execute_on_drafts(
        lambda connection: save_draft(
            connection, name, ruleset.version, ruleset.content, author=who, message=read_text(message, "--message")
        )
    )
    OUT.print(f"draft {name} is version {draft.version}")


@app.command("list")
def list_all(*, as_json: AsJson = False) -> None:
    """List the drafts, those that were changed last first; 1,000 at most."""
    drafts = execute_on_drafts(list_drafts)
    if as_json:
        for draft in drafts:
            print_json(draft_document(draft))
        return
    table = Table("draft", "version", "changed", "by", "approved by", "message")
    for draft in drafts:
        changed = business_text(draft.updated_at)
        table.add_row(
            draft.name, draft.version, changed, ", ".join(draft.authors), draft.approved_by or "", draft.message or ""
        )
    OUT.print(table)


@app.command()
def show(
    name: Name,
    *,
    content: Annotated[bool, typer.Option("--content", help="Print the rules as YAML instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say in sentences how a draft differs from the active version; exits 1 when it does not exist."""

    async def read(connection: Connection) -> tuple[Draft, list[str] | None]:
        draft = await find_draft(connection, name)
        return draft, await explain_draft(connection, draft)

    draft, difference = execute_on_drafts(read)
    if content:
        typer.echo(draft.content)
    elif as_json:
        print_json({**draft_document(draft), "difference": difference})
    else:
        approved = f"approved by {draft.approved_by}" if draft.approved_by else "not approved"
        why = f": {draft.message}" if draft.message else ""
        OUT.print(f"{draft.version} by {', '.join(draft.authors)}, {approved}{why}", markup=False)
        if difference is None:
            difference = ["No version is active yet."]
        for sentence in difference or ["It is the active version."]:
            OUT.print(sentence, markup=False)


@app.command()
def approve(
    name: Name,
    version: Annotated[str, typer.Argument(help="The version that was looked at, or its first characters.")],
    *,
    author: Author = None,
) -> None:
    """Approve a draft as a second person. Exits 1 for one of its authors, and when it has changed since."""
    who = read_author(author)
    draft = execute_on_drafts(lambda connection: approve_draft(connection, name, version, approver=who))
    OUT.print(f"draft {name}, version {draft.version}, is approved by {who}", markup=False)


@app.command()
def delete(name: Name, *, author: Author = None) -> None:
    """Delete a draft; a version that was published from it stays. Exits 1 when it does not exist."""
    who = read_author(author)
    execute_on_drafts(lambda connection: delete_draft(connection, name, author=who))
    OUT.print(f"draft {name} is deleted")


def read_author(author: str | None) -> str:
    """The author that was given, or the operator. Raises UsageError."""
    return read_text(author, "--author") or current_operator()


def read_text(text: str | None, option: str) -> str | None:
    """The text of an option that is kept. Raises UsageError for what cannot be."""
    if text is None:
        return None
    if not text.strip() or len(text) > MAX_TEXT or "\0" in text:
        raise UsageError(f"{option} is text of at most {MAX_TEXT:,} characters", "Nothing has changed.")
    return text.strip()


def execute_on_drafts(run: Callable[[Connection], Awaitable[Result]]) -> Result:
    """The result of `run` on a connection to the database. Raises CommandError for a DraftError."""

    async def work(connection: Connection) -> Result:
        try:
            return await run(connection)
        except DraftError as error:
            raise CommandError(str(error), "fraud-detector rules draft list shows them.") from None

    return run_on_database(read_settings(DatabaseSettings), work)
