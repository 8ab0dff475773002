"""A contract's code is the same to it whoever compiled it, and when: for this run, or for another."""

from __future__ import annotations

import marshal
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from genvm_executor.channel.codes import Codes
from genvm_executor.channel.control import ControlChannel
from genvm_executor.lines import LINES
from genvm_executor.python.library import COMPILE_LINE, first_words
from genvm_wire.frames import FrameSocket
from genvm_wire.host_tables import HOST_TABLES
from genvm_wire.instance_messages import Ack, Code, Compile, Compiled, Result, Source, WantCode, from_instance
from genvm_wire.results import ResultCode

from .chain import Zygote
from .executor_process import RUN, Executor, Report, call, follow, job
from .node_host import NodeHost

HEAD = '# v0.2.0\n# { "Depends": "py-genlayer:test" }\nfrom genlayer import *\n'
BODY = '''
import inspect, traceback

class Thing:
    pass

class C(gl.Contract):
    names: DynArray[str]
    known: TreeMap[str, u256]

    @gl.public.write
    def go(self) -> str:
        """Everything that a contract could tell by how its code came to it."""
        for name in {"alpha", "beta", "gamma", "delta beta"}:
            self.names.append(name)
            self.known[name] = u256(len(self.names))
        print("printed")
        try:
            self.part_0(None)
        except Exception:
            shown = traceback.format_exc()
        places = [id(Thing), id(C.go), id(C.go.__code__), id(self.part_0.__code__.co_consts), id("alpha")]
        source = inspect.getsource(Thing)
        how = (__file__, __spec__.cached, "compile" in dir(), __loader__.name)
        return repr((places, shown, source, how, [*self.names]))
'''
PART = """
    def part_{n}(self, order, least=10):
        best = [price for price in order["prices"] if price > least + {n}] or ("nothing", "for {n}")
        return {{"best": best[0], "left": order.get("left", {n}) - least}}
"""
LARGE = HEAD + BODY + "".join(PART.format(n=n) for n in range(45))
WARNED = LARGE.replace("import inspect, traceback", 'import inspect, traceback\nodd = "\\d"')
BROKEN = LARGE + "\n    def f(:\n"
Answer = Callable[[WantCode], Code]


def nobody_knows(asked: WantCode) -> Code:
    return Code(asked.run, asked.source, None, 0)


def known(made: Compiled) -> Answer:
    return lambda asked: Code(asked.run, asked.source, made.code, made.fuel)


class Manager:
    """Serves one run of a contract, with what it says about code."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self.asked: list[WantCode] = []
        self.offered: list[bytes] = []

    def run(self, source: str, answer: Answer | None) -> tuple[Report, dict[bytes, bytes]]:
        """Its report, and what its storage holds then; without an answer the job says nothing of code."""
        node = NodeHost(HOST_TABLES["T15a"], calldata=call("go"))
        node.store_code(source.encode())
        channel = self._zygote.connection()
        try:
            said: dict[str, Any] = job() if answer is None else {**job(), "codes": True}
            channel.send(said, [node.executor_side.fileno()])
            if answer is not None:
                self._answer(channel, answer)
            report = follow(channel)
            channel.send(Ack(RUN).as_map())
        finally:
            channel.close()
            node.close()
        return report, {slot: bytes(data) for slot, data in node.slots.items()}

    def _answer(self, channel: FrameSocket, answer: Answer) -> None:
        while not isinstance(asked := from_instance(channel.receive()[0]), WantCode):
            assert not isinstance(asked, Result), asked
        self.asked.append(asked)
        reply = answer(asked)
        channel.send(reply.as_map())
        if reply.code is not None:
            return
        while not isinstance(offered := from_instance(channel.receive()[0]), Source):
            assert not isinstance(offered, Result), offered
        self.offered.append(offered.source)


@pytest.fixture
def manager(zygote: Zygote) -> Manager:
    return Manager(zygote)


def compiled(directory: Path, precompiled: Path, source: str) -> Compiled:
    """By an instance that gets nothing else, and leaves."""
    with Executor(directory, precompiled) as process:
        process.wait_ready()
        process.send(Compile(source.encode()))
        made = process.receive()
        assert isinstance(made, Compiled), made
        assert process.process.wait(30) == 0
    return made


@pytest.fixture
def by(directory: Path, precompiled: Path) -> Callable[[str], Compiled]:
    return lambda source: compiled(directory, precompiled, source)


def test_a_run_with_kept_code_does_what_one_without_does(
    manager: Manager, by: Callable[[str], Compiled]
) -> None:
    """To the unit of fuel, to the address of an object, to the byte of storage."""
    cold, of_cold = manager.run(LARGE, nobody_knows)
    alone, of_alone = manager.run(LARGE, None)
    made = by(LARGE)
    warm, of_warm = manager.run(LARGE, known(made))
    assert (cold.code, cold.output["stdout"]) == (ResultCode.RETURN, b"printed\n")
    assert warm.payload == cold.payload == alone.payload
    assert warm.output == cold.output == alone.output
    assert of_warm == of_cold == of_alone
    counted = [dict(one.stats) | {"guest_us": 0} for one in (cold, alone, warm)]
    assert counted[0] == counted[1] == counted[2]
    assert counted[0]["fuel"] > made.fuel > 1_000_000
    assert made.code
    assert manager.offered == [LARGE.encode()]
    assert {(one.compiler, one.source) for one in manager.asked} == {
        (made.compiler, sha256(LARGE.encode()).digest())
    }


def test_a_set_is_gone_through_as_the_compiler_filled_it(
    manager: Manager, by: Callable[[str], Compiled]
) -> None:
    """What is kept comes back with its sets filled in another order, so that this source's is not kept."""
    source = LARGE.replace('{"alpha", "beta", "gamma", "delta beta"}', "map(str, {8, 0, 16})")
    made = by(source)
    cold, of_cold = manager.run(source, nobody_knows)
    warm, of_warm = manager.run(source, known(made))
    assert (made.code, warm.payload, of_warm) == (b"", cold.payload, of_cold)
    assert b"['8', '0', '16']" in warm.payload


@pytest.mark.parametrize(("source", "code"), [(WARNED, ResultCode.RETURN), (BROKEN, ResultCode.VM_ERROR)])
def test_what_the_compiler_has_to_say_the_run_says(
    manager: Manager, by: Callable[[str], Compiled], source: str, code: ResultCode
) -> None:
    made = by(source)
    cold, _ = manager.run(source, nobody_knows)
    warm, _ = manager.run(source, known(made))
    assert (made.code, cold.code, warm.payload, warm.output) == (b"", code, cold.payload, cold.output)
    assert b"Syntax" in cold.output["stderr"]
    assert dict(warm.stats) | {"guest_us": 0} == dict(cold.stats) | {"guest_us": 0}


def test_code_that_is_none_ends_the_guest_and_nothing_else(manager: Manager) -> None:
    """It is read inside the guest alone: to whoever holds it, it is bytes."""
    for junk in (b"junk", marshal.dumps(5), b"\xe3" + b"\xff" * 4000):
        report, _ = manager.run(LARGE, lambda asked, junk=junk: Code(asked.run, asked.source, junk, 0))  # type: ignore[misc]
        assert report.code == ResultCode.VM_ERROR, report.payload
    assert manager.run(LARGE, nobody_knows)[0].code == ResultCode.RETURN


def test_a_small_source_is_not_asked_for(zygote: Zygote) -> None:
    """The guest has compiled it before anybody has answered."""
    node = NodeHost(HOST_TABLES["T15a"], calldata=call("go"))
    node.store_code((HEAD + BODY + PART.format(n=0)).encode())
    channel = zygote.connection()
    channel.send({**job(), "codes": True}, [node.executor_side.fileno()])
    report = follow(channel)
    channel.send(Ack(RUN).as_map())
    channel.close()
    node.close()
    assert (report.code, "want_code" in report.kinds) == (ResultCode.RETURN, False)


class _Channel(ControlChannel):
    """Nobody is there; `said` answers at once."""

    def __init__(self, said: list[Code]) -> None:
        self._said = said
        self.codes: Codes | None = None

    def send(self, message: object) -> bool:
        for one in self._said:
            assert self.codes is not None
            self.codes.take(one)
        return bool(self._said)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([], None),
        ([Code(RUN, b"s" * 32, None, 0)], None),
        ([Code(RUN, b"o" * 32, b"of another", 1), Code(RUN, b"s" * 32, b"own", 1)], b"own"),
        ([Code(RUN, b"s" * 32, b"own", 1), Code(RUN, b"s" * 32, b"again", 1)], b"own"),
    ],
)
def test_only_the_answer_to_the_question_counts(said: list[Code], code: bytes | None) -> None:
    channel = _Channel(said)
    channel.codes = codes = Codes(channel, RUN, threading.Event())
    answer = codes.ask(b"c" * 32, b"s" * 32)
    assert (None if answer is None else answer.code) == code


def test_what_a_guest_reads_first_names_library_and_length_of_the_code() -> None:
    line = LINES["v0.3"]
    assert (first_words(line), first_words(line, b"\n1 2")) == (b"v0.3\n", b"v0.3 4\n\n1 2")
    assert not any(name.encode() + b"\n" == COMPILE_LINE for name in LINES)
