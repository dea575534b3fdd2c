"""Whether a compiled module is of the source that lies beside it."""

from importlib.util import source_hash
from pathlib import Path
from types import ModuleType


class OutdatedModuleError(ImportError):
    """A module was compiled of another source than the one that is there: Python code beside it may expect another."""


def require_current(module: ModuleType) -> None:
    """Raises OutdatedModuleError. In an image, where no sources are, modules are compiled of what it was built from."""
    assert module.__file__ is not None
    source = Path(module.__file__).with_name(f"{module.__name__.rpartition('.')[2]}.pyx")
    try:
        content = source.read_bytes()
    except FileNotFoundError:
        return
    if getattr(module, "SOURCE_HASH", None) != source_hash(content):
        error = OutdatedModuleError(f"{module.__name__} was compiled of another source than {source}")
        error.add_note("Run `make install`.")
        raise error
