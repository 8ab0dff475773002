"""The project's seccomp profile as a filter that a process puts itself under, whatever it was started by.

Engines take the profile as JSON; the kernel takes a program for its small virtual machine: every system call
is looked up in a tree of comparisons, then its arguments are compared. Of the profile's language this knows
what the profile uses, and refuses the rest. What several rules say about one call has to be mutually
exclusive: the engine's own compiler drops rules that overlap, and the two filters would not be the same.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROFILE_FILE = "seccomp-executor.json"
NUMBERS_FILE = "syscalls.json"
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The kernel's names of the machines that have numbers in the table, in the table's order."""

ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
"""What a filter answers; `REFUSE` plus an error number."""
EPERM = 1

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN, _JUMP = 0x20, 0x15, 0x35, 0x54, 0x06, 0x05
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
"""Offsets in what the kernel shows to a filter; arguments have 64 bits, the low half first."""
_LOW = 0xFFFFFFFF
_FARTHEST = 255

Code = list[tuple[int, int, int, int]]
"""Instructions: operation, steps to skip when true and when false, operand."""


class ProfileUnsound(Exception):
    """The profile says something that this compiler, or the engine's, does not take as it is meant."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What to answer when all `conditions` hold: index, mask, wanted value, or None and a bound below it."""

    answer: int
    conditions: tuple[tuple[int, int | None, int], ...]


def executor_profile() -> dict[str, Any]:
    """The profile of executors, as it is given to the engine."""
    profile: dict[str, Any] = json.loads(_text(PROFILE_FILE))
    return profile


def compiled(profile: Mapping[str, Any], machine: str = "") -> bytes:
    """`profile` as the kernel's program for `machine` (default: this one). Raises ProfileUnsound."""
    machine = machine or os.uname().machine
    if machine not in MACHINES:
        raise ProfileUnsound(f"there is no table of system calls for {machine}")
    default = _answer(profile["defaultAction"], profile.get("defaultErrnoRet"))
    leaves = _leaves(_rules(profile, machine), default)
    code: Code = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, MACHINES[machine]),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER),
        *_tree(leaves),
    ]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def _text(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


def _rules(profile: Mapping[str, Any], machine: str) -> dict[int, list[Rule]]:
    column = list(MACHINES).index(machine)
    numbers = json.loads(_text(NUMBERS_FILE))
    found: dict[int, list[Rule]] = {}
    for entry in profile["syscalls"]:
        rule = _rule(entry)
        for name in entry["names"]:
            if name not in numbers:
                raise ProfileUnsound(f"{name} is not in {NUMBERS_FILE}")
            if numbers[name][column] is not None:
                found.setdefault(numbers[name][column], []).append(rule)
                _check_exclusive(name, found[numbers[name][column]])
    return found


def _rule(entry: Mapping[str, Any]) -> Rule:
    unknown = entry.keys() - {"comment", "names", "action", "errnoRet", "args"}
    if unknown:
        raise ProfileUnsound(f"unknown keys in a rule: {', '.join(sorted(unknown))}")
    return Rule(
        _answer(entry["action"], entry.get("errnoRet")), tuple(map(_condition, entry.get("args", ())))
    )


def _answer(action: str, number: int | None) -> int:
    match action:
        case "SCMP_ACT_ALLOW":
            return ALLOW
        case "SCMP_ACT_ERRNO":
            return REFUSE + (EPERM if number is None else number)
    raise ProfileUnsound(f"unknown action {action}")


def _condition(argument: Mapping[str, Any]) -> tuple[int, int | None, int]:
    index, value = argument["index"], argument["value"]
    match argument["op"]:
        case "SCMP_CMP_EQ":
            return index, 2**64 - 1, value
        case "SCMP_CMP_MASKED_EQ":
            return index, value, argument["valueTwo"]
        case "SCMP_CMP_LT" if value <= _LOW:
            return index, None, value
    raise ProfileUnsound(f"unknown comparison {argument['op']}")


def _check_exclusive(name: str, rules: Sequence[Rule]) -> None:
    """Two rules about one call are told apart by an argument that each wants to be another exact value."""
    last = rules[-1]
    for other in rules[:-1]:
        if not any(
            a[:2] == b[:2] and a[1] is not None and a[2] != b[2]
            for a in last.conditions
            for b in other.conditions
        ):
            raise ProfileUnsound(f"two rules about {name} overlap")


def _leaves(rules: Mapping[int, Sequence[Rule]], default: int) -> list[tuple[int, Code]]:
    """From which number on which code answers, in order; the first one begins at 0."""
    otherwise: Code = [(_RETURN, 0, 0, default)]
    leaves = [(0, otherwise)]
    for number in sorted(rules):
        for start, code in ((number, _decide(rules[number], default)), (number + 1, otherwise)):
            if leaves[-1][0] == start:
                leaves.pop()
            if not leaves or leaves[-1][1] != code:
                leaves.append((start, code))
    return leaves


def _decide(rules: Sequence[Rule], default: int) -> Code:
    code: Code = []
    for rule in rules:
        code += _matching(rule)
        if not rule.conditions:
            return code
    return [*code, (_RETURN, 0, 0, default)]


def _matching(rule: Rule) -> Code:
    """Answer if all holds, else go on behind."""
    code: Code = []
    for index, mask, value in rule.conditions:
        for half in (0, 1):
            part = value >> 32 * half & _LOW
            code.append((_LOAD, 0, 0, _ARGUMENTS + 8 * index + 4 * half))
            if mask is None and half == 0:
                code.append((_AT_LEAST, 1, 0, part))
                continue
            if mask is not None and (bits := mask >> 32 * half & _LOW) != _LOW:
                code.append((_AND, 0, 0, bits))
            code.append((_EQUAL, 0, 1, part))
    code.append((_RETURN, 0, 0, rule.answer))
    end = len(code)
    # A condition that does not hold leads behind the rule's answer.
    return [
        (operation, when and end - at - 1, unless and end - at - 1, operand)
        for at, (operation, when, unless, operand) in enumerate(code)
    ]


def _tree(leaves: Sequence[tuple[int, Code]]) -> Code:
    if len(leaves) == 1:
        return leaves[0][1]
    middle = len(leaves) // 2
    below, above = _tree(leaves[:middle]), _tree(leaves[middle:])
    if len(below) <= _FARTHEST:
        return [(_AT_LEAST, len(below), 0, leaves[middle][0]), *below, *above]
    return [(_AT_LEAST, 0, 1, leaves[middle][0]), (_JUMP, 0, 0, len(below)), *below, *above]
