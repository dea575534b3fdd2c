"""The composition root of the pages: adds their routes to the API's application."""

from fastapi import FastAPI
from starlette.responses import RedirectResponse

from order_platform.command_line.settings_errors import read_settings
from order_workbench.dead_letters.routes import router as dead_letters_router
from order_workbench.entity.routes import router as entity_router
from order_workbench.kit.assets import PREFIX, Assets
from order_workbench.kit.rendering import Pages, make_environment
from order_workbench.links.routes import router as links_router
from order_workbench.lists.routes import router as lists_router
from order_workbench.marts.routes import router as marts_router
from order_workbench.notes.routes import router as notes_router
from order_workbench.now.routes import router as now_router
from order_workbench.order.routes import router as order_router
from order_workbench.people.routes import router as people_router
from order_workbench.queue.routes import router as queue_router
from order_workbench.review_routes.routes import router as review_routes_router
from order_workbench.rules.analysis_routes import router as analysis_router
from order_workbench.rules.backtest_routes import router as backtests_router
from order_workbench.rules.draft_routes import router as drafts_router
from order_workbench.rules.routes import router as rules_router
from order_workbench.search.routes import router as search_router
from order_workbench.settings import WorkbenchSettings
from order_workbench.sign_in.routes import router as sign_in_router
from order_workbench.system.routes import router as system_router


def add_pages(app: FastAPI) -> None:
    """Add the workbench to an application whose services are open while it runs. Raises SettingsError."""
    settings = read_settings(WorkbenchSettings)
    pages = Pages(make_environment(), Assets.load(), with_provider=bool(settings.oidc_issuer))
    app.state.workbench = pages
    if pages.with_provider:
        # Imported where it is used: the client takes 0.2 s, which each start of the API would wait for.
        from order_workbench.sign_in.identity_provider import IdentityProvider  # noqa: PLC0415
        from order_workbench.sign_in.provider_routes import provider_router  # noqa: PLC0415

        app.router.routes.extend(provider_router(IdentityProvider(settings)).routes)
    for router in (
        sign_in_router,
        now_router,
        queue_router,
        review_routes_router,
        order_router,
        entity_router,
        notes_router,
        links_router,
        search_router,
        rules_router,
        drafts_router,
        backtests_router,
        analysis_router,
        lists_router,
        marts_router,
        dead_letters_router,
        system_router,
        people_router,
    ):
        app.router.routes.extend(router.routes)
    app.add_api_route(f"{PREFIX}/{{name}}", pages.assets.respond, include_in_schema=False)
    app.add_api_route("/workbench", _start_page, include_in_schema=False)


def _start_page() -> RedirectResponse:
    return RedirectResponse("/workbench/now", 303)
