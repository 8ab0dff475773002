"""Version detection (manager-api 3.8): it says about a header what the executor will say."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest

from genvm_executor.lines import LINES
from genvm_executor.machine.outcome import VmFault
from genvm_executor.python.programs import Programs
from genvm_wire.contract_lines import RUNNERS
from genvm_wire.contract_package import MOST_HEADER
from genvm_wire.zip_package import MOST_MEMBERS
from orchestrator.contracts.detection import Detection, detect
from orchestrator.contracts.manifest import parse_manifest

AT = datetime(2026, 6, 1, tzinfo=UTC)
WASM = b"\0asm\x01\0\0\0"
MANIFEST = """
executor_versions:
  v0.2.17: {available_after: 2024-01-01T00:00:00Z, contract_line: v0.2}
  v0.3.0: {available_after: 2024-01-01T00:00:00Z, contract_line: v0.3, own_contracts_only: true}
  v1.0.0: {available_after: 2024-01-01T00:00:00Z, contract_line: v0.2}
  v2.0.0: {available_after: 2024-01-01T00:00:00Z, contract_line: v0.2}
"""
OLD_ONLY = "executor_versions: {v0.2.17: {available_after: 2024-01-01T00:00:00Z, contract_line: v0.2}}"
OLD = f"py-genlayer:{min(RUNNERS['v0.2']['py-genlayer'])}"
LATER = f"py-genlayer:{min(RUNNERS['v0.3']['py-genlayer'])}"
SOFTFLOAT = f"softfloat:{min(RUNNERS['v0.3']['softfloat'])}"


def found(code: bytes, manifest: str = MANIFEST) -> Detection:
    return detect(parse_manifest(manifest, "x"), code, AT)


def headed(runner: object) -> bytes:
    return f"# {json.dumps(runner)}\n".encode()


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("code", "major"),
    [
        (b'# { "Depends": "py-genlayer:test" }', 0),
        (b"# v1.2.3", 1),
        (b"# v9.0.0", 2),
        (b"# v2.0.0-rc1", 2),
        (b"# version two", 2),
        (b"print(1)", 2),
        (b"\xff\xfe", 2),
        (WASM, 0),
        pytest.param(zipped({"a": "b"}), 2, id="a package"),
        pytest.param(zipped({"version": "v1.0.0\n"}), 1, id="a package that says its version"),
        (b"# v99999999999999999999.0", 2),
        (b"# v-1.0", 2),
        (b"# v" + b"9" * 100_000, 2),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_detection_table(code: bytes, major: int) -> None:
    """manager-api 3.8, with 2 the latest major."""
    assert found(code).major == major


def test_detection_says_why_it_fell_back() -> None:
    assert "runner comment" in (found(b"print(1)").error or "")
    assert found(b"# v1").error is None
    assert "not JSON" in (found(b"# v1\n# {").error or "")


def at_both_doors(code: bytes, line: str) -> tuple[str | None, str | None]:
    """What detection says of a header, and what the executor does that its run would get."""
    try:
        Programs.plan(code, line=LINES[line], debug=False, deterministic=True)
    except VmFault as fault:
        return found(code).error, fault.detail
    return found(code).error, None


ACCEPTED: list[tuple[str, object]] = [
    ("v0.2", {"Depends": OLD}),
    ("v0.3", {"Depends": LATER}),
    ("v0.2", {"$schema": "x", "Depends": OLD}),
    ("v0.2", {"Seq": [{"Depends": "py-lib-genlayer-embeddings:abc"}, {"Depends": OLD}]}),
    ("v0.2", {"Seq": [{"AddEnv": {"name": "A", "val": "b"}}, {"Depends": OLD}]}),
    ("v0.2", {"When": {"cond": "det", "action": {"Depends": OLD}}}),
    ("v0.3", {"With": {"runner": "contract", "action": {"Depends": LATER}}}),
    ("v0.3", {"Seq": [{"Depends": SOFTFLOAT}, {"Depends": LATER}]}),
]
REFUSED: list[tuple[str, object, str]] = [
    ("v0.2", {"Depends": "py-genlayer"}, "must be NAME:HASH"),
    ("v0.2", {"Depends": OLD[:-1]}, "is not installed"),
    ("v0.2", {}, "must have exactly one key"),
    ("v0.2", {"Depend": "x"}, "is unknown, or its argument is unusable"),
    ("v0.2", {"Depends": OLD, "StartWasm": "file"}, "must have exactly one key"),
    ("v0.2", {"Seq": [{"Depends": "py-lib-numpy:abc"}, {"Depends": OLD}]}, "is not installed"),
    ("v0.2", {"Depends": "py-genlayer:test"}, "is for debug mode"),
    ("v0.2", {"Depends": "python:1"}, "is not installed"),
    ("v0.2", {"Depends": ["py-genlayer:test"]}, "is unknown, or its argument is unusable"),
    ("v0.2", {"Seq": []}, "starts nothing"),
    ("v0.2", {"When": {"cond": "nondet", "action": {"Depends": OLD}}}, "starts nothing"),
    ("v0.2", {"Seq": [[{"Depends": OLD}]]}, "must be an object"),
    ("v0.2", {"StartWasm": "other"}, "is unknown, or its argument is unusable"),
    ("v0.2", {"Seq": [{"MapFile": {"file": "other", "to": "/x"}}, {"Depends": OLD}]}, "has no file"),
    ("v0.2", {"Seq": [{"MapFile": {"file": "file", "to": "../x"}}, {"Depends": OLD}]}, "is no plain path"),
    ("v0.2", {"Seq": [{"AddEnv": {"name": "A=", "val": ""}}, {"Depends": OLD}]}, "environment variable"),
    ("v0.2", {"Seq": [{"SetArgs": ["a\0"]}, {"Depends": OLD}]}, "is unknown, or its argument is unusable"),
    ("v0.3", {"Seq": [{"Depends": "py-lib-numpy:abc"}, {"Depends": LATER}]}, "is no hash in GVM32"),
    ("v0.3", {"Seq": [{"Depends": OLD.replace(":", "-multi:")}, {"Depends": LATER}]}, "no hash in GVM32"),
]


@pytest.mark.parametrize(("line", "runner"), ACCEPTED, ids=repr)
def test_what_the_executor_takes_has_no_objection(line: str, runner: object) -> None:
    assert at_both_doors(headed(runner), line) == (None, None)


@pytest.mark.parametrize(("line", "runner", "why"), REFUSED, ids=repr)
def test_what_the_executor_refuses_is_refused_here_in_its_words(line: str, runner: object, why: str) -> None:
    said, of_run = at_both_doors(headed(runner), line)
    assert said == of_run
    assert why in (said or "")


@pytest.mark.parametrize(
    "files",
    [
        {"runner.json": json.dumps({"Depends": OLD.replace(":", "-multi:")})},
        {"runner.json": json.dumps({"StartWasm": "absent.wasm"})},
        {"file": ""},
    ],
    ids=["no folder of the contract", "no such module", "no runner"],
)
def test_packages_are_refused_in_its_words_too(files: dict[str, str]) -> None:
    said, of_run = at_both_doors(zipped({"version": "v0.2.0", **files}), "v0.2")
    assert said is not None and said == of_run


def test_a_contract_of_a_line_that_is_not_there_is_told_so() -> None:
    assert found(headed({"Depends": LATER})).error is None
    assert "contract line v0.3" in (found(headed({"Depends": LATER}), OLD_ONLY).error or "")


@pytest.mark.parametrize(("version", "is_too_new"), [("v0.2.99", False), ("v0.9.0", True)])
def test_a_version_that_no_executor_serves_is_told(version: str, is_too_new: bool) -> None:
    error = found(f"# {version}\n# {json.dumps({'Depends': OLD})}\n".encode()).error
    assert (error == f"the contract asks for {version}, this executor is v0.2.17") is is_too_new


def long_to_follow() -> dict[str, bytes]:
    few = dict.fromkeys((f"contract/{number:050}" for number in range(MOST_MEMBERS - 2)), "")
    mapped: Any = {"MapFile": {"file": "one/", "to": "/"}}
    grown: Any = {"AddEnv": {"name": "B", "val": "${A}"}}
    room = MOST_HEADER * 3 // 4
    long = [{"AddEnv": {"name": "A", "val": "x" * 60_000}}, {"AddEnv": {"name": "A", "val": "${A}" * 17}}]
    return {
        "files": zipped({**few, "one/it": "", "runner.json": json.dumps({"Seq": [mapped] * (room // 50)})}),
        "variables": headed({"Seq": [*long, *[grown] * ((room - 60_000) // 50)]}),
        "names": headed(
            {"Seq": [{"AddEnv": {"name": str(number), "val": ""}} for number in range(room // 50)]}
        ),
    }


LONG = long_to_follow()


@pytest.mark.parametrize("kind", LONG)
def test_a_runner_that_is_long_to_follow_is_left_to_its_run(kind: str) -> None:
    """The executor refuses it, for it starts nothing; it has the time."""
    assert found(LONG[kind]).error is None
