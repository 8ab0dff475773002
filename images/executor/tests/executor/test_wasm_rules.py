"""Deterministic WebAssembly (contract-sdk-v03 19): floats, frames, value slots, start, features."""

from __future__ import annotations

import pytest
from wasmtime import Engine, Func, Instance, Module, Trap, WasmtimeError, wat2wasm

from genvm_executor.machine.engine import fresh_store
from genvm_executor.machine.wasm_rules import Rule, ruled

from .conftest import Run
from .node_host import NodeHost
from .test_wasm_contracts import exit_with, module

MIB = 1024 * 1024
SUM = """(func $f (export "f") (param i32) (result i32)
  (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
  (i32.add (local.get 0) (call $f (i32.sub (local.get 0) (i32.const 1)))))"""
BRANCHES = """(func (export "f") (param i32) (result i32)
  (block $a (block $b (block $c
    (br_table $c $b $a (local.get 0)))
    (return (i32.const 10)))
    (br 0))
  (if (result i32) (i32.const 1) (then (br 1 (i32.const 30))) (else (i32.const 40)))"""
SEVERAL = """(func $two (param i32) (result i32 i64)
  (if (i32.eqz (local.get 0)) (then (return (i32.const 1) (i64.const 2))))
  (loop (result i32 i64) (i32.const 3) (i64.const 4)))
(func (export "f") (param i32) (result i32) (local i64)
  (call $two (local.get 0)) (local.set 1) (i32.mul (i32.wrap_i64 (local.get 1))))"""
TAIL = """(type $t (func (param i32) (result i32))) (table 1 funcref) (elem (i32.const 0) $f)
(func $f (export "f") (param i32) (result i32)
  (if (i32.eqz (local.get 0)) (then (return (i32.const 5))))
  (if (i32.and (local.get 0) (i32.const 1))
    (then (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))))
  (return_call $f (i32.sub (local.get 0) (i32.const 1))))"""


class Ended:
    """What a module's `f` gave: its value, or the rule or trap code that ended it."""

    def __init__(self, engine: Engine, wat: str, *arguments: int, floats: bool = False) -> None:
        found = ruled(bytes(wat2wasm(f"(module {wat})")), floats=floats)
        self.store = fresh_store(engine, 64 * MIB)
        self.instance = Instance(self.store, Module(engine, found.wasm), [])
        self.value: object = None
        self.why: object = None
        try:
            if found.start is not None:
                self._call(found.start)
            self.value = self._call("f", *arguments)
        except Trap as trap:
            self.why = found.traps.get(trap.frames[0].module_offset or 0, trap.trap_code)

    def _call(self, name: str, *arguments: int) -> object:
        function = self.instance.exports(self.store)[name]
        assert isinstance(function, Func)
        return function(self.store, *arguments)


@pytest.mark.parametrize(
    ("wat", "argument", "value"),
    [
        pytest.param(SUM, 100, 5050, id="recursion"),
        pytest.param(BRANCHES + ")", 0, 10, id="return from blocks"),
        pytest.param(BRANCHES + ")", 2, 30, id="branch to the function with a value"),
        pytest.param(SEVERAL, 0, 2, id="several results, returned"),
        pytest.param(SEVERAL, 1, 12, id="several results, fallen through"),
        pytest.param(TAIL, 50_000, 5, id="tail calls do not count"),
    ],
)
def test_a_module_under_the_rules_does_what_it_did(
    engine: Engine, wat: str, argument: int, value: int
) -> None:
    assert Ended(engine, wat, argument).value == value


@pytest.mark.parametrize("calls", [1023, 1022])
def test_1024_frames_are_allowed(engine: Engine, calls: int) -> None:
    assert Ended(engine, SUM, calls).value == calls * (calls + 1) // 2


def test_one_more_is_an_overflow(engine: Engine) -> None:
    assert Ended(engine, SUM, 1024).why is Rule.BOUND


def test_frames_that_have_returned_do_not_count(engine: Engine) -> None:
    wat = SUM.replace('(export "f")', "") + """(func (export "f") (result i32) (local i32)
      (loop $again (drop (call $f (i32.const 1000)))
        (br_if $again (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 50))))
      (local.get 0))"""  # fmt: skip
    assert Ended(engine, wat).value == 50


@pytest.mark.parametrize(("depth", "why"), [(640, None), (660, Rule.BOUND)])
def test_locals_and_operands_of_live_frames_are_slots(engine: Engine, depth: int, why: Rule | None) -> None:
    """A parameter, 90 locals and at most 9 operands: 100 slots a frame, 655 frames in 65,535 slots."""
    operands = "(i32.const 1) " * 7 + "(local.get 0) (i32.const 1) i32.sub (call $f) " + "i32.add " * 7
    wat = f"""(func $f (export "f") (param i32) (result i32) (local {"i64 " * 90})
      (if (i32.eqz (local.get 0)) (then (return (i32.const 0)))) {operands})"""
    assert Ended(engine, wat, depth).why is why


ARITHMETIC = [
    *(f"f{bits}.{name}" for bits in (32, 64) for name in ("add", "sub", "mul", "div", "min", "max")),
    *(f"f{bits}.{name}" for bits in (32, 64) for name in ("eq", "ne", "lt", "gt", "le", "ge")),
    *(f"f{bits}.{name}" for bits in (32, 64) for name in ("sqrt", "ceil", "floor", "trunc", "nearest")),
    *(f"i{to}.trunc_f{of}_{sign}" for to in (32, 64) for of in (32, 64) for sign in "su"),
    *(f"i{to}.trunc_sat_f{of}_{sign}" for to in (32, 64) for of in (32, 64) for sign in "su"),
    *(f"f{to}.convert_i{of}_{sign}" for to in (32, 64) for of in (32, 64) for sign in "su"),
    *("f32.demote_f64", "f64.promote_f32"),
    *("f32x4.add", "f64x2.mul", "f32x4.lt", "f64x2.ge", "f32x4.sqrt", "f64x2.nearest", "f64x2.ceil"),
    "f32x4.pmin",
    *("f64x2.pmax", "i32x4.trunc_sat_f32x4_s", "f32x4.convert_i32x4_u", "i32x4.trunc_sat_f64x2_u_zero"),
    *("f64x2.convert_low_i32x4_s", "f32x4.demote_f64x2_zero", "f64x2.promote_low_f32x4"),
]  # fmt: skip
COPYING = [
    *("f32.abs", "f64.neg", "f32.copysign", "i32.reinterpret_f32", "i64.reinterpret_f64"),
    "f32.reinterpret_i32",
    *("f64.reinterpret_i64", "f32x4.abs", "f64x2.neg", "f32x4.splat", "f64x2.extract_lane 1"),
    *("i32.add", "i64.div_u", "i32x4.add", "i8x16.popcnt", "i64.extend32_s", "i32.wrap_i64"),
]  # fmt: skip


def using(instruction: str) -> str:
    """A function that executes the instruction once, whatever it takes."""
    for first in ("f32", "f64", "i32", "i64", "v128"):
        for count in (2, 1):
            constant = f"({first}.const {'i32x4 1 1 1 1' if first == 'v128' else '1'}) "
            wat = f'(func (export "f") (result i32) {constant * count} {instruction} drop (i32.const 1))'
            try:
                wat2wasm_valid(wat)
            except WasmtimeError:
                continue
            return wat
    raise AssertionError(f"nothing fits {instruction}")


def wat2wasm_valid(wat: str) -> None:
    Module.validate(Engine(), wat2wasm(f"(module {wat})"))


@pytest.mark.parametrize("instruction", ARITHMETIC)
def test_float_arithmetic_traps_where_it_is_executed(engine: Engine, instruction: str) -> None:
    wat = using(instruction)
    assert Ended(engine, wat).why is Rule.NO_FLOATS
    assert Ended(engine, wat, floats=True).value == 1


@pytest.mark.parametrize("instruction", COPYING)
def test_copying_floats_and_integer_arithmetic_are_free(engine: Engine, instruction: str) -> None:
    assert Ended(engine, using(instruction)).value == 1


def test_float_arithmetic_that_is_not_reached_hurts_nobody(engine: Engine) -> None:
    wat = """(func (export "f") (param i32) (result i32)
      (if (local.get 0) (then (drop (f32.add (f32.const 1) (f32.const 2))))) (i32.const 3))"""
    assert Ended(engine, wat, 0).value == 3
    assert Ended(engine, wat, 1).why is Rule.NO_FLOATS


def test_a_trap_of_a_rule_has_the_words_of_its_line(run: Run) -> None:
    assert run(module("(drop (f32.add (f32.const 1) (f32.const 2)))")).value == "wasm_trap NondetInstruction"


def test_too_many_frames_have_the_words_of_the_line(run: Run) -> None:
    body = "(call $deep (i32.const 1100))"
    again = "(then (call $deep (i32.sub (local.get 0) (i32.const 1))))"
    deep = f"(func $deep (param i32) (if (local.get 0) {again}))"
    assert run(module(body, functions=deep)).value == "wasm_trap StackOverflow"


def test_a_start_section_may_call_the_host(run: Run, node: NodeHost) -> None:
    node.slots[bytes(32)] = bytearray(b"\x07")
    read = "(call $read (i32.const 0) (i32.const 0) (i32.const 900) (i32.const 1))"
    started = f"(start $first) (func $first (drop {read}))"
    assert run(module(exit_with("(i32.load8_u (i32.const 900))"), functions=started)).value == "exit_code 7"


@pytest.mark.parametrize(
    "wat",
    [
        "(memory 1) (memory 1)",
        "(memory i64 1)",
        "(memory 1 1 shared)",
        "(tag $e) (func (throw $e))",
        "(type (struct (field i32)))",
        "(func (param (ref null func)) (drop (ref.as_non_null (local.get 0))))",
        "(func (param i64) (result i64 i64) (i64.mul_wide_s (local.get 0) (local.get 0)))",
    ],
)
def test_features_that_the_table_does_not_name_are_off(engine: Engine, wat: str) -> None:
    with pytest.raises(WasmtimeError):
        Module.validate(engine, wat2wasm(f"(module {wat})"))


def test_every_setting_of_the_engine_names_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    from genvm_executor.machine import engine as engines

    names = {engines.engine_fingerprint()}
    for name, value in engines.SETTINGS.items():
        changed = {**engines.SETTINGS, name: value + 1 if type(value) is int else not value}
        monkeypatch.setattr(engines, "SETTINGS", changed)
        names.add(engines.engine_fingerprint())
    monkeypatch.undo()
    monkeypatch.setenv(engines.METER_VARIABLE, "0")
    names.add(engines.engine_fingerprint())
    assert len(names) == 2 + len(engines.SETTINGS)
