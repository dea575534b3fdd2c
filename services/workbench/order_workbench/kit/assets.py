"""Scripts and styles, bundled at installation, held in memory and sent compressed under names that hold a hash."""

import gzip
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from fastapi import Request
from starlette.responses import Response

from order_api.http.compression import accepts_gzip, is_large
from order_api.http.problems.requests import NotFound

PREFIX: Final = "/workbench/assets"
FOLDER: Final = Path(__file__).resolve().parents[1] / "assets"
# The content under a name never changes, so no browser asks for it again.
_CACHING: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    content: bytes
    compressed: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """The bundles that `frontend/build.mjs` wrote."""

    names: Mapping[str, str]
    """By entry point, such as `app.js`, the name of its bundle."""
    files: Mapping[str, Asset]

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Read a folder; without a complete one there are no assets, and `installed` is false."""
        try:
            names: dict[str, str] = json.loads((folder / "manifest.json").read_text())
            files = {name: _read(folder / name) for name in names.values()}
        except FileNotFoundError:
            return cls({}, {})
        return cls(names, files)

    @property
    def installed(self) -> bool:
        """Whether the pages can be shown."""
        return bool(self.files)

    def url(self, entry: str) -> str:
        """The path of an entry point's bundle."""
        return f"{PREFIX}/{self.names[entry]}"

    def respond(self, request: Request, name: str) -> Response:
        """The file of a name. Raises NotFound."""
        asset = self.files.get(name)
        if asset is None:
            raise NotFound("no file has this name")
        headers = {"Cache-Control": _CACHING, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
        if is_large(asset.content) and accepts_gzip(request.scope):
            return Response(
                asset.compressed, media_type=asset.media_type, headers={**headers, "Content-Encoding": "gzip"}
            )
        return Response(asset.content, media_type=asset.media_type, headers=headers)


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(content, gzip.compress(content, 9, mtime=0), media_type)
