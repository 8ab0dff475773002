"""What contracts of both lines write is read without the library, and they read what is written so."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from guest.vectors import Step

from genvm_executor.lines import V02, V03, ContractLine
from genvm_executor.machine.engine import deterministic_engine, reserve_native_stack
from genvm_executor.python.programs import Programs
from genvm_wire.address import Address
from genvm_wire.calldata import decode, encode

from .storage_codec import (
    Big,
    Blob,
    Fixed,
    Float,
    Listing,
    Map,
    Moment,
    Number,
    Raw,
    Record,
    Slots,
    Text,
    Truth,
    Type,
    indirect,
)
from .wasi_harness import WasiHarness

HEADERS = {
    V02.name: "from genlayer import *\nContract, public, stored = gl.Contract, gl.public, allow_storage\n",
    V03.name: (
        "import genlayer as gl\nfrom genlayer.types import *\nfrom genlayer.storage import *\n"
        "Contract, public, stored = gl.contract.Contract, gl.public, allow\n"
    ),
}
SOURCE = """
import datetime
from dataclasses import dataclass
from typing import Literal

@stored
@dataclass
class Person:
    name: str
    age: u8
    tags: DynArray[str]
    home: Address

class C(Contract):
    small: u8
    signed: i64
    large: u256
    flag: bool
    text: str
    data: bytes
    big: bigint
    home: Address
    ratio: float
    moment: datetime.datetime
    short: DynArray[i16]
    three: Array[str, Literal[3]]
    deep: DynArray[DynArray[bool]]
    names: TreeMap[str, u32]
    people: TreeMap[u64, Person]
    debts: TreeMap[Address, TreeMap[str, bigint]]

    def __init__(self): ...

    @public.write
    def fill(self, told):
        for name in ("small", "signed", "large", "flag", "text", "data", "big", "home", "short", "three"):
            setattr(self, name, told[name])
        self.ratio = float.fromhex(told["ratio"])
        self.moment = datetime.datetime.fromisoformat(told["moment"])
        self.deep = told["deep"]
        keep(self.names, told["names"], lambda value, _: value)
        keep(self.people, told["people"], lambda one, _: Person(**one))
        wanted = {key for key, _ in told["debts"]}
        for key in list(self.debts.keys()):
            if key not in wanted:
                del self.debts[key]
        for key, owed in told["debts"]:
            keep(self.debts.get_or_insert_default(key), owed, lambda value, _: value)

    @public.view
    def show(self):
        plain = {name: getattr(self, name) for name in ("small", "signed", "large", "flag", "text", "data")}
        return plain | {
            "big": self.big, "home": self.home, "ratio": self.ratio.hex(), "moment": self.moment.isoformat(),
            "short": list(self.short), "three": list(self.three), "deep": [list(one) for one in self.deep],
            "names": [[key, value] for key, value in self.names.items()],
            "people": [
                [key, {"name": one.name, "age": one.age, "tags": list(one.tags), "home": one.home}]
                for key, one in self.people.items()
            ],
            "debts": [[key, [[who, much] for who, much in owed.items()]] for key, owed in self.debts.items()],
        }

def keep(held, pairs, made):
    wanted = {key for key, _ in pairs}
    for key in list(held.keys()):
        if key not in wanted:
            del held[key]
    for key, value in pairs:
        held[key] = made(value, key)
"""
PERSON = Record((("name", Text()), ("age", Number(1)), ("tags", Listing(Text())), ("home", Raw())))
CONTRACT = Record(
    (
        ("small", Number(1)),
        ("signed", Number(8, signed=True)),
        ("large", Number(32)),
        ("flag", Truth()),
        ("text", Text()),
        ("data", Blob()),
        ("big", Big()),
        ("home", Raw()),
        ("ratio", Float()),
        ("moment", Moment()),
        ("short", Listing(Number(2, signed=True))),
        ("three", Fixed(Text(), 3)),
        ("deep", Listing(Listing(Truth()))),
        ("names", Map(Text(), Number(4))),
        ("people", Map(Number(8), PERSON)),
        ("debts", Map(Raw(), Map(Text(), Big()))),
    )
)
PLACES = {V02.name: 0, V03.name: 1}
"""In the root slot, of the contract."""


@pytest.fixture(scope="module")
def programs(precompiled: Path) -> Programs:
    reserve_native_stack()
    return Programs.stored(deterministic_engine(), precompiled)


@pytest.fixture(params=[V02, V03], ids=["v0.2", "v0.3"])
def line(request: pytest.FixtureRequest) -> ContractLine:
    chosen: ContractLine = request.param
    return chosen


class Contract:
    """One of a line, from run to run; what it holds, and what that means."""

    def __init__(self, programs: Programs, line: ContractLine, slots: dict[str, bytes]) -> None:
        self._harness = WasiHarness(programs, line)
        self._line = line
        self._slot = indirect(bytes(32), PLACES[line.name])
        self.slots = slots

    def call(self, method: str, *args: Any) -> Any:
        entry: dict[str, Any] = {"method" if self._line is V02 else "": method}
        step = Step(encode(entry | ({"args": list(args)} if args else {})))
        (ended,) = self._harness.run(HEADERS[self._line.name] + SOURCE, [step], self.slots)
        assert ended.kind == "Return", ended.stderr
        assert isinstance(ended.data, bytes)
        self.slots = dict(ended.slots)
        return plain(decode(ended.data))

    def read(self) -> Any:
        return CONTRACT.read(Slots(self.slots), self._slot, 0)

    def write(self, value: Any, chooser: random.Random) -> None:
        slots = Slots({})
        CONTRACT.write(slots, self._slot, 0, value, chooser)
        self.slots = slots.held()


def plain(value: Any) -> Any:
    """Addresses as their bytes."""
    if isinstance(value, Address):
        return value.raw
    if isinstance(value, list):
        return [plain(one) for one in value]
    return {name: plain(one) for name, one in value.items()} if isinstance(value, dict) else value


def told(value: Any, kind: Type) -> Any:
    """The same as an argument of `fill`: addresses as such."""
    match kind:
        case Raw():
            return Address(value)
        case Listing() | Fixed():
            return [told(one, kind.item) for one in value]
        case Map():
            return [[told(key, kind.key), told(one, kind.value)] for key, one in value]
        case Record():
            return {name: told(value[name], field) for name, field in kind.fields}
    return value


def chosen(kind: Type, chooser: random.Random) -> Any:
    """Some value of a type, short and long ones, and those at its ends."""
    match kind:
        case Number():
            bits = 8 * kind.size
            ends = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind.signed else (0, (1 << bits) - 1)
            return chooser.choice((*ends, 0, chooser.randint(*ends)))
        case Truth():
            return chooser.random() < 0.5
        case Raw():
            return chooser.randbytes(20)
        case Float():
            return chooser.choice((0.0, -0.0, 1e308, chooser.uniform(-1, 1), float("inf"))).hex()
        case Moment():
            return _moment(chooser)
        case Text():
            return "".join(chooser.choices("aß€😀\n\0", k=chooser.choice((0, 1, 7, 40))))
        case Big():
            return chooser.choice((0, 1, -1, 255, -256, chooser.randint(-(1 << 300), 1 << 300)))
        case Blob():
            return chooser.randbytes(chooser.choice((0, 1, 33, 300)))
        case Listing():
            return [chosen(kind.item, chooser) for _ in range(chooser.choice((0, 1, 5)))]
        case Fixed():
            return [chosen(kind.item, chooser) for _ in range(kind.count)]
        case Map():
            pairs = [
                (chosen(kind.key, chooser), chosen(kind.value, chooser))
                for _ in range(chooser.choice((0, 1, 3, 12)))
            ]
            return [[key, value] for key, value in sorted(dict(pairs).items(), key=lambda pair: pair[0])]
        case Record():
            return {name: chosen(field, chooser) for name, field in kind.fields}
    raise AssertionError(kind)


def _moment(chooser: random.Random) -> str:
    since = timedelta(seconds=chooser.randrange(1 << 33), microseconds=chooser.randrange(10**6))
    zone = timezone(timedelta(minutes=chooser.randrange(-700, 700)))
    moment = datetime(1971, 1, 1, tzinfo=UTC) + since
    return chooser.choice((moment.astimezone(zone), moment.replace(tzinfo=None))).isoformat()


def each_round() -> Callable[..., Any]:
    return pytest.mark.parametrize("seed", range(4))


@each_round()
def test_what_a_contract_leaves_behind_is_read_by_the_rules_alone(
    programs: Programs, line: ContractLine, seed: int
) -> None:
    """Over what was there before: shorter texts, keys that went and came, trees that were turned."""
    chooser = random.Random(seed)
    contract = Contract(programs, line, {})
    for _ in range(4):
        value = chosen(CONTRACT, chooser)
        contract.call("fill", told(value, CONTRACT))
        assert contract.read() == value
        assert contract.call("show") == value


@each_round()
def test_what_was_written_by_the_rules_alone_is_a_contracts_own(
    programs: Programs, line: ContractLine, seed: int
) -> None:
    """It reads it, and goes on with it: in trees that its own insertions would not have come to."""
    chooser = random.Random(1000 + seed)
    contract = Contract(programs, line, {})
    value = chosen(CONTRACT, chooser)
    contract.write(value, chooser)
    assert contract.call("show") == value
    following = chosen(CONTRACT, chooser)
    contract.call("fill", told(following, CONTRACT))
    assert contract.read() == following
