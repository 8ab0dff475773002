"""WebAssembly contracts of line v0.3: the list `wasm` of the vectors, linked modules, actions inside."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from genvm_executor.lines import V02, V03, ContractLine
from genvm_executor.machine.engine import deterministic_engine, reserve_native_stack
from genvm_executor.machine.outcome import VmFault
from genvm_executor.machine.output import OutputTail
from genvm_executor.machine.vm import Guest, GuestSurroundings
from genvm_executor.python.programs import Programs
from genvm_wire.results import ResultCode

from .later_vectors import VECTORS

SOFTFLOAT = "softfloat:v6s4797q2d2x800nhbrwbmsx6v3xe4gfzcdqk3t9s3dkvppvhg20"
PLAIN = [one for one in VECTORS["wasm"] if "wat" in one]
CONVERSIONS = [one for one in VECTORS["wasm"] if "import" in one]


@pytest.fixture(scope="module")
def programs(precompiled: Path) -> Programs:
    reserve_native_stack()
    return Programs.stored(deterministic_engine(), precompiled)


def run(programs: Programs, code: bytes, line: ContractLine = V03) -> str:
    """How the contract ends: `Return null`, or the text of its VM error."""
    surroundings = GuestSurroundings(lambda: b"", OutputTail(), OutputTail(), line)
    try:
        launch = programs.plan(code, line=line, debug=False, deterministic=True)
        program = programs.build(launch, line, deterministic=True)
    except VmFault as fault:
        return fault.text
    outcome = Guest(programs.engine, program, surroundings).run(64 << 20)
    return "Return null" if outcome.code is ResultCode.RETURN else outcome.payload.decode()


def with_actions(wasm: bytes, actions: object) -> bytes:
    """The module, its actions in a section of its own."""
    content = b"\x11genvm.runner.json" + json.dumps(actions).encode()
    assert len(content) < 1 << 14
    return wasm + b"\0" + bytes((len(content) & 0x7F | 0x80, len(content) >> 7)) + content


def package(files: dict[str, bytes], *actions: object) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("runner.json", json.dumps({"Seq": list(actions)}))
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize("vector", PLAIN, ids=lambda one: one["id"])
def test_modules_end_as_they_do_upstream(programs: Programs, vector: dict[str, Any]) -> None:
    wasm = bytes(wat2wasm(vector["wat"]))
    assert run(programs, wasm) == vector["v03"]
    if "v02_rebuilt" in vector:
        assert run(programs, wasm, V02) == vector["v02_rebuilt"]


def softfloat_module(vectors: list[dict[str, Any]]) -> bytes:
    """Traps unless each function gives what its vector says."""
    imports, bodies = "", ""
    for vector in vectors:
        takes, value = vector["in"].split()
        gives, result = vector["out"].split() if vector["out"] != "trap" else ("i32", "0")
        module, name = vector["import"].split(".")
        label = f"${vector['id']}"
        imports += f'(import "{module}" "{name}" (func {label} (param {takes}) (result {gives})))'
        call = f"(call {label} ({takes}.const {value}))"
        bodies += f"(if ({gives}.ne {call} ({gives}.const {result})) (then unreachable))"
    memory, start = '(memory (export "memory") 1)', f'(func (export "_start") {bodies})'
    return bytes(wat2wasm(f"(module {imports} {memory} {start})"))


ACTIONS = {"Seq": [{"Depends": SOFTFLOAT}, {"StartWasm": "file"}]}


def test_conversions_of_softfloat_give_the_figures(programs: Programs) -> None:
    figures = [one for one in CONVERSIONS if one["out"] != "trap"]
    assert run(programs, with_actions(softfloat_module(figures), ACTIONS)) == "Return null"
    wrong = {**figures[0], "out": "i32 -3"}
    assert run(programs, with_actions(softfloat_module([wrong]), ACTIONS)) == "wasm_trap unreachable"


def test_conversions_of_softfloat_trap_where_there_is_no_integer(programs: Programs) -> None:
    traps = [one for one in CONVERSIONS if one["out"] == "trap"]
    for one in traps:
        assert (
            run(programs, with_actions(softfloat_module([one]), ACTIONS))
            == "wasm_trap bad_conversion_to_integer"
        )


@pytest.mark.parametrize(
    "case",
    [
        ("f64_add", "f64", ("0.1", "0.2"), "f64", 0x3FD3333333333334),
        ("f64_sub", "f64", ("inf", "inf"), "f64", 0x7FF8000000000000),
        ("f32_mul", "f32", ("16777217", "1"), "f32", 0x4B800000),
        ("f32_div", "f32", ("1", "3"), "f32", 0x3EAAAAAB),
        ("f64_sqrt", "f64", ("2",), "f64", 0x3FF6A09E667F3BCD),
        ("f64_le", "f64", ("1", "nan"), "i32", 0),
        ("f32_lt", "f32", ("1", "2"), "i32", 1),
        ("f64_eq", "f64", ("0", "-0"), "i32", 1),
        ("ui32_to_f64", "i32", ("-1",), "f64", 0x41EFFFFFFFE00000),
        ("i64_to_f32", "i64", ("16777217",), "f32", 0x4B800000),
        ("f32_to_f64", "f32", ("nan:0x200000",), "f64", 0x7FF8000000000000),
        ("f64_to_f32", "f64", ("1e300",), "f32", 0x7F800000),
    ],
)
def test_arithmetic_of_softfloat_is_ieee(
    programs: Programs, case: tuple[str, str, tuple[str, ...], str, int]
) -> None:
    """Where the contract's own float instructions trap."""
    name, takes, given, gives, bits = case
    kind = {"f64": "i64", "f32": "i32", "i32": "i32"}[gives]
    call = f"(call $f {' '.join(f'({takes}.const {one})' for one in given)})"
    seen = call if gives == "i32" else f"({kind}.reinterpret_{gives} {call})"
    wat = (
        f'(module (import "softfloat" "{name}" (func $f (param {" ".join([takes] * len(given))})'
        f' (result {gives}))) (memory (export "memory") 1) (func (export "_start")'
        f" (if ({kind}.ne {seen} ({kind}.const {bits})) (then unreachable))))"
    )
    assert run(programs, with_actions(bytes(wat2wasm(wat)), ACTIONS)) == "Return null"


def test_what_softfloat_does_not_have_does_not_link(programs: Programs) -> None:
    wat = (
        '(module (import "softfloat" "f32_rem" (func)) (memory (export "memory") 1) (func (export "_start")))'
    )
    assert run(programs, with_actions(bytes(wat2wasm(wat)), ACTIONS)) == "invalid_contract wasm linking"


LIBRARY = """(module $sums
    (global $begun (mut i32) (i32.const 0))
    (func (export "_initialize") (global.set $begun (i32.const 40)))
    (func (export "add") (param i32) (result i32) (i32.add (global.get $begun) (local.get 0)))
    (func (export "floats") (drop (f32.add (f32.const 1) (f32.const 2))))
    (func (export "stops") unreachable))"""
USER = """(module
    (import "sums" "add" (func $add (param i32) (result i32)))
    (import "sums" "floats" (func $floats))
    (import "sums" "stops" (func $stops))
    (memory (export "memory") 1)
    (func (export "_start") (if (i32.ne (call $add (i32.const 2)) (i32.const 42)) (then unreachable)) %s))"""


@pytest.mark.parametrize(
    ("then", "end"),
    [
        ("", "Return null"),
        ("(call $floats)", "wasm_trap nondet_instruction"),
        ("(call $stops)", "wasm_trap unreachable"),
    ],
    ids=["begun", "under the rules", "its own trap"],
)
def test_a_library_of_the_package_is_linked(programs: Programs, then: str, end: str) -> None:
    files = {"lib.wasm": bytes(wat2wasm(LIBRARY)), "main.wasm": bytes(wat2wasm(USER % then))}
    actions = ({"LinkWasm": "lib.wasm"}, {"StartWasm": "main.wasm"})
    assert run(programs, package(files, *actions)) == end


def test_a_module_that_nobody_linked_is_missed(programs: Programs) -> None:
    files = {"main.wasm": bytes(wat2wasm(USER % ""))}
    assert run(programs, package(files, {"StartWasm": "main.wasm"})) == "invalid_contract wasm linking"


def test_a_broken_library_is_invalid(programs: Programs) -> None:
    files = {"lib.wasm": b"\0asm\1\0\0\0\xff", "main.wasm": bytes(wat2wasm(USER % ""))}
    actions = ({"LinkWasm": "lib.wasm"}, {"StartWasm": "main.wasm"})
    assert run(programs, package(files, *actions)) == "invalid_contract wasm validating"
