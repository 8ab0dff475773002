"""The profiles compiled for the kernel, step by step on every machine that it knows (docs/isolation.md)."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from genvm_connector.confinement import connector_profile
from genvm_wire.seccomp import (
    ALLOW,
    EPERM,
    KILL,
    MACHINES,
    REFUSE,
    ProfileUnsound,
    compiled,
    executor_profile,
)

Profile = dict[str, Any]
PROFILE = executor_profile()
PROFILES = {"executor": PROFILE, "connector": connector_profile()}
NUMBERS: dict[str, list[int | None]] = json.loads(
    resources.files("genvm_wire").joinpath("syscalls.json").read_text("utf-8")
)
LIMIT = 4096
ENOSYS = 38
MANY = 2**64 - 1


def answer(program: bytes, machine: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """What the kernel's own virtual machine would say; of its language what the compiler writes."""
    data = struct.pack("<IIQ6Q", number, machine, 0, *(*arguments, *(0,) * (6 - len(arguments))))
    code = list(struct.iter_unpack("<HBBI", program))
    at, value = 0, 0
    while True:
        operation, when, unless, operand = code[at]
        at += 1
        match operation:
            case 0x20:
                value = struct.unpack_from("<I", data, operand)[0]
            case 0x54:
                value &= operand
            case 0x15:
                at += when if value == operand else unless
            case 0x35:
                at += when if value >= operand else unless
            case 0x05:
                at += operand
            case 0x06:
                return int(operand)
            case _:
                raise AssertionError(operation)


def cases(profile: Profile) -> Iterator[tuple[str, dict[str, Any] | None]]:
    for rule in profile["syscalls"]:
        for name in rule["names"]:
            yield name, rule


def fitting(rule: dict[str, Any]) -> tuple[int, ...]:
    """Arguments that the rule takes."""
    arguments = [MANY] * 6
    for one in rule.get("args", ()):
        match one["op"]:
            case "SCMP_CMP_EQ":
                arguments[one["index"]] = one["value"]
            case "SCMP_CMP_MASKED_EQ":
                arguments[one["index"]] = (MANY & ~one["value"]) | one["valueTwo"]
            case "SCMP_CMP_LT":
                arguments[one["index"]] = one["value"] - 1
    return tuple(arguments)


def spoilt(rule: dict[str, Any]) -> Iterator[tuple[int, ...]]:
    """Fitting arguments with one bit wrong, in the low half and in the high one."""
    for one in rule.get("args", ()):
        bits = one["value"] if one["op"] == "SCMP_CMP_MASKED_EQ" else MANY
        for bit in range(64):
            arguments = list(fitting(rule))
            if one["op"] == "SCMP_CMP_LT":
                arguments[one["index"]] = max(one["value"], 1 << bit)
            elif bits >> bit & 1:
                arguments[one["index"]] ^= 1 << bit
            else:
                continue
            yield tuple(arguments)


def fits(arguments: tuple[int, ...], rule: dict[str, Any]) -> bool:
    for one in rule.get("args", ()):
        given = arguments[one["index"]]
        match one["op"]:
            case "SCMP_CMP_EQ" if given != one["value"]:
                return False
            case "SCMP_CMP_MASKED_EQ" if given & one["value"] != one["valueTwo"]:
                return False
            case "SCMP_CMP_LT" if given >= one["value"]:
                return False
    return True


def expected(profile: Profile, name: str, arguments: tuple[int, ...]) -> int:
    for other, rule in cases(profile):
        if other == name and rule is not None and fits(arguments, rule):
            return ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else REFUSE + rule["errnoRet"]
    return REFUSE + EPERM


@pytest.fixture(scope="module", params=list(PROFILES))
def profile(request: pytest.FixtureRequest) -> Profile:
    return PROFILES[request.param]


@pytest.fixture(scope="module", params=list(enumerate(MACHINES)), ids=list(MACHINES))
def machine(request: pytest.FixtureRequest, profile: Profile) -> tuple[int, int, bytes]:
    """Column of the table, the kernel's name, the program."""
    column, name = request.param
    return column, MACHINES[name], compiled(profile, name)


def test_every_call_of_every_rule_is_answered_as_the_rule_says(
    machine: tuple[int, int, bytes], profile: Profile
) -> None:
    column, name, program = machine
    for call, rule in cases(profile):
        number = NUMBERS[call][column]
        if number is not None and rule is not None:
            for arguments in (fitting(rule), *spoilt(rule)):
                assert answer(program, name, number, arguments) == expected(profile, call, arguments), call


def test_every_other_number_is_refused(machine: tuple[int, int, bytes]) -> None:
    column, name, program = machine
    known = {numbers[column] for numbers in NUMBERS.values()}
    beyond = [2**30, 2**30 + 41, 2**31, 2**32 - 1]
    for number in (*range(1024), *beyond):
        if number not in known:
            assert answer(program, name, number) == REFUSE + EPERM, number


def test_a_call_of_another_machine_kills(machine: tuple[int, int, bytes]) -> None:
    _, name, program = machine
    assert answer(program, name ^ 0x80000000, 39) == KILL


def test_the_kernel_takes_a_program_of_this_length(machine: tuple[int, int, bytes]) -> None:
    _, _, program = machine
    assert len(program) % 8 == 0
    assert len(program) // 8 <= LIMIT


@pytest.mark.parametrize("name", list(MACHINES))
def test_clone3_looks_unimplemented(name: str) -> None:
    assert answer(compiled(PROFILE, name), MACHINES[name], 435) == REFUSE + ENOSYS


@pytest.mark.parametrize("name", list(MACHINES))
def test_a_connector_starts_nothing_and_listens_nowhere_else(name: str) -> None:
    program = compiled(connector_profile(), name)
    column = list(MACHINES).index(name)
    calls = ("clone", "clone3", "execve", "fork", "kill", "prctl", "unlinkat", "memfd_create")
    numbers = [number for call in calls if (number := NUMBERS[call][column]) is not None]
    bind_and_listen = ((49, 50), (200, 201))[column]
    for number in (*numbers, *bind_and_listen):
        assert answer(program, MACHINES[name], number) == REFUSE + EPERM


RULE = {"names": ["connect"], "action": "SCMP_ACT_ALLOW"}
SHORT = {"index": 2, "value": 16, "op": "SCMP_CMP_LT"}


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ([RULE, {**RULE, "args": [SHORT]}], "overlap"),
        ([{**RULE, "args": [SHORT]}, {**RULE, "args": [{**SHORT, "value": 8}]}], "overlap"),
        ([{**RULE, "names": ["teleport"]}], "teleport"),
        ([{**RULE, "includes": {"caps": ["CAP_SYS_ADMIN"]}}], "includes"),
        ([{**RULE, "action": "SCMP_ACT_LOG"}], "SCMP_ACT_LOG"),
        ([{**RULE, "args": [{**SHORT, "op": "SCMP_CMP_GE"}]}], "SCMP_CMP_GE"),
    ],
    ids=["unconditional", "nested bounds", "unknown call", "unknown key", "unknown action", "unknown test"],
)
def test_what_the_engine_might_understand_otherwise_is_refused(
    rules: list[dict[str, object]], complaint: str
) -> None:
    with pytest.raises(ProfileUnsound, match=complaint):
        compiled({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}, "x86_64")


def test_a_machine_without_a_table_is_named() -> None:
    with pytest.raises(ProfileUnsound, match="abacus"):
        compiled(PROFILE, "abacus")
