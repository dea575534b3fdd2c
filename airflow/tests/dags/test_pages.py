"""What Airflow's pages load of the plugin."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag


def test_the_plugin_is_found_by_its_entry_point_and_listed(bag: "DagBag") -> None:
    from airflow.api_fastapi.common.parameters import LimitFilter, OffsetFilter  # noqa: PLC0415
    from airflow.api_fastapi.core_api.routes.public.plugins import get_plugins, import_errors  # noqa: PLC0415

    listed = get_plugins(LimitFilter().set_value(100), OffsetFilter().set_value(0))
    assert "orderwatch" in {plugin.name for plugin in listed.plugins}
    assert import_errors().total_entries == 0


def test_the_pages_load_the_default_of_their_zone(bag: "DagBag") -> None:
    from fastapi import FastAPI  # noqa: PLC0415
    from starlette.testclient import TestClient  # noqa: PLC0415

    from airflow import plugins_manager  # noqa: PLC0415  (after the environment is set)

    _, react_apps = plugins_manager._get_ui_plugins()
    (script,) = (each for each in react_apps if each["destination"] == "base")
    pages = FastAPI()
    for mounted in plugins_manager.get_fastapi_plugins()[0]:
        pages.mount(mounted["url_prefix"], mounted["app"])
    answer = TestClient(pages).get(script["bundle_url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert 'setItem("timezone", JSON.stringify("Asia/Jakarta"))' in answer.text


def test_airflow_keeps_the_zone_where_the_script_writes_it() -> None:
    spec = find_spec("airflow")
    assert spec is not None
    assert spec.origin is not None
    (bundle,) = (Path(spec.origin).parent / "ui" / "dist" / "assets").glob("index-*.js")
    source = bundle.read_text()
    (key,) = re.findall(r"(\w+)=`timezone`", source)
    # The hook that reads the browser's storage, with the browser's zone where nothing is kept.
    assert re.search(rf"=\w+\({key},\w+\)", source)
    assert "`local-storage`" in source
