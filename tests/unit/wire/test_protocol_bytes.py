"""Each message of the instance and the module protocol as bytes: instances outlive an upgrade.

`protocol_frames.txt` has a line for each: whose it is, its name, its frame in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genvm_wire.calldata import Address, Value
from genvm_wire.frames import HEADER_SIZE, decode_body, encode_frame
from genvm_wire.instance_messages import (
    Ack,
    Cancel,
    Code,
    Compile,
    Compiled,
    Exit,
    Failed,
    Finishing,
    FromInstance,
    JobMessage,
    Log,
    Nest,
    Nested,
    Output,
    Ready,
    Result,
    Resume,
    Source,
    ToInstance,
    WantCode,
    from_instance,
    to_instance,
)
from genvm_wire.messages import Message, MessageInvalid
from genvm_wire.module_messages import (
    CloseSession,
    ConfigurationFailed,
    Configured,
    Drain,
    FromModule,
    ModuleReady,
    ModuleResume,
    Ping,
    Pong,
    SessionEnded,
    ToModule,
    from_module,
    to_module,
)
from orchestrator.api.wire.generations import received
from orchestrator.api.wire.rules import RunRules
from orchestrator.contracts.versions import ExecutorVersion, Number
from orchestrator.executions.job import JobLimits, job_message
from orchestrator.executions.modules import Introduction
from orchestrator.executions.plain import moment
from orchestrator.modules.configuration import Configuration, StartRequest
from orchestrator.modules.redaction import Redaction
from orchestrator.modules.session import session_message
from tests.generation_bodies import GENERATIONS, encoded

FRAMES = {
    name: bytes.fromhex(frame)
    for name, frame in (
        line.rsplit(" ", 1)
        for line in Path(__file__).with_name("protocol_frames.txt").read_text().splitlines()
    )
}
LENIENT = {
    "fuel_width_learnt",
    "user_error",
    "allow_empty_backends",
    "initial_time_units_allocation",
}
ADDRESS = Address(bytes(range(20)))


def job_of(generation: str) -> JobMessage:
    request = received(encoded(generation, "unix:///h.sock")).shaped().run_request(RunRules())
    version = ExecutorVersion("v0.3.0", Number(0, 3, 0), moment(0), "image", None, "v0.3", None)
    return job_message(7, request, version, JobLimits(1000, 200, 3000, 40), ["llm", "web"])


CONFIGURATION = Configuration({"backends": {"a": {"key": "k"}}}, Redaction(), StartRequest(user_error=True))
INTRODUCTION = Introduction(7, "Leader", '{"tx_id": "t"}', {"a": "1"}, 20, 1000)

MESSAGES: dict[str, Message] = {
    "instance ready": Ready("x 1"),
    "instance ready again": Ready("x 1", served=2, reuse=5, proof=b"secret", promise=b"hash"),
    "instance ready for an inlet": Ready("x 1", inlet=("T15a", "T15b")),
    "instance resume": Resume(7, True),
    "instance output": Output("stderr", 300, b"text"),
    "instance log": Log([{"level": "info", "message": "m", "at": ADDRESS}]),
    "instance nest": Nest(7, 2, "v0.3", {"value": 0}, b"\x06", 1, [ADDRESS], True),
    "instance want_code": WantCode(7, bytes(32), b"s" * 32),
    "instance source": Source(7, b"x = 1"),
    "instance compiled": Compiled(bytes(32), b"code", 10**12),
    "instance finishing": Finishing(7),
    "instance result": Result(7, 2, b"\x02timeout", True, {"fuel": 10**12, "log_total": 1}),
    "instance failed": Failed(7, "upstream", "why"),
    **{f"manager job of {generation}": job_of(generation) for generation in GENERATIONS},
    "manager nested": Nested(7, 2, "Return", b"\x09"),
    "manager job of a run inside another": job_of("A").but(
        nests=5, nested={"view": 1, "stack": [ADDRESS]}, other_lines={"v0.2": "v0.2.17"}
    ),
    "manager job with codes": job_of("A").but(codes=True),
    "manager code": Code(7, b"s" * 32, b"code", 10**12),
    "manager no code": Code(7, b"s" * 32, None, 0),
    "manager compile": Compile(b"x = 1"),
    "manager cancel": Cancel(7),
    "manager ack": Ack(7),
    "manager exit": Exit(),
    "module ready": ModuleReady("llm", "1"),
    "module resume": ModuleResume("web", "1", 4, [7, 8]),
    "module configured": Configured(4, ["n"]),
    "module failed": ConfigurationFailed("why"),
    "module session_ended": SessionEnded(7, {"a": {"b": 1}}, 2),
    "module pong": Pong(3, 1, False, "d", {"c": 1}),
    "module log": Log([{"level": "info", "message": "m"}]),
    "to module configure": CONFIGURATION.message(4),
    "to module session": session_message(INTRODUCTION),
    "to module close": CloseSession(7),
    "to module ping": Ping(3),
    "to module drain": Drain(),
    "to module exit": Exit(),
}
READERS: dict[str, Callable[[Mapping[str, Value]], Message]] = {
    "instance": from_instance,
    "manager": to_instance,
    "module": from_module,
    "to": to_module,
}
KINDS = {
    "instance": FromInstance,
    "manager": ToInstance,
    "module": FromModule,
    "to": ToModule,
}


def map_in(name: str) -> dict[str, Value]:
    return decode_body(FRAMES[name][HEADER_SIZE:])


def read(name: str, **changes: Value) -> Message:
    """What a side of the protocol makes of a pinned frame with other values under these keys."""
    return READERS[name.split(maxsplit=1)[0]](map_in(name) | changes)


@pytest.mark.parametrize("name", FRAMES)
def test_a_message_is_these_bytes(name: str) -> None:
    assert encode_frame(MESSAGES[name].as_map()) == FRAMES[name]


def test_a_job_that_may_begin_no_more_runs_says_so() -> None:
    """To an executor, nothing said is a manager that knows of none."""
    innermost = to_instance(decode_body(encode_frame(job_of("A").but(nests=0).as_map())[HEADER_SIZE:]))
    assert isinstance(innermost, JobMessage)
    assert (innermost.nests, job_of("A").nests) == (0, None)


@pytest.mark.parametrize("name", FRAMES)
def test_these_bytes_are_the_message_and_what_is_unknown_in_them_is_ignored(name: str) -> None:
    for found in (read(name), read(name, later=1)):
        assert type(found) is type(MESSAGES[name])
        assert encode_frame(found.as_map()) == FRAMES[name]


@pytest.mark.parametrize(("side", "kinds"), KINDS.items())
def test_every_kind_is_pinned(side: str, kinds: UnionType) -> None:
    assert FRAMES.keys() == MESSAGES.keys()
    assert {type(MESSAGES[name]) for name in FRAMES if name.split()[0] == side} == set(get_args(kinds))


@pytest.mark.parametrize("side", READERS)
def test_an_unknown_kind_is_refused(side: str) -> None:
    for kind in ("surprise", "x" * 10_000):
        with pytest.raises(MessageInvalid, match=f"unknown message kind '{kind[:40]}'") as caught:
            READERS[side]({"kind": kind, "run": 7})
        assert len(str(caught.value)) < 100


@pytest.mark.parametrize("name", FRAMES)
def test_a_key_of_another_type_is_refused_or_does_not_count(name: str) -> None:
    """Each key is an error that names it, or reads as if it were absent."""
    for key in map_in(name).keys() - {"kind"}:
        try:
            found = read(name, **{key: Address(bytes(20))})
        except MessageInvalid as refused:
            assert repr(key) in str(refused)
            assert refused.run in (None, 7)
        else:
            assert key in LENIENT
            assert not found.as_map()[key]


@pytest.mark.parametrize(
    ("name", "changes", "complaint"),
    [
        ("instance output", {"stream": "stdin"}, "stream"),
        ("instance output", {"offset": -1}, "negative"),
        ("instance finishing", {"run": True}, "wanted int, got bool"),
        ("instance log", {"records": [1]}, "wanted a list of dict"),
        ("instance log", {"records": [{}] * 257}, "257 records"),
        ("module log", {"records": [{}] * 257}, "257 records"),
        ("instance want_code", {"source": b"short"}, "no SHA-256"),
        ("instance compiled", {"fuel": -1}, "negative"),
        ("module resume", {"sessions": ["7"]}, "wanted a list of int"),
        ("manager job of C", {"deadline_ms": -1}, "negative"),
        ("manager job of C", {"leader_nondet_results": [1]}, "wanted a list of bytes"),
    ],
)
def test_what_is_out_of_bounds_is_refused(name: str, changes: dict[str, Value], complaint: str) -> None:
    with pytest.raises(MessageInvalid, match=complaint):
        read(name, **changes)


KEYS = sorted({key for name in FRAMES for key in map_in(name)} - {"kind"})
SIMPLE = [None, True, 0, -1, 2**70, "", "stdout", b"x", ADDRESS]
ANYTHING = st.sampled_from([*SIMPLE, *([one] for one in SIMPLE), *({"a": one} for one in SIMPLE), {}, []])


@given(st.sampled_from(sorted(FRAMES)), st.dictionaries(st.sampled_from(KEYS), ANYTHING), st.booleans())
def test_whatever_is_under_the_keys_is_a_message_or_refused_as_none(
    name: str, said: dict[str, Any], rest_is_right: bool
) -> None:
    right = map_in(name)
    said = (right if rest_is_right else {}) | said | {"kind": right["kind"]}
    try:
        found = READERS[name.split(maxsplit=1)[0]](said)
    except MessageInvalid as refused:
        assert refused.kind == right["kind"]
    else:
        assert type(found) is type(MESSAGES[name])
        encode_frame(found.as_map())


def test_an_older_instance_and_an_older_manager_say_less() -> None:
    assert from_instance({"kind": "ready", "protocol": 1, "executor": "x"}) == Ready("x")
    job = map_in("manager job of B3")
    assert job.pop("fuel_width_learnt") is True
    assert job.pop("extra_args") == ["--debug-mode"]
    found = to_instance(job)
    assert isinstance(found, JobMessage)
    assert (found.run, found.fuel_width_learnt, found.extra_args) == (7, False, ())


def test_a_message_is_equal_to_one_of_its_kind_alone_and_frozen() -> None:
    assert Ack(7) == Ack(run=7) != Ack(8)
    assert Ack(7) != Cancel(7)
    with pytest.raises(AttributeError):
        setattr(Ack(7), "run", 8)  # noqa: B010 (a type checker would not let it)
    ack: Any = Ack
    for values, named in (((), {}), ((7, 8), {}), ((7,), {"run": 7}), ((), {"name": 7})):
        with pytest.raises(TypeError, match="Ack takes run"):
            ack(*values, **named)


def test_a_configuration_is_not_shown() -> None:
    assert repr(CONFIGURATION.message(4)) == "Configure(generation=4)"
