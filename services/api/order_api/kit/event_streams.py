"""Server-sent events: what every stream of them has."""

from typing import Final

from sse_starlette import ServerSentEvent

EVENT_STREAM: Final = "text/event-stream"
KEEP_ALIVE_SECONDS: Final = 15
KEEP_ALIVE: Final = "keep-alive"


def keep_alive() -> ServerSentEvent:
    """The comment that keeps an idle connection open."""
    return ServerSentEvent(comment=KEEP_ALIVE, sep="\n")


def accepts(headers: list[str], media_type: str) -> bool:
    """Whether header Accept admits a media type; without the header everything is welcome (RFC 9110, 12.5.1)."""
    ranges = [part.lower().split(";") for header in headers for part in header.split(",") if part.strip()]
    main = media_type.partition("/")[0]
    for wanted in (media_type, f"{main}/*", "*/*"):  # the most specific one decides
        for name, *parameters in ranges:
            if name.strip() == wanted:
                return not any(_is_refusal(parameter) for parameter in parameters)
    return not ranges


def _is_refusal(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and not value.strip().strip("0.")
