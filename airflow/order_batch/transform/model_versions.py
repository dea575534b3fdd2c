"""Versions of dbt models: a hash of what a model's rows are computed from, to know when stored rows are outdated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson

_COMMENTS: Final = re.compile(r"\{#.*?#\}|--[^\n]*", re.DOTALL)
_SPACE: Final = re.compile(r"\s+")
# Of a model's configuration, what decides how its table is laid out. The rest differs between runs or changes no row.
_LAYOUT: Final = ("materialized", "partition_by", "cluster_by", "unique_key")


@dataclass(frozen=True, slots=True)
class ProjectModels:
    """The models of the dbt project: their versions by name, and which of them keep rows of earlier builds."""

    versions: Mapping[str, str]
    incremental: frozenset[str]


def project_models(manifest: Mapping[str, Any], variables: Mapping[str, Any]) -> ProjectModels:
    """The models of a manifest, with the project's variables."""
    incremental = [
        node["name"] for node in manifest["nodes"].values() if node["config"].get("materialized") == "incremental"
    ]
    return ProjectModels(model_versions(manifest, variables), frozenset(incremental))


def source_version(project: Path) -> str:
    """A hash of the project's files: while it stays the same, so do the versions of its models."""
    files = [project / "dbt_project.yml"]
    for folder in ("models", "macros", "seeds"):
        files += sorted(each for each in (project / folder).rglob("*") if each.is_file())
    content = sha256()
    for file in files:
        content.update(f"{file.relative_to(project)}\0".encode() + sha256(file.read_bytes()).digest())
    return content.hexdigest()


def model_versions(manifest: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, str]:
    """The version of each model, by its name.

    It covers the SQL, the contract's columns and the layout of the model and of all models and seeds before it, the
    project's own macros that they use, and those of the project's variables that these name. Comments, descriptions
    and tests change no version, nor does another release of dbt.
    """
    found: dict[str, str] = {}
    models = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] in {"model", "seed"}}

    def version(key: str) -> str:
        if key not in found:
            node = models[key]
            code = "\n".join(map(_normalized, [_content(node), *_macros(manifest, node)]))
            columns = [(name, column.get("data_type")) for name, column in node.get("columns", {}).items()]
            before = sorted(version(each) for each in node["depends_on"].get("nodes", ()) if each in models)
            layout = {name: node["config"].get(name) for name in _LAYOUT}
            named = {name: value for name, value in variables.items() if name in code}
            content = orjson.dumps([code, columns, before, layout, named], option=orjson.OPT_SORT_KEYS, default=str)
            found[key] = sha256(content).hexdigest()[:16]
        return found[key]

    return {node["name"]: version(key) for key, node in models.items()}


def _content(node: Mapping[str, Any]) -> str:
    """A model's SQL; of a seed, whose rows are in a file, that file's checksum."""
    return str(node["raw_code"] or node["checksum"]["checksum"])


def _macros(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> list[str]:
    """The SQL of the project's own macros that a node uses, also through each other, by name."""
    package, used = node["package_name"], set[str]()
    pending = list(node["depends_on"].get("macros", ()))
    while pending:
        key = pending.pop()
        macro = manifest["macros"].get(key)
        if macro is not None and macro["package_name"] == package and key not in used:
            used.add(key)
            pending += macro["depends_on"]["macros"]
    return [str(manifest["macros"][key]["macro_sql"]) for key in sorted(used)]


def _normalized(code: str) -> str:
    return _SPACE.sub(" ", _COMMENTS.sub(" ", code)).strip()
