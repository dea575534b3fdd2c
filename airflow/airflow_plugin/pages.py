"""What Airflow's pages load from this plugin: the default of their time zone."""

from typing import Any, Final

from fastapi import FastAPI, Response

PREFIX: Final = "/orderwatch"
_SCRIPT: Final = "business-time.js"

# Airflow's pages show times in the browser's zone unless the viewer has chosen one, and have no setting for it. They
# keep the choice in the browser, under this key, and look there when the event says so.
_BUSINESS_TIME: Final = """
globalThis.AirflowPlugin = () => null;
if (window.localStorage.getItem("timezone") === null) {
  window.localStorage.setItem("timezone", JSON.stringify("Asia/Jakarta"));
  window.dispatchEvent(new StorageEvent("local-storage", {key: "timezone"}));
}
"""

app: Final = FastAPI(openapi_url=None)


@app.get(f"/{_SCRIPT}")
def business_time() -> Response:
    """A component that shows nothing, and makes business time the zone of a viewer who has chosen none."""
    return Response(_BUSINESS_TIME, media_type="text/javascript")


FASTAPI_APPS: Final[list[Any]] = [{"app": app, "url_prefix": PREFIX, "name": "orderwatch"}]
REACT_APPS: Final[list[Any]] = [
    {"name": "Business time", "bundle_url": f"{PREFIX}/{_SCRIPT}", "destination": "base", "url_route": "business-time"}
]
