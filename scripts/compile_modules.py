"""Compiles Cython modules: `python scripts/compile_modules.py [--to FOLDER] SOURCE...`, where Cython and setuptools are
installed, and a C compiler. Without them everything does the same, by Python alone.

A source is a `.pyx` file, or a folder with such. Modules come beside their sources, or into their packages in FOLDER.
"""

import argparse
import os
import tempfile
from importlib.util import source_hash
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Distribution, Extension


def main() -> None:
    """Compile all of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=Path)
    parser.add_argument("sources", nargs="+", type=Path)
    arguments = parser.parse_args()
    target = arguments.to and arguments.to.resolve()
    given = [path.resolve() for path in arguments.sources]
    for source in [each for path in given for each in (sorted(path.rglob("*.pyx")) if path.is_dir() else [path])]:
        compile_module(source, target)


def compile_module(source: Path, target: Path | None) -> None:
    """Compile a copy in a temporary folder, which says of what source it is (`order_contract.compiled_modules`)."""
    root = next(folder for folder in source.parents if not (folder / "__init__.py").exists())
    path = source.relative_to(root)
    content = source.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path
        copy.parent.mkdir(parents=True)
        copy.write_bytes(content + f"\nSOURCE_HASH = {source_hash(content)!r}\n".encode())
        os.chdir(folder)  # tracebacks name the source as it is named from there
        extension = Extension(".".join(path.with_suffix("").parts), [str(path)], extra_compile_args=["-g0"])
        modules = cythonize([extension], build_dir=folder, quiet=True)
        command = Distribution({"name": extension.name, "ext_modules": modules}).get_command_obj("build_ext")
        command.build_lib, command.build_temp, command.force = str(target or root), folder, True
        command.ensure_finalized()
        command.run()
        os.chdir(root)


if __name__ == "__main__":
    main()
