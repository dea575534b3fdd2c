"""Rendering: one Jinja environment, the values that every page has, and the headers that confine it."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson
from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from order_api.auth.credential_cache import Principal
from order_workbench.kit.assets import Assets
from order_workbench.kit.languages import LANGUAGES, language_of
from order_workbench.kit.screens import SCREENS

THEME_COOKIE: Final = "orderwatch_theme"
THEMES: Final = ("light", "dark")

# Nothing but what this host itself serves: no inline script or style, no other origin, no frame around it.
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def make_environment() -> Environment:
    """Templates beside the routes of each screen, such as `queue/page.html`; all values are escaped."""
    environment = Environment(
        loader=PackageLoader("order_workbench", ""),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["path"] = lambda value: quote(str(value), safe="")
    environment.filters["json"] = lambda value: orjson.dumps(value).decode()
    return environment


@dataclass(frozen=True, slots=True)
class Pages:
    """What renders the workbench's pages, once per process."""

    environment: Environment
    assets: Assets
    with_provider: bool = False
    """Whether people can sign in with an identity provider."""

    def render(self, request: Request, template: str, **values: Any) -> str:
        """A template with what every page knows: the language, the theme, the person, the screens."""
        language = language_of(request)
        theme = request.cookies.get(THEME_COOKIE)
        principal: Principal | None = getattr(request.state, "principal", None)
        return self.environment.get_template(template).render(
            request=request,
            path=request.url.path,
            asset=self.assets.url,
            _=language.translate,
            language=language,
            languages=LANGUAGES,
            theme=theme if theme in THEMES else "",
            principal=principal,
            screens=SCREENS,
            is_fragment=is_fragment(request),
            **values,
        )

    def respond(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The same as a response."""
        return HTMLResponse(self.render(request, template, **values), status, headers=HEADERS)


def is_fragment(request: Request) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-request-type") != "full"


def pages_of(request: Request) -> Pages:
    """The pages of the application that handles `request`."""
    pages: Pages = request.app.state.workbench
    return pages


def render_page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, or a part of one, as the response to a request."""
    return pages_of(request).respond(request, template, status, **values)
