"""The chain of `chain` as the newest nodes keep it: contracts of line v0.3 over the table T9n."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, encode
from genvm_wire.host_tables import HOST_TABLES
from genvm_wire.instance_messages import Ack, Result
from genvm_wire.results import RunResult, parse
from genvm_wire.storage_layout import PAGE_SIZE, split_change

from .chain import _MESSAGE_KEYS, Chain
from .executor_process import CONTRACT, RUN, SENDER, follow, job
from .node_host import NodeHost

TABLE = HOST_TABLES["T9n"]
LATER = '# v0.3.0\n# { "Depends": "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng" }\n'
"""What heads contracts of the second generation."""


class Ended(Exception):
    """A run that did not return."""

    def __init__(self, result: RunResult, stderr: str, log: str) -> None:
        super().__init__(result.kind, result.data)
        self.kind, self.data, self.result = result.kind, result.data, result
        self.stderr, self.log = stderr, log

    def __str__(self) -> str:
        return f"{self.kind} {self.data!r}\n{self.stderr}\n{self.log}"


class LaterChain(Chain):
    """`result` is that of the latest run; contracts keep what a run that returned wrote."""

    result: RunResult

    def deploy(self, code: str | bytes, *args: Encodable, at: Address = CONTRACT, **options: Any) -> Any:
        """Deploy; what the constructor returned. Raises Ended."""
        source = code.encode() if isinstance(code, str) else code
        request = {"args": list(args)} if args else {}
        return self._run(at, request, code=source, message__is_init=True, **options)

    def call(self, method: str, *args: Encodable, at: Address = CONTRACT, **options: Any) -> Any:
        """Call; what the method returned. Raises Ended."""
        request: dict[str, Encodable] = {"": method}
        if args:
            request["args"] = list(args)
        if "kwargs" in options:
            request["kwargs"] = options.pop("kwargs")
        return self._run(at, request, **options)

    def failure(self, method: str, *args: Encodable, **options: Any) -> Ended:
        """How a call ends that does not return."""
        try:
            value = self.call(method, *args, **options)
        except Ended as ended:
            return ended
        raise AssertionError(f"{method} returned {value!r}")

    @property
    def disagreements(self) -> list[int]:
        """Blocks of the latest run in which this node did not agree with the leader."""
        block = self.result.nondet_disagreement
        return self.node.disagreements or ([] if block is None else [block])

    def _host(self, at: Address) -> NodeHost:
        slots = self.accounts.setdefault(at.raw, defaultdict(bytearray))
        self.node = NodeHost(TABLE, slots=slots, accounts=self.accounts, balances=self.balances)
        return self.node

    def _run(self, at: Address, request: Encodable, **options: Any) -> Any:
        node = self._host(at)
        for name, key in _MESSAGE_KEYS.items():
            if name in options:
                options[key] = options.pop(name)
        modules = options.pop("modules", {})
        sides = [node.executor_side, *(peer.executor_side for peer in modules.values())]
        channel = self._zygote.connection()
        try:
            work = self.work(at, request, sockets=["host", *modules], **options)
            channel.send(work, [side.fileno() for side in sides])
            self.report = follow(channel)
            channel.send(Ack(RUN).as_map())
        finally:
            channel.close()
            node.close()
            for peer in modules.values():
                peer.close()
        return self._taken(node)

    @staticmethod
    def work(at: Address, request: Encodable, **options: Encodable) -> dict[str, Encodable]:
        """The job of a run."""
        settings: dict[str, Encodable] = {
            "contract_line": "v0.3",
            "executor_version": "v0.3.0",
            "host_table": TABLE.name,
            "fuel_width": TABLE.fuel_width,
            "calldata": encode(request),
            "message__contract_address": at,
            "message__signer_address": SENDER,
        }
        return job(**(settings | options))

    def _taken(self, node: NodeHost) -> Any:
        """Keep what the run wrote; its value. Raises Ended."""
        assert isinstance(self.report.final, Result), self.report.final
        self.result = parse(self.report.payload, TABLE.result_form)
        if not self.result.succeeded:
            log = "\n".join(str(record["message"]) for record in self.report.log)
            raise Ended(self.result, self.report.output["stderr"].decode(), log)
        for key, value in self.result.storage_changes:
            for slot, index, page in split_change(key, value):
                content = node.slots[slot]
                content.extend(bytes(max(0, (index + 1) * PAGE_SIZE - len(content))))
                content[index * PAGE_SIZE : (index + 1) * PAGE_SIZE] = page
        return self.result.data


def source(body: str, top: str = "", fields: str = "x: u256") -> str:
    """A contract whose method `go(*args)` has this body, after the module's `top`."""
    inside = "\n".join(f"        {line}" for line in body.strip("\n").split("\n"))
    return (
        f"{LATER}import genlayer as gl\nfrom genlayer.types import *\n{top}\n\n"
        f"class C(gl.contract.Contract):\n    {fields}\n    def __init__(self): ...\n"
        f"    @gl.public.write\n    def go(self, *args):\n{inside}\n"
    )
