"""Compiles the kernel of the histories beside its source: `python compile_kernel.py`, where Cython and setuptools are
installed, and a C compiler. Without it the engine decides the same, by Python alone.
"""

import os
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Distribution, Extension

MODULE = "decision_engine.history.kernel"


def main() -> None:
    """Compile it in a temporary folder; only the module is kept."""
    os.chdir(Path(__file__).parent)
    source = f"{MODULE.replace('.', '/')}.pyx"
    with tempfile.TemporaryDirectory() as folder:
        modules = cythonize([Extension(MODULE, [source], extra_compile_args=["-g0"])], build_dir=folder, quiet=True)
        command = Distribution({"name": MODULE, "ext_modules": modules}).get_command_obj("build_ext")
        command.inplace, command.build_lib, command.build_temp = True, folder, folder
        command.ensure_finalized()
        command.run()


if __name__ == "__main__":
    main()
