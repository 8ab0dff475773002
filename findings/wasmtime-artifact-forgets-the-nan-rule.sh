#!/bin/sh
# wasmtime 50.0.1 (PyPI): what is compiled ahead of time does not remember whether NaNs are canonical.
#
# One would expect: `Module.deserialize` refuses an artifact of an engine with other settings, as it does for fuel,
#   epochs, SIMD and memories that may move. The setting `cranelift_nan_canonicalization` changes the generated code.
# What happens: it is accepted by an engine that has the setting the other way, and so is another `max_wasm_stack`.
#   The loaded code goes on as it was compiled: the engine's own setting says nothing about it.
# Why it matters here: validators must get the same bytes. A node that finds code which an earlier release compiled
#   without the rule would compute other NaNs than its peers. Every setting is part of the key of our code cache.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check wasmtime==50.0.1
"$folder/venv/bin/python" - <<'PYTHON'
from wasmtime import Config, Engine, Instance, Module, Store, WasmtimeError, wat2wasm

WAT = """(module (func (export "bits") (param f32 f32) (result i32)
  (i32.reinterpret_f32 (f32.add (local.get 0) (local.get 1)))))"""
SETTINGS = {"consume_fuel": False, "cranelift_nan_canonicalization": True, "max_wasm_stack": 512 * 1024}


def engine(**changed):
    config = Config()
    for name, value in {**SETTINGS, **changed}.items():
        setattr(config, name, value)
    return Engine(config)


def loads(artifact, **changed):
    try:
        return Module.deserialize(engine(**changed), artifact) is not None
    except WasmtimeError:
        return False


def bits(loaded_by, artifact):
    store = Store(loaded_by)
    instance = Instance(store, Module.deserialize(loaded_by, artifact), [])
    # A NaN with a payload: the canonical one has none.
    import struct
    payload = struct.unpack("<f", struct.pack("<I", 0x7FC12345))[0]
    return instance.exports(store)["bits"](store, payload, 1.0) & 0xFFFFFFFF


artifact = Module(engine(), wat2wasm(WAT)).serialize()
plain = Module(engine(cranelift_nan_canonicalization=False), wat2wasm(WAT)).serialize()
seen = {
    "fuel": loads(artifact, consume_fuel=True),
    "stack": loads(artifact, max_wasm_stack=256 * 1024),
    "nan": loads(artifact, cranelift_nan_canonicalization=False),
    "canonical in canonical": hex(bits(engine(), artifact)),
    "plain in canonical": hex(bits(engine(), plain)),
}
print(seen)
assert seen == {
    "fuel": False,
    "stack": True,
    "nan": True,
    "canonical in canonical": "0x7fc00000",
    "plain in canonical": "0x7fc12345",
}, "wasmtime behaves otherwise now"
PYTHON
echo "as described: wasmtime 50.0.1 loads code that was compiled under the other NaN rule"
