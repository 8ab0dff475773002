"""Raw WASM contracts: the five imports, the WASI they see, and what a hostile module cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest
from wasmtime import wat2wasm

from genvm_wire.calldata import encode

from .conftest import Run
from .executor_process import Executor, job
from .node_host import NodeHost

RETURN_9 = encode({"Return": 9})


def module(
    body: str,
    data: bytes = b"",
    *,
    imports: str = "",
    entry: str = "_start",
    memory: str = "1",
    functions: str = "",
) -> bytes:
    text = "".join(f"\\{byte:02x}" for byte in data)
    return bytes(
        wat2wasm(f"""(module
  (import "genlayer_sdk" "gl_call" (func $gl_call (param i32 i32 i32) (result i32)))
  (import "genlayer_sdk" "storage_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "genlayer_sdk" "storage_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  {imports}
  (memory (export "memory") {memory})
  (data (i32.const 64) "{text}")
  {functions}
  (func $f (export "{entry}") {body}))""")
    )


def exit_with(expression: str) -> str:
    return f"(call $exit {expression})"


@pytest.mark.parametrize("entry", ["", "_start"])
def test_a_module_returns_through_gl_call(run: Run, entry: str) -> None:
    body = f"(drop (call $gl_call (i32.const 64) (i32.const {len(RETURN_9)}) (i32.const 0)))"
    assert run(module(body, RETURN_9, entry=entry)).value == 9


def test_a_module_writes_and_reads_storage(run: Run, node: NodeHost) -> None:
    body = """(drop (call $write (i32.const 0) (i32.const 5) (i32.const 64) (i32.const 3)))
    (drop (call $read (i32.const 0) (i32.const 6) (i32.const 128) (i32.const 1)))
    """ + exit_with("(i32.ne (i32.load8_u (i32.const 128)) (i32.const 98))")
    assert run(module(body, b"abc")).code == 0
    assert node.slots[bytes(32)][5:8] == b"abc"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param("unreachable", "wasm_trap UnreachableCodeReached", id="unreachable"),
        pytest.param("(call $f)", "wasm_trap StackOverflow", id="stack"),
        pytest.param("(drop (i32.load (i32.const -1)))", "wasm_trap MemoryOutOfBounds", id="memory"),
        pytest.param(
            "(drop (i32.div_s (i32.const 1) (i32.const 0)))", "wasm_trap IntegerDivisionByZero", id="division"
        ),
        pytest.param(exit_with("(i32.const 5)"), "exit_code 5", id="exit"),
        pytest.param(exit_with("(i32.const -1)"), "exit_code 125", id="negative exit"),
        pytest.param(
            exit_with("(call $gl_call (i32.const -8) (i32.const 64) (i32.const 0))"),
            "exit_code 3",
            id="fault",
        ),
        pytest.param(
            exit_with("(call $gl_call (i32.const 0) (i32.const -1) (i32.const 0))"), "exit_code 3", id="huge"
        ),
        pytest.param(
            exit_with("(call $gl_call (i32.const 0) (i32.const 3) (i32.const 0))"), "exit_code 2", id="inval"
        ),
        pytest.param(
            exit_with("(call $read (i32.const 0) (i32.const -4) (i32.const 0) (i32.const 8))"),
            "exit_code 2",
            id="range",
        ),
        pytest.param(
            exit_with("(call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 0))"),
            "exit_code 28",
            id="vectors",
        ),
        pytest.param(
            exit_with("(call $random (i32.const 65530) (i32.const 100))"), "exit_code 21", id="random outside"
        ),
        pytest.param(
            exit_with("(call $fd_write (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))"),
            "exit_code 69",
            id="write to a file",
        ),
    ],
)
def test_hostile_calls_trap_or_are_refused(run: Run, body: str, text: str) -> None:
    report = run(module(body))
    assert (report.code, report.value) == (2, text)


@pytest.mark.parametrize(
    ("path", "flags", "errno"),
    [
        pytest.param(b"../etc/passwd", 0, 76, id="outside"),
        pytest.param(b"etc/passwd", 0, 44, id="absent"),
        pytest.param(b"new", 1, 69, id="create"),
        pytest.param(b"/", 2, 0, id="root"),
    ],
)
def test_paths_stay_inside_the_virtual_files(run: Run, path: bytes, flags: int, errno: int) -> None:
    body = exit_with(
        f"(call $path_open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const {len(path)})"
        f" (i32.const {flags})"
        " (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0))"
    )
    report = run(module(body, path))
    assert report.value == (f"exit_code {errno}" if errno else None)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param(b"\0asm\1\0\0\0\xff\xff", "invalid_contract wasm", id="malformed"),
        pytest.param(
            wat2wasm('(module (import "a" "b" (func)))'), "invalid_contract wasm", id="unknown import"
        ),
        pytest.param(wat2wasm('(module (func (export "x")))'), "invalid_contract wasm", id="no entry"),
        pytest.param(module("nop", memory="65536"), "OOM", id="more memory than there is"),
    ],
)
def test_unusable_modules_have_their_vm_error(run: Run, code: bytes, text: str) -> None:
    report = run(bytes(code))
    assert (report.code, report.value) == (2, text)


def test_memory_is_as_large_whatever_the_container_may_take(
    directory: Path, precompiled: Path, node: NodeHost
) -> None:
    """768 MiB: one page for the module, and as many as it may grow by."""
    pages = (768 << 20) // 65536 - 1
    refused, granted = (
        f"(i32.{test} (memory.grow (i32.const {count})) (i32.const -1))"
        for test, count in (("ne", pages + 1), ("eq", pages))
    )
    node.store_code(module(exit_with(f"(i32.or {refused} {granted})")))
    with Executor(directory, precompiled, GENVM_GUEST_MEMORY_BYTES=str(4 << 30)) as executor:
        executor.wait_ready()
        executor.send_job(node, job())
        assert executor.follow().value is None


def test_full_stacks_of_nested_modules_fit_on_the_native_stack(run: Run) -> None:
    """1,000 frames with 60 live vectors each are near both bounds of a VM."""
    request = encode({"Sandbox": {"data": b"", "allow_write_ops": False}})
    again = f"(drop (call $gl_call (i32.const 64) (i32.const {len(request)}) (i32.const 0)))"
    live = range(1, 61)
    deep = f"""(func $deep (param i32) (local {"v128 " * len(live)})
      {" ".join(f"(local.set {n} (v128.load (i32.const {1024 + 16 * n})))" for n in live)}
      (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else {again}))
      {" ".join(f"(v128.store (i32.const {1024 + 16 * n}) (local.get {n}))" for n in live)})"""
    report = run(module("(call $deep (i32.const 1000))", request, functions=deep))
    assert (report.code, report.value) == (0, None)
