"""Which runner ids name which library, and what stands behind an id (the vectors' lists about runners)."""

from __future__ import annotations

from hashlib import sha3_256
from pathlib import Path
from typing import Any

import pytest

from genvm_executor.entry_payload import call_key
from genvm_executor.lines import LINES, V02, V03, ContractLine
from genvm_executor.machine.engine import deterministic_engine
from genvm_executor.machine.outcome import VmFault
from genvm_executor.python.programs import Programs
from genvm_wire import gvm32
from genvm_wire.runner_ids import RULES
from genvm_wire.storage_layout import ROOT_FIELDS, ROOT_SLOT, indirect

from .later_vectors import VECTORS


@pytest.fixture(scope="module")
def programs(precompiled: Path) -> Programs:
    return Programs.stored(deterministic_engine(), precompiled)


def refusal(programs: Programs, line: ContractLine, *runners: str) -> VmFault | None:
    """Why a contract with this header does not start."""
    seq = ", ".join(f'{{ "Depends": "{runner}" }}' for runner in runners)
    code = f'# {{ "Seq": [{seq}] }}\n'.encode()
    try:
        programs.plan(code, line=line, debug=False, deterministic=True)
    except VmFault as fault:
        return fault
    return None


LIBRARIES = [one for one in VECTORS["runner_ids"] if one["id"].startswith("py-genlayer:")]
OTHERS = [
    one for one in VECTORS["runner_ids"] if one["id"].startswith(("py-lib", "models", "cpython", "soft"))
]


@pytest.mark.parametrize("vector", LIBRARIES, ids=lambda one: one["id"][12:20])
@pytest.mark.parametrize("line", LINES.values(), ids=lambda line: line.name)
def test_an_id_is_one_lines_library_or_refused(
    programs: Programs, line: ContractLine, vector: dict[str, Any]
) -> None:
    snapshot, runner = vector["snapshot"], vector["id"]
    newest = snapshot.startswith(("r3", "twin"))
    first = snapshot.startswith("line ")
    fault = refusal(programs, line, runner)
    if (newest and line is V03) or (first and line is V02):
        assert fault is None
        return
    assert fault is not None and fault.text == line.texts.malformed_runner
    assert runner in fault.detail
    if newest or first:
        other = V02 if first else V03
        assert f"contract line {other.name}" in fault.detail and RULES[other.name].library in fault.detail


@pytest.mark.parametrize("line", LINES.values(), ids=lambda line: line.name)
def test_an_unknown_id_is_refused_with_the_ones_there_are(programs: Programs, line: ContractLine) -> None:
    runner = "py-genlayer:8b8kjyda2ycxyq4ea6g4yfpnydxhd52gqba5rb8dw7krkh5mn9p0"
    fault = refusal(programs, line, runner)
    assert fault is not None and runner in fault.detail
    assert all(f"py-genlayer:{one}" in fault.detail for one in RULES[line.name].runners["py-genlayer"] or ())


def test_what_the_library_is_made_of_may_be_named(programs: Programs) -> None:
    library = "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng"
    newest = [one["id"] for one in OTHERS if one["snapshot"].startswith("r3")]
    assert refusal(programs, V03, *newest, library) is None
    (older,) = (one["id"] for one in OTHERS if not one["snapshot"].startswith("r3"))
    fault = refusal(programs, V03, older, library)
    assert fault is not None and "GVM32" in fault.detail


def test_hashes_in_ids_are_gvm32() -> None:
    for one in VECTORS["gvm32"]:
        if "text" in one:
            assert gvm32.encode(bytes.fromhex(one["hex"])) == one["text"]
        elif "same_as" in one:
            assert gvm32.decode(one["decode"]) == gvm32.decode(one["same_as"])
        else:
            assert gvm32.decode(one["decode"]) == (one["hex"] and bytes.fromhex(one["hex"]))
    for one in VECTORS["runner_ids"]:
        if "sha256" in one:
            raw = gvm32.decode(one["id"].partition(":")[2])
            assert raw is not None and raw.hex() == one["sha256"]
    for one in VECTORS["custom_runner"]:
        digest = sha3_256(bytes.fromhex(one["code_hex"])).digest()
        assert one["id"] == f"custom:{gvm32.encode(digest)}"


def test_the_root_lies_where_the_library_has_it() -> None:
    slots, fields = VECTORS["slots"], ROOT_FIELDS[V03.name]
    offsets = {key: value for key, value in slots["root_offsets"].items() if key != "verified"}
    own = {name: getattr(fields, "contract" if name == "contract_instance" else name) for name in offsets}
    assert own == offsets
    for one in slots["indirect"]:
        slot = indirect(bytes.fromhex(one["slot"]), one["offset"])
        assert (slot.hex(), gvm32.encode(slot)) == (one["id"], one["gvm32"])
    assert bytes.fromhex(slots["indirect"][0]["slot"]) == ROOT_SLOT


def test_a_message_is_known_by_the_key_of_its_method() -> None:
    for one in VECTORS["call_key"]:
        if "name" in one:
            assert call_key({"": one["name"]}).hex() == one["key"]
