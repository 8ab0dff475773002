"""The engine's binding without what the executor does not name still runs WebAssembly, and imports less."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import wasmtime

import genvm_executor
import genvm_wire
from genvm_executor import short_binding

RUNS = """
import sys
import genvm_executor.command
from genvm_executor.machine.engine import deterministic_engine
from wasmtime import Instance, Module, Store, Trap
assert not {"dataclasses", "inspect"} & sys.modules.keys()
store = Store(deterministic_engine())
store.set_epoch_deadline(1)
module = Module(store.engine, '''(module
    (memory (export "memory") 1)
    (func (export "twice") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "never") unreachable))''')
exports = Instance(store, Module.deserialize(store.engine, module.serialize()), []).exports(store)
assert exports["twice"](store, 21) == 42
exports["memory"].write(store, b"abc", 5)
assert bytes(exports["memory"].read(store, 5, 8)) == b"abc"
try:
    exports["never"](store)
except Trap as trap:
    print(trap.trap_code.name)
from wasmtime import _bindings
print(_bindings.__file__, len(vars(_bindings)))
"""


def test_what_is_left_of_the_binding_runs(tmp_path: Path) -> None:
    for package in (genvm_executor, genvm_wire, wasmtime):
        assert package.__file__ is not None
        place = Path(package.__file__).parent
        copytree(place, tmp_path / place.name, ignore=ignore_patterns("linux-*", "__pycache__", "component"))
    engine = Path(wasmtime.__file__).parent
    for libraries in engine.glob("linux-*"):
        (tmp_path / "wasmtime" / libraries.name).symlink_to(libraries)
    before = (engine / short_binding.DECLARATIONS).stat().st_size
    short_binding.main(tmp_path)
    shortened = tmp_path / "wasmtime" / short_binding.DECLARATIONS
    assert shortened.stat().st_size < before / 2
    assert shortened.read_text("utf-8").startswith(short_binding.NOTICE)
    again = shortened.read_bytes()
    short_binding.main(tmp_path)
    assert shortened.read_bytes() == again
    ran = subprocess.run(
        [sys.executable, "-s", "-S", "-P", "-c", RUNS],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[0] == "UNREACHABLE"
    assert str(tmp_path) in ran.stdout
