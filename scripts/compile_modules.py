"""Compiles Cython modules beside their sources: `python scripts/compile_modules.py SOURCE.pyx ...`, where Cython and
setuptools are installed, and a C compiler. Without them everything does the same, by Python alone.
"""

import os
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Distribution, Extension


def main() -> None:
    """Compile them in a temporary folder; only the modules are kept."""
    for source in [Path(name).resolve() for name in sys.argv[1:]]:
        package = next(folder for folder in source.parents if not (folder / "__init__.py").exists())
        path = source.relative_to(package)
        os.chdir(package)
        with tempfile.TemporaryDirectory() as folder:
            extension = Extension(".".join(path.with_suffix("").parts), [str(path)], extra_compile_args=["-g0"])
            modules = cythonize([extension], build_dir=folder, quiet=True)
            command = Distribution({"name": extension.name, "ext_modules": modules}).get_command_obj("build_ext")
            command.inplace, command.build_lib, command.build_temp = True, folder, folder
            command.ensure_finalized()
            command.run()


if __name__ == "__main__":
    main()
