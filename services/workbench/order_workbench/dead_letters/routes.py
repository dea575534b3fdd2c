"""`/workbench/dead-letters`: messages that were refused, why, and publishing them again."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response
from pydantic import AfterValidator, Field

from dead_letters.model import RedriveState
from order_api.auth.dependencies import administrator, principal_of
from order_api.auth.keys import Scope
from order_api.dead_letters.filters import LetterParameters, RedriveRequest
from order_api.dead_letters.service import DeadLetters
from order_contract.error_types import ErrorType
from order_contract.origin import parse_origin
from order_workbench.kit.documents import plain
from order_workbench.kit.forms import PageForm
from order_workbench.kit.paging import page_query
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router, redirect

router = page_router(administrator(Scope.DEAD_LETTERS))


def _check_origin(text: str) -> str:
    parse_origin(text)
    return text


OriginText = Annotated[str, Field(max_length=300), AfterValidator(_check_origin)]


class RedriveForm(PageForm):
    """A dead letter to publish again, with the corrected message when it was changed."""

    origin: OriginText
    body: Annotated[str, Field(max_length=60_000)] = ""
    again: bool = False


@router.get("/dead-letters")
async def list_dead_letters(
    request: Request, dead_letters: DeadLetters, parameters: Annotated[LetterParameters, Query()]
) -> Response:
    """A page of them, newest first."""
    items, cursor = await dead_letters.list_page(request, parameters)
    return render_page(
        request,
        "dead_letters/page.html",
        letters=plain(items),
        parameters=parameters,
        error_types=list(ErrorType),
        states=list(RedriveState),
        next_page=cursor and page_query(request, cursor=cursor),
    )


@router.get("/dead-letter")
async def show_dead_letter(request: Request, dead_letters: DeadLetters, origin: OriginText) -> Response:
    """One of them: what is wrong, what to do, the message, its redrives."""
    letter = plain(await dead_letters.describe(parse_origin(origin)))
    return render_page(request, "dead_letters/letter.html", letter=letter)


@router.post("/dead-letter/redrive")
async def redrive(request: Request, dead_letters: DeadLetters, given: Annotated[RedriveForm, Form()]) -> Response:
    """Publish it again, as it was or corrected."""
    origin = parse_origin(given.origin)
    # A form sends line ends as CR LF.
    body = given.body.replace("\r\n", "\n") or None
    await dead_letters.redrive_one(principal_of(request), origin, RedriveRequest(body=body, again=given.again))
    return redirect(request, f"/workbench/dead-letter?{urlencode({'origin': given.origin})}")
