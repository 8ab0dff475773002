"""A whole module with the rules written into it, and where in it which rule traps."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from genvm_executor.machine import wasm_binary
from genvm_executor.machine.wasm_binary import UnexpectedModule, read_uleb, sleb, uleb
from genvm_executor.machine.wasm_rules.functions import Counters, ruled_body
from genvm_executor.machine.wasm_rules.instructions import Callees, Signature, skip_numbers
from genvm_wire.records import field, record

MOST_FRAMES = 1024
MOST_SLOTS = 65_535
_TYPE, _IMPORT, _FUNCTION, _GLOBAL, _EXPORT, _START, _CODE = 1, 2, 3, 6, 7, 8, 10
# The order of sections is not that of their numbers: data counts come before code, tags before globals.
_ORDER = (1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11)
_FUNCTION_TYPE = 0x60
_MUTABLE_I32 = b"\x7f\x01"
_START_NAME = "genvm start"


class Rule(Enum):
    """Why an `unreachable` of ours was reached."""

    NO_FLOATS = "float arithmetic in a deterministic VM"
    BOUND = "too many frames or value slots"


@record
class Ruled:
    """`traps`: offset in the module → the rule that traps there.

    `start`: the export that was the start section; null where there was none.
    """

    wasm: bytes
    traps: Mapping[int, Rule] = field(default_factory=dict)
    start: str | None = None


@record
class _Type:
    takes: int
    results: bytes

    @property
    def signature(self) -> Signature:
        return self.takes, len(self.results)


def ruled(wasm: bytes, *, floats: bool) -> Ruled:
    """A valid module under the rules; with `floats` without that against their arithmetic.

    Raises UnexpectedModule for what the engine would not have taken.
    """
    found = dict(wasm_binary.sections(wasm))
    types = _types(found.get(_TYPE, b"\0"))
    imported, imported_globals = _imports(found.get(_IMPORT, b"\0"))
    own = _numbers(found.get(_FUNCTION, b"\0"))
    callees = Callees(
        [one.signature for one in types], [types[number].signature for number in imported + own]
    )
    first = imported_globals + read_uleb(found.get(_GLOBAL, b"\0"), 0)[0]
    counters = Counters(first, first + 1)
    block_types = _BlockTypes(types)
    bodies, rules = [], list[tuple[int, Mapping[int, Rule]]]()
    for number, body in zip(own, _bodies(found.get(_CODE, b"\0")), strict=True):
        one = ruled_body(
            body, types[number].signature, block_types.of(number), callees, counters, floats=floats
        )
        bodies.append(one.body)
        rules.append(
            (len(one.body), dict.fromkeys(one.float_traps, Rule.NO_FLOATS) | {one.overflow: Rule.BOUND})
        )
    if bodies:
        found[_CODE] = _vector(bodies)
        found[_TYPE] = block_types.section(found[_TYPE])
        found[_GLOBAL] = _with_counters(found.get(_GLOBAL, b"\0"))
    start = _start_as_export(found)
    out, code_at = _assembled(found)
    return Ruled(out, _traps(code_at, rules), start)


class _BlockTypes:
    """Types of blocks with a function's results; those with several get a type of their own at the end."""

    def __init__(self, types: list[_Type]) -> None:
        self._types = types
        self._added: dict[bytes, int] = {}

    def of(self, number: int) -> bytes:
        results = self._types[number].results
        if len(results) < 2:
            return results or b"\x40"
        if results not in self._added:
            self._added[results] = len(self._types) + len(self._added)
        return sleb(self._added[results])

    def section(self, section: bytes) -> bytes:
        count, at = read_uleb(section, 0)
        added = (bytes((_FUNCTION_TYPE, 0)) + uleb(len(one)) + one for one in self._added)
        return uleb(count + len(self._added)) + section[at:] + b"".join(added)


def _types(section: bytes) -> list[_Type]:
    count, at = read_uleb(section, 0)
    found = []
    for _ in range(count):
        if section[at] != _FUNCTION_TYPE:
            raise UnexpectedModule("a type that is no function's")
        takes, at = read_uleb(section, at + 1)
        gives, at = read_uleb(section, at + takes)
        found.append(_Type(takes, section[at : at + gives]))
        at += gives
    return found


def _imports(section: bytes) -> tuple[list[int], int]:
    """Types of the imported functions; how many globals are imported."""
    count, at = read_uleb(section, 0)
    functions, global_count = list[int](), 0
    for _ in range(count):
        for _ in range(2):
            length, at = read_uleb(section, at)
            at += length
        kind, at = section[at], at + 1
        match kind:
            case 0:
                number, at = read_uleb(section, at)
                functions.append(number)
            case 1:
                at = _limits_end(section, at + 1)
            case 2:
                at = _limits_end(section, at)
            case 3:
                global_count, at = global_count + 1, at + 2
            case _:
                raise UnexpectedModule("an import of an unknown kind")
    return functions, global_count


def _limits_end(section: bytes, at: int) -> int:
    return skip_numbers(section, at + 1, 2 if section[at] & 1 else 1)


def _numbers(section: bytes) -> list[int]:
    count, at = read_uleb(section, 0)
    found = []
    for _ in range(count):
        number, at = read_uleb(section, at)
        found.append(number)
    return found


def _bodies(section: bytes) -> list[bytes]:
    count, at = read_uleb(section, 0)
    found = []
    for _ in range(count):
        size, at = read_uleb(section, at)
        found.append(section[at : at + size])
        at += size
    return found


def _vector(bodies: list[bytes]) -> bytes:
    return uleb(len(bodies)) + b"".join(uleb(len(body)) + body for body in bodies)


def _with_counters(section: bytes) -> bytes:
    count, at = read_uleb(section, 0)
    added = b"".join(_MUTABLE_I32 + b"\x41" + sleb(most) + b"\x0b" for most in (MOST_FRAMES, MOST_SLOTS))
    return uleb(count + 2) + section[at:] + added


def _start_as_export(found: dict[int, bytes]) -> str | None:
    """A start section would run before the host knows the memory: it becomes an export, called first."""
    section = found.pop(_START, None)
    if section is None:
        return None
    count, at = read_uleb(found.get(_EXPORT, b"\0"), 0)
    exports = found.get(_EXPORT, b"\0")[at:]
    name = _START_NAME
    while name.encode() in exports:
        name += "_"
    found[_EXPORT] = uleb(count + 1) + exports + uleb(len(name)) + name.encode() + b"\0" + section
    return name


def _assembled(found: Mapping[int, bytes]) -> tuple[bytes, int]:
    """The module, and where the content of its code section begins."""
    out, code_at = bytearray(wasm_binary.HEADER), 0
    for number in _ORDER:
        if number in found:
            out += bytes((number,)) + uleb(len(found[number]))
            if number == _CODE:
                code_at = len(out)
            out += found[number]
    return bytes(out), code_at


def _traps(code_at: int, rules: list[tuple[int, Mapping[int, Rule]]]) -> dict[int, Rule]:
    at, traps = code_at + len(uleb(len(rules))), dict[int, Rule]()
    for size, of_body in rules:
        at += len(uleb(size))
        traps.update((at + offset, rule) for offset, rule in of_body.items())
        at += size
    return traps
