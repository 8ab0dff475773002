"""What a contract's runner may ask for: nothing that only a larger node could make, files anywhere inside."""

from __future__ import annotations

import io
import json
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from genvm_wire.contract_package import ContractPackage, PackageError, parse
from genvm_wire.runner_actions import (
    MAX_ENV_VALUE,
    MAX_ENVIRONMENT,
    MAX_LINKED,
    MAX_MAPPED,
    Launch,
    TooMuchWork,
    cost_of_mapping,
    interpret,
)


def launched(*variables: tuple[str, str]) -> Launch:
    return launched_by(*({"AddEnv": {"name": name, "val": value}} for name, value in variables))


def launched_by(*actions: dict[str, Any]) -> Launch:
    code = f"# {json.dumps({'Seq': [*actions, {'Depends': 'py-genlayer:test'}]})}\n".encode()
    return interpret(parse(code, "v0.2"), line="v0.2", debug=True, deterministic=True)


GROWN = [("A", "x" * 1024), ("A", "${A}" * 1024)]


def test_a_variable_may_name_others_up_to_its_bound() -> None:
    assert len(launched(*GROWN, ("B", "${A}${none}")).variables["B"]) == MAX_ENV_VALUE


@pytest.mark.parametrize(
    "more",
    [
        [("B", "${A}!")],
        [("B", "${A}" * 10_000)],
        [(f"B{number}", "${A}") for number in range(MAX_ENVIRONMENT // MAX_ENV_VALUE)],
    ],
    ids=["a character too long", "ten gibibytes", "too much altogether"],
)
def test_more_is_no_contract(more: list[tuple[str, str]]) -> None:
    with pytest.raises(PackageError, match="environment"):
        launched(*GROWN, *more)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/lib/foo.py", "/lib/foo.py"),
        ("foo.py", "/foo.py"),
        ("lib/foo.py", "/lib/foo.py"),
        ("//lib//f", "/lib/f"),
    ],
)
def test_a_file_goes_where_it_is_wanted_from_the_root(target: str, path: str) -> None:
    files = launched_by({"MapFile": {"file": "file", "to": target}}).files
    assert path in files and files[path].startswith(b"# ")


@pytest.mark.parametrize("target", ["", "/", "lib/", "../x", "/a/../b", "a\0b"])
def test_a_file_goes_nowhere_else(target: str) -> None:
    with pytest.raises(PackageError, match="is no plain path"):
        launched_by({"MapFile": {"file": "file", "to": target}})


WASM = b"\0asm\x01\0\0\0"
SEVERAL = 1000


def packaged(actions: list[dict[str, Any]]) -> Launch:
    return followed(package_of(actions))


def followed(package: ContractPackage, **bound: float) -> Launch:
    return interpret(package, line="v0.2", debug=False, deterministic=True, **bound)


def package_of(actions: list[dict[str, Any]], wasm: bytes = WASM) -> ContractPackage:
    """One with many files that needs no more room than its runner."""
    runner = {"Seq": [*actions, {"StartWasm": "it.wasm"}]}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("runner.json", json.dumps(runner))
        archive.writestr("it.wasm", wasm)
        archive.writestr("one/it", "")
        for number in range(SEVERAL):
            archive.writestr(f"many/{number}", "")
    return parse(buffer.getvalue(), "v0.2")


def test_files_are_put_in_many_places_up_to_a_bound() -> None:
    """What it costs beyond is the executor's own memory, which ends the container and not the contract."""
    cost = cost_of_mapping("/10/", [str(number) for number in range(SEVERAL)])
    mapped = [
        {"MapFile": {"file": "many/", "to": f"/{place}/"}} for place in range(10, MAX_MAPPED // cost + 10)
    ]
    assert len(packaged(mapped).files) == len(mapped) * SEVERAL
    with pytest.raises(PackageError, match="maps too many files") as caught:
        packaged([*mapped, mapped[0]])
    assert caught.value.vm_error == "OOM"


@pytest.mark.parametrize("more", [{"LinkWasm": "it.wasm"}, {"Depends": "softfloat:abc"}])
def test_modules_are_linked_up_to_a_bound(more: dict[str, Any]) -> None:
    linked = [{"LinkWasm": "it.wasm"}] * MAX_LINKED
    assert len(packaged(linked).linked) == MAX_LINKED
    with pytest.raises(PackageError, match="modules are linked"):
        packaged([*linked, more])


def test_a_library_is_called_as_it_says_or_as_its_file() -> None:
    named = WASM + b"\0\x0a\x04name\0\x03\x02it"
    assert [one.name for one in followed(package_of([{"LinkWasm": "it.wasm"}], named)).linked] == ["it"]
    assert [one.name for one in packaged([{"LinkWasm": "it.wasm"}]).linked] == ["it"]
    assert launched_by({"Depends": "softfloat:abc"}).linked[0].name == "softfloat"


LONG_TARGET = {"MapFile": {"file": "many/", "to": f"/{'x/' * 50_000}"}}
MIB = 1024 * 1024


def test_paths_that_there_is_no_room_for_are_not_made() -> None:
    """A thousand of a hundred thousand characters: what makes them first has a hundred mebibytes."""
    package = package_of([LONG_TARGET])
    tracemalloc.start()
    try:
        with pytest.raises(PackageError, match="maps too many files"):
            followed(package)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


WORK = 100
"""Actions, or files put somewhere; each takes less than a hundred calls."""
CROWDED: dict[str, list[dict[str, Any]]] = {
    "files": [{"MapFile": {"file": "many/", "to": "/"}}] * 50,
    "files looked at": [{"MapFile": {"file": "one/", "to": "/"}}] * 1000,
    "paths": [{"MapFile": {"file": "many/", "to": f"/{'x' * 15_000}/"}}],
    "variables": [{"AddEnv": {"name": str(number), "val": ""}} for number in range(5000)],
    "variables named": [{"AddEnv": {"name": "A", "val": "${B}" * 50_000}}],
    "variables put in": [
        {"AddEnv": {"name": name, "val": value}} for name, value in [*GROWN, *[("B", "${A}")] * 4]
    ],
    "actions": [{"SetArgs": []}] * 5000,
}


@pytest.mark.parametrize("kind", CROWDED)
def test_work_beyond_a_bound_is_not_done(kind: str) -> None:
    package = package_of(CROWDED[kind])

    def follow() -> None:
        with pytest.raises(TooMuchWork):
            followed(package, most_work=WORK)

    assert calls_of(follow) < WORK * 100
    assert followed(package).wasm == WASM


def test_modules_that_are_linked_are_read_by_whoever_starts_them() -> None:
    sections = WASM + b"\0\x02\x01a" * 10_000
    package = package_of([{"LinkWasm": "it.wasm"}] * MAX_LINKED, sections)
    assert calls_of(lambda: followed(package)) < 10_000


def calls_of(work: Callable[[], object]) -> int:
    """Functions that it calls, the interpreter's own among them: its time, on every machine the same."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls
