"""Google's SQL engine as a WebAssembly module, compiled once and kept."""

import ctypes
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import wasmtime
from zetasql.core.wasm_client import WasmClient, get_tzinfo_dir
from zetasql.wasi import get_wasm_path


class EngineClient(WasmClient):  # type: ignore[misc]
    """zetasql's client, with the compiled module kept on disk, and memory copied at once instead of byte by byte."""

    def __init__(self, cache: Path) -> None:
        config = wasmtime.Config()
        config.shared_memory = True
        engine = wasmtime.Engine(config)
        self.store = wasmtime.Store(engine)
        wasi = wasmtime.WasiConfig()
        wasi.inherit_stderr()
        wasi.preopen_dir(get_tzinfo_dir(), "/usr/share/zoneinfo")
        self.store.set_wasi(wasi)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        exports: Mapping[str, Any] = linker.instantiate(self.store, _module(engine, cache)).exports(self.store)
        self.exports = exports
        self.memory = exports["memory"]
        exports["_initialize"](self.store)

    def write_bytes(self, ptr: int, data: bytes) -> None:
        ctypes.memmove(self._address(ptr), data, len(data))

    def read_bytes(self, ptr: int, size: int) -> bytes:
        return ctypes.string_at(self._address(ptr), size)

    def _address(self, ptr: int) -> int:
        start = ctypes.cast(self.memory.data_ptr(), ctypes.c_void_p).value
        assert start is not None
        return start + ptr


def _module(engine: wasmtime.Engine, cache: Path) -> wasmtime.Module:
    """The engine as machine code: from the cache, or compiled into it."""
    source = Path(get_wasm_path())
    made_by = f"zetasql-{version('zetasql')}-wasmtime-{version('wasmtime')}-{platform.system()}-{platform.machine()}"
    kept = cache / "zetasql" / f"{made_by}.bin"
    if kept.exists():
        try:
            return wasmtime.Module.deserialize_file(engine, str(kept))
        except wasmtime.WasmtimeError:  # compiled for another processor
            kept.unlink()
    module = wasmtime.Module.from_file(engine, str(source))
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(f".{os.getpid()}.part")  # another run may be at it, too
    unfinished.write_bytes(module.serialize())
    unfinished.rename(kept)
    return module
