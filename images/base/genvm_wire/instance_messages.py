"""The instance protocol as values: what manager and instance say to each other (docs/instance-protocol.md).

A kind is added here, as a class and in its union; whoever has to handle it is then told by the type checker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias, get_args

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, Value
from genvm_wire.frames import LIMIT_FROM_INSTANCE, PROTOCOL_VERSION
from genvm_wire.messages import Fields, Message, OpenMap, read_one_of

MIB = 1024 * 1024
MOST_RECORDS = 256
STREAMS = ("stdout", "stderr")
INLET = "inlet"
"""What a job's `sockets` call the line on which a program's own connection comes."""
INLET_SOCKET = "n"
"""What such a program dials, in the control socket's directory; an address has to be short."""
MOST_SOURCE = 512 * 1024
"""Bytes of a contract's source that is compiled apart from its runs."""
MOST_CODE = 2 * MIB
"""Bytes of what it is compiled to."""
_DIGEST_BYTES = 32


def a_digest(fields: Fields, key: str) -> bytes:
    """A SHA-256. Raises MessageInvalid."""
    value = fields.need(key, bytes)
    if len(value) != _DIGEST_BYTES:
        raise fields.invalid(key, f"{len(value)} bytes are no SHA-256")
    return value


class Ready(Message):
    """Waits for its job: of `reuse` in all, `served` are over.

    `proof` is the secret that the last `ready` promised, `promise` the hash of the next one's. `inlet`: the
    host tables whose programs dial their node themselves, and for which a job has to bring an inlet.
    """

    kind: ClassVar = "ready"
    executor: str
    served: int = 0
    reuse: int = 1
    proof: bytes | None = None
    promise: bytes | None = None
    protocol: int = PROTOCOL_VERSION
    inlet: Sequence[str] = ()

    @classmethod
    def of(cls, fields: Fields) -> Ready:
        """Of an older instance too, which says less."""
        return cls(
            fields.optional("executor", str) or "",
            fields.optional("served", int) or 0,
            fields.optional("reuse", int) or 1,
            fields.optional("proof", bytes),
            fields.optional("promise", bytes),
            fields.optional("protocol", int) or PROTOCOL_VERSION,
            fields.items("inlet", str) if fields.raw.get("inlet") is not None else (),
        )

    def as_map(self) -> dict[str, Encodable]:
        said = super().as_map()
        for key in ("proof", "promise", "inlet"):
            if not said[key]:
                del said[key]
        return said


class Resume(Message):
    """Connected again, and has this job; `finished`: its outcome comes next, again."""

    kind: ClassVar = "resume"
    run: int
    finished: bool = False
    protocol: int = PROTOCOL_VERSION

    @classmethod
    def of(cls, fields: Fields) -> Resume:
        return cls(
            fields.need("run", int),
            fields.optional("finished", bool) or False,
            fields.optional("protocol", int) or PROTOCOL_VERSION,
        )


class Output(Message):
    """Of the contract. `offset` counts all bytes of the stream before these, dropped ones included."""

    kind: ClassVar = "output"
    largest: ClassVar = MIB
    stream: str
    offset: int
    data: bytes

    @classmethod
    def of(cls, fields: Fields) -> Output:
        stream = fields.need("stream", str)
        if stream not in STREAMS:
            raise fields.invalid("stream", f"unknown stream {stream[:40]!r}")
        return cls(stream, fields.natural("offset"), fields.need("data", bytes))


class Log(Message):
    """Records: maps with `level`, `message` and whatever else. Of a module, too."""

    kind: ClassVar = "log"
    largest: ClassVar = 8 * MIB
    records: Sequence[OpenMap]

    @classmethod
    def of(cls, fields: Fields) -> Log:
        records = fields.items("records", dict)
        if len(records) > MOST_RECORDS:
            raise fields.failure(f"a {cls.kind!r} of {len(records)} records is over {MOST_RECORDS}")
        return cls(records)


class Finishing(Message):
    """The outcome is known, and all output has been sent; its delivery to the node starts."""

    kind: ClassVar = "finishing"
    run: int

    @classmethod
    def of(cls, fields: Fields) -> Finishing:
        return cls(fields.need("run", int))


class Result(Message):
    """The last word. `payload` begins with `code`; `delivered`: the node has acknowledged it."""

    kind: ClassVar = "result"
    largest: ClassVar = LIMIT_FROM_INSTANCE
    run: int
    code: int
    payload: bytes
    delivered: bool
    stats: OpenMap

    @classmethod
    def of(cls, fields: Fields) -> Result:
        return cls(
            fields.need("run", int),
            fields.need("code", int),
            fields.need("payload", bytes),
            fields.need("delivered", bool),
            fields.optional("stats", dict) or {},
        )


UPSTREAM, UNREACHED = "upstream", "unreached"


class Failed(Message):
    """The last word where no result can be had: `failure` is `upstream`, `protocol` or `internal`, or how the
    program ended that an instance had to serve the run: `signal`, `exited`.

    A connector that had to dial a run's node and was not let in says `unreached`: nobody has connected to it.
    """

    kind: ClassVar = "failed"
    run: int
    failure: str
    message: str

    @classmethod
    def of(cls, fields: Fields) -> Failed:
        return cls(fields.need("run", int), fields.need("class", str), fields.need("message", str))

    def as_map(self) -> dict[str, Encodable]:
        said = super().as_map()
        said["class"] = said.pop("failure")
        return said


class JobMessage(Message):
    """Run this. Times in milliseconds, sizes in bytes; each key is in the table of the protocol's page."""

    kind: ClassVar = "job"
    run: int
    sockets: Sequence[str]
    deadline_ms: int
    grace_ms: int
    host_table: str
    fuel_width: int
    contract_line: str
    executor_version: str
    message: OpenMap
    calldata: bytes | None
    code: bytes | None
    host_data: str
    permissions: str
    is_sync: bool
    debug: bool
    storage_pages: int | None
    leader_nondet_results: Sequence[bytes] | None
    output_limit: int
    log_limit: int
    extra: OpenMap
    fuel_width_learnt: bool = False
    other_lines: OpenMap = {}  # noqa: RUF012 - nobody writes into it
    nests: int | None = None
    nested: OpenMap | None = None
    codes: bool = False
    extra_args: Sequence[str] = ()
    debug_level: str | None = None
    """The client's word where `debug` does not say all of it."""

    @classmethod
    def of(cls, fields: Fields) -> JobMessage:
        leader = fields.optional("leader_nondet_results", list)
        return cls(
            run=fields.need("run", int),
            sockets=fields.items("sockets", str),
            deadline_ms=fields.natural("deadline_ms"),
            grace_ms=fields.natural("grace_ms"),
            host_table=fields.need("host_table", str),
            fuel_width=fields.natural("fuel_width"),
            contract_line=fields.need("contract_line", str),
            executor_version=fields.need("executor_version", str),
            message=fields.need("message", dict),
            calldata=fields.optional("calldata", bytes),
            code=fields.optional("code", bytes),
            host_data=fields.need("host_data", str),
            permissions=fields.need("permissions", str),
            is_sync=fields.need("is_sync", bool),
            debug=fields.need("debug", bool),
            storage_pages=fields.optional("storage_pages", int),
            leader_nondet_results=None if leader is None else fields.items("leader_nondet_results", bytes),
            output_limit=fields.natural("output_limit"),
            log_limit=fields.natural("log_limit"),
            extra=fields.optional("extra", dict) or {},
            # Managers that know of no learning leave its key out.
            fuel_width_learnt=fields.raw.get("fuel_width_learnt") is True,
            other_lines=fields.optional("other_lines", dict) or {},
            nests=fields.optional("nests", int),
            nested=fields.optional("nested", dict),
            codes=fields.optional("codes", bool) or False,
            extra_args=fields.items("extra_args", str) if fields.raw.get("extra_args") is not None else (),
            debug_level=fields.optional("debug_level", str),
        )

    def but(self, **changes: Any) -> JobMessage:
        """The same with other values."""
        return JobMessage(**{**self.__dict__, **changes})

    def as_map(self) -> dict[str, Encodable]:
        said = super().as_map()
        for key in ("other_lines", "nests", "nested", "codes", "extra_args", "debug_level"):
            # Not by equality: no more runs inside this one (0) is another thing than nothing said about them.
            if said[key] is None or said[key] is False or said[key] in ({}, [], ()):
                del said[key]
        return said


class Nest(Message):
    """Have another executor serve a call, which waits for it (docs/instance-protocol.md, Nested runs).

    `call` counts a run's own; said again after a broken channel, it is the same one. `route`: the line of the
    callee, or what the node said of who is to serve it.
    """

    kind: ClassVar = "nest"
    largest: ClassVar = 8 * MIB
    run: int
    call: int
    route: str | bytes
    message: OpenMap
    calldata: bytes
    view: int
    stack: Sequence[Address]
    may_call: bool

    @classmethod
    def of(cls, fields: Fields) -> Nest:
        route = fields.raw.get("route")
        if not isinstance(route, str | bytes):
            raise fields.invalid("route", "neither a line nor a node's word")
        return cls(
            fields.need("run", int),
            fields.natural("call"),
            route,
            fields.need("message", dict),
            fields.need("calldata", bytes),
            fields.natural("view"),
            fields.items("stack", Address),
            fields.need("may_call", bool),
        )


class Nested(Message):
    """How a nested run ended: a result's kind, its data as calldata. `InternalError`: it came to no end."""

    kind: ClassVar = "nested"
    run: int
    call: int
    result: str
    value: bytes

    @classmethod
    def of(cls, fields: Fields) -> Nested:
        return cls(
            fields.need("run", int),
            fields.natural("call"),
            fields.need("result", str),
            fields.need("value", bytes),
        )


class WantCode(Message):
    """Asks for what a source was compiled to. `compiler` names the compiler, `source` is the SHA-256 of the
    source. Only where the job has `codes`."""

    kind: ClassVar = "want_code"
    run: int
    compiler: bytes
    source: bytes

    @classmethod
    def of(cls, fields: Fields) -> WantCode:
        return cls(fields.need("run", int), a_digest(fields, "compiler"), a_digest(fields, "source"))


class Source(Message):
    """A source for which there was no code: the manager may have it compiled for later runs."""

    kind: ClassVar = "source"
    largest: ClassVar = MOST_SOURCE + 1024
    run: int
    source: bytes

    @classmethod
    def of(cls, fields: Fields) -> Source:
        return cls(fields.need("run", int), fields.need("source", bytes))


class Compiled(Message):
    """What an instance that was told to compile made of its source. `code` is empty where there is none to be
    had; `fuel`: what it takes to find out, where that is counted."""

    kind: ClassVar = "compiled"
    largest: ClassVar = MOST_CODE + 1024
    compiler: bytes
    code: bytes
    fuel: int

    @classmethod
    def of(cls, fields: Fields) -> Compiled:
        return cls(a_digest(fields, "compiler"), fields.need("code", bytes), fields.natural("fuel"))


class Code(Message):
    """The answer to `want_code`, about the same source. `code` as in `compiled`; null: nobody knows."""

    kind: ClassVar = "code"
    run: int
    source: bytes
    code: bytes | None
    fuel: int

    @classmethod
    def of(cls, fields: Fields) -> Code:
        return cls(
            fields.need("run", int),
            a_digest(fields, "source"),
            fields.optional("code", bytes),
            fields.natural("fuel"),
        )


class Compile(Message):
    """Compile this source, say what came of it, and leave; instead of a job."""

    kind: ClassVar = "compile"
    source: bytes

    @classmethod
    def of(cls, fields: Fields) -> Compile:
        return cls(fields.need("source", bytes))


class Cancel(Message):
    """End soon with the VM error `timeout`."""

    kind: ClassVar = "cancel"
    run: int

    @classmethod
    def of(cls, fields: Fields) -> Cancel:
        return cls(fields.need("run", int))


class Ack(Message):
    """The outcome is safe."""

    kind: ClassVar = "ack"
    run: int

    @classmethod
    def of(cls, fields: Fields) -> Ack:
        return cls(fields.need("run", int))


class Exit(Message):
    """Leave without a job; to a module: end all sessions within a second, and leave."""

    kind: ClassVar = "exit"

    @classmethod
    def of(cls, _: Fields) -> Exit:
        return cls()


FromInstance: TypeAlias = (
    Ready | Resume | Output | Log | Nest | WantCode | Source | Compiled | Finishing | Result | Failed
)
ToInstance: TypeAlias = JobMessage | Compile | Nested | Code | Cancel | Ack | Exit

_FROM_INSTANCE: Mapping[str, type[FromInstance]] = {one.kind: one for one in get_args(FromInstance)}
_TO_INSTANCE: Mapping[str, type[ToInstance]] = {one.kind: one for one in get_args(ToInstance)}


def from_instance(raw: Mapping[str, Value]) -> FromInstance:
    """What an instance said, out of its frame. Raises MessageInvalid."""
    return read_one_of(_FROM_INSTANCE, raw)


def to_instance(raw: Mapping[str, Value]) -> ToInstance:
    """What a manager told an instance, out of its frame. Raises MessageInvalid."""
    return read_one_of(_TO_INSTANCE, raw)
