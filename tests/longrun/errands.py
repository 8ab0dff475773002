"""What clients ask for: views, writes, long work, judgements; of both contract lines, in every generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from genvm_wire.calldata import Encodable, encode
from genvm_wire.host_tables import HOST_TABLES, HostTable
from genvm_wire.line_rules import LATER_LINE, OLD_LINE
from orchestrator.node.stage import RunStage
from orchestrator.node.store import NodeStore
from tests.e2e.chain import source
from tests.e2e.strict_node import CONTRACT, SENDER
from tests.generation_bodies import GENERATIONS, SPOKEN

ROOT = Path(__file__).resolve().parents[2]
SOCKET = "ws"
"""Asked for over the manager's socket, in the words of generation C."""
CALLERS = (*GENERATIONS, SOCKET)
TOIL_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Kind:
    """A call of one contract. `weight`: how often it is asked for among all."""

    name: str
    line: str
    code: bytes
    method: str
    arguments: tuple[Encodable, ...]
    weight: int

    @property
    def uses_modules(self) -> bool:
        return self.name == "judge"


@dataclass(frozen=True, slots=True)
class Errand:
    """`kind`, asked for by clients of one generation, or over the socket. Its result is always the same."""

    kind: Kind
    caller: str

    @property
    def name(self) -> str:
        return f"{self.kind.name} {self.kind.line} {self.caller}"

    @property
    def generation(self) -> str:
        return "C" if self.caller == SOCKET else self.caller

    @property
    def spoken(self) -> tuple[HostTable, int]:
        """What its node speaks, and the bytes of a fuel amount there."""
        table, width = SPOKEN[self.generation]
        return HOST_TABLES[table], width

    def stage(self, store: NodeStore) -> RunStage:
        """A fresh chain state. Blocking."""
        call = encode({"method": self.kind.method, "args": list(self.kind.arguments)})
        stage = RunStage(store, CONTRACT, SENDER, call)
        stage.put_code(self.kind.code)
        return stage


def kinds_of(line: str, page: str | None) -> list[Kind]:
    """A contract line's. `page`: what judgements are about; null: there are none."""
    later = line == LATER_LINE
    plain = source("later_line.py" if later else "first_line.py")
    kinds = [
        Kind("view", line, plain, "hello", ("day",), 45),
        Kind("write", line, plain, "note", ("a day's note",), 35),
    ]
    if not later:
        toil = (ROOT / "tests" / "chaos" / "toil.py").read_bytes()
        kinds.append(Kind("toil", line, toil, "toil", (TOIL_STEPS, "toil"), 10))
    if page is not None:
        judge = ROOT / ("tests/longrun/judge_later.py" if later else "examples/judge.py")
        kinds.append(Kind("judge", line, judge.read_bytes(), "judge", (page, "a euro is dearer"), 10))
    return kinds


def errands(
    lines: Sequence[str], page: str | None, callers: Sequence[str] = CALLERS, *, sparse: bool = False
) -> list[Errand]:
    """Every kind of the lines by every caller; `sparse`: by one of them each, in turn."""
    kinds = [kind for line in lines for kind in kinds_of(line, page)]
    if sparse:
        return [Errand(kind, caller) for kind, caller in zip(kinds, cycle(callers), strict=False)]
    return [Errand(kind, caller) for kind in kinds for caller in callers]


BOTH_LINES = (OLD_LINE, LATER_LINE)
