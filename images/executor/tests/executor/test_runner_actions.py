"""What a contract's runner may ask for: nothing that only a larger node could make, files anywhere inside."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from genvm_wire.contract_package import PackageError, parse
from genvm_wire.runner_actions import (
    MAX_ENV_VALUE,
    MAX_ENVIRONMENT,
    MAX_LINKED,
    MAX_MAPPED,
    Launch,
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
    """Of a package with many files that needs no more room than its runner."""
    runner = {"Seq": [*actions, {"StartWasm": "it.wasm"}]}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("runner.json", json.dumps(runner))
        archive.writestr("it.wasm", WASM)
        for number in range(SEVERAL):
            archive.writestr(f"many/{number}", "")
    return interpret(parse(buffer.getvalue(), "v0.2"), line="v0.2", debug=False, deterministic=True)


def test_files_are_put_in_many_places_up_to_a_bound() -> None:
    """What it costs beyond is the executor's own memory, which ends the container and not the contract."""
    cost = cost_of_mapping(f"/10/{number}" for number in range(SEVERAL))
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
