"""Deploying and calling contracts on the local node: state before, one run, state after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha3_256
from typing import Final

from genvm_wire.address import Address
from genvm_wire.calldata import CalldataError, Encodable, encode
from genvm_wire.host_tables import ResultForm
from genvm_wire.results import ResultError, RunResult, parse
from orchestrator.node.effects import Effects
from orchestrator.node.errors import BadRequest, NodeError
from orchestrator.node.manager_client import ManagerClient
from orchestrator.node.order import Ending, Order
from orchestrator.node.run_attempt import Attempt, attempt
from orchestrator.node.run_report import RunReport
from orchestrator.node.stage import MAX_CODE, RunStage
from orchestrator.node.store import NodeStore

NOBODY: Final = Address(bytes(20))
RUN_LIMIT_S: Final = 600.0
SCHEMA_LIMIT_S: Final = 60.0
AGREES, DISAGREES, NO_VOTE = "agree", "disagree", "no_vote"
UNDETERMINED: Final = "undetermined"
_MAX_VALUE: Final = 2**256


Clock = Callable[[], datetime | None]


def machine_time() -> None:
    """The moment of a transaction is the one at which it is run."""


class NodeClient:
    """The local chain in `store`, its contracts run by `manager`. Values are wei.

    `clock` gives the moment that contracts see. `validators`: so many nodes run a transaction after its
    leader, and it counts when most of all agree. `listen`: the address of this machine at which runs find it,
    where the manager is on another one.

    Every method raises ManagerRefused, ManagerUnreachable or BadRequest when there was no run at all;
    a run that went wrong is a RunReport.
    """

    def __init__(
        self,
        store: NodeStore,
        manager: ManagerClient,
        clock: Clock = machine_time,
        *,
        validators: int = 0,
        listen: str | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.validators = validators
        self._manager = manager
        self._listen = listen

    async def deploy(
        self,
        code: bytes,
        args: Sequence[Encodable] = (),
        kwargs: Mapping[str, Encodable] | None = None,
        *,
        sender: Address,
        value: int = 0,
    ) -> RunReport:
        """Deploy `code` at the address that follows from sender and nonce, and run its constructor."""
        address = deploy_address(sender, await asyncio.to_thread(self.store.nonce, sender))
        calldata = call_payload(None, args, kwargs)
        return await self.execute(Order("deploy", address, sender, calldata, value, code))

    async def call(
        self,
        address: Address,
        method: str,
        args: Sequence[Encodable] = (),
        kwargs: Mapping[str, Encodable] | None = None,
        *,
        sender: Address,
        value: int = 0,
    ) -> RunReport:
        """Call a method; on Return its effects stay."""
        await self._require_contract(address)
        return await self.execute(Order("call", address, sender, call_payload(method, args, kwargs), value))

    async def view(
        self,
        address: Address,
        method: str,
        args: Sequence[Encodable] = (),
        kwargs: Mapping[str, Encodable] | None = None,
        *,
        sender: Address = NOBODY,
    ) -> RunReport:
        """Call a method and discard whatever it does."""
        await self._require_contract(address)
        stage = self._stage(Order("view", address, sender, call_payload(method, args, kwargs)))
        run = await self._attempt(stage, "view", is_sync=True)
        return _outcome(stage, run, *_result(stage, run))

    async def schema(self, contract: Address | bytes, limit_s: float = SCHEMA_LIMIT_S) -> RunReport:
        """The schema, as JSON text in `result.data`, of deployed or of mere code."""
        scratch = self._stage(Order("schema", NOBODY, NOBODY, encode({"method": "#get-schema"})))
        if isinstance(contract, Address):
            contract = await asyncio.to_thread(scratch.read_code, contract)
        await asyncio.to_thread(_put_code, scratch, contract)
        run = await self._attempt(scratch, "schema", is_sync=True, limit_s=limit_s)
        return _outcome(scratch, run, *_result(scratch, run))

    async def code(self, address: Address) -> bytes:
        """Of a deployed contract. Raises BadRequest when there is none."""
        return await asyncio.to_thread(self._stage(Order("code", NOBODY, NOBODY, b"")).read_code, address)

    async def execute(self, order: Order) -> RunReport:
        """Run a transaction: its leader, then as many validators as there are, then what it did."""
        order = replace(order, moment=order.moment or self.clock())
        stage = self._stage(order)
        if order.code is not None:
            await asyncio.to_thread(_put_code, stage, order.code)
        transaction = await asyncio.to_thread(self.store.begin_transaction, order)
        run, ending = Attempt(), Ending("no_result")
        effects: Effects | None = None
        try:
            run = await self._attempt(stage, hex(transaction), is_sync=False)
            result, failure = _result(stage, run)
            if result is not None:
                effects, failure = await asyncio.to_thread(_effects, stage, result)
                ending = replace(ending, status="finished" if effects is not None else "failed")
            votes = await self._votes(order, transaction, stage) if result is not None else ()
            if 2 * (votes.count(AGREES) + 1) <= len(votes) + 1:
                effects, ending = None, replace(ending, status=UNDETERMINED)
                failure = f"the nodes did not agree: {votes.count(AGREES) + 1} of {len(votes) + 1}"
            ending = replace(ending, failure=failure, votes=votes)
        finally:
            # Also when the developer interrupts: a transaction is never left `running`.
            ending = _with_output(ending, stage, run)
            work = asyncio.to_thread(self.store.finish_transaction, transaction, ending, effects)
            await asyncio.shield(work)
        outcome = _outcome(stage, run, result, failure, effects)
        number, votes = await asyncio.to_thread(self._hash, transaction), ending.votes
        return replace(outcome, transaction=number, votes=votes, agreed=ending.status != UNDETERMINED)

    def _hash(self, transaction: int) -> str:
        ((digest,),) = self.store.rows("SELECT hash FROM transactions WHERE id=?", (transaction,))
        return f"0x{digest.hex()}"

    def _stage(self, order: Order) -> RunStage:
        if not 0 <= order.value < _MAX_VALUE:
            raise BadRequest("a value is between 0 and 2^256 - 1 wei")
        return RunStage(
            self.store,
            order.contract,
            order.sender,
            order.calldata,
            order.value,
            order.kind == "deploy",
            origin=order.first_sender,
            moment=order.moment or self.clock(),
            paid=order.paid,
        )

    async def _require_contract(self, address: Address) -> None:
        if not await asyncio.to_thread(self.store.is_contract, address):
            raise BadRequest(f"there is no contract at {address}")

    async def _attempt(
        self, stage: RunStage, transaction: str, *, is_sync: bool, limit_s: float = RUN_LIMIT_S
    ) -> Attempt:
        node_data = {"node_address": stage.sender.as_hex, "tx_id": transaction, "node": stage.node}
        return await attempt(
            self._manager,
            stage,
            is_sync=is_sync,
            node_data=node_data,
            limit_s=limit_s,
            listen=self._listen,
        )

    async def _votes(self, order: Order, transaction: int, led: RunStage) -> tuple[str, ...]:
        """What the validators come to, one after the other, on the state from before the transaction."""
        votes = []
        for number in range(1, self.validators + 1):
            stage = self._stage(order)
            stage.node = f"validator-{number}"
            stage.leader_results = [led.nondet_results[call] for call in sorted(led.nondet_results)]
            if order.code is not None:
                await asyncio.to_thread(_put_code, stage, order.code)
            await self._attempt(stage, hex(transaction), is_sync=False)
            votes.append(vote(led, stage))
        return tuple(votes)


def vote(led: RunStage, own: RunStage) -> str:
    """Whether a validator agrees with its leader: in every block, in the result, and in what it did."""
    if own.result is None:
        return NO_VOTE
    return AGREES if own.disagreement is None and own.same_as(led) else DISAGREES


def _with_output(ending: Ending, stage: RunStage, run: Attempt) -> Ending:
    status = run.status or {}
    return replace(
        ending,
        run_id=run.run_id,
        result=stage.result,
        stdout=str(status.get("stdout") or ""),
        stderr=str(status.get("stderr") or ""),
    )


def _put_code(stage: RunStage, code: bytes) -> None:
    if not code or len(code) > MAX_CODE:
        raise BadRequest(f"a contract has between 1 and {MAX_CODE} bytes, not {len(code)}")
    stage.put_code(code)


def deploy_address(sender: Address, nonce: int) -> Address:
    """The address of a deployment: the same sender and nonce always give the same."""
    return Address(sha3_256(b"deploy" + sender.raw + nonce.to_bytes(8, "little")).digest()[:20])


def call_payload(
    method: str | None, args: Sequence[Encodable], kwargs: Mapping[str, Encodable] | None
) -> bytes:
    """The entry payload of the v0.2 line (contract-runtime 7.1). Raises BadRequest."""
    fields: dict[str, Encodable] = {} if method is None else {"method": method}
    if args:
        fields["args"] = list(args)
    if kwargs:
        fields["kwargs"] = dict(kwargs)
    try:
        return encode(fields)
    except CalldataError as error:
        raise BadRequest(f"an argument has no calldata form: {error}") from None


def _result(stage: RunStage, run: Attempt) -> tuple[RunResult | None, str]:
    """The result, or null and why there is none."""
    if stage.result is None:
        return None, run.failure or "the run ended without a result"
    try:
        return parse(stage.result, ResultForm.A), ""
    except ResultError as error:
        return None, str(error)


def _effects(stage: RunStage, result: RunResult) -> tuple[Effects | None, str]:
    if not result.succeeded:
        return None, ""
    try:
        return stage.effects(result), ""
    except ResultError as error:
        raise NodeError(str(error)) from error


def _outcome(
    stage: RunStage, run: Attempt, result: RunResult | None, failure: str, effects: Effects | None = None
) -> RunReport:
    status = dict(run.status or {})
    return RunReport(
        run_id=run.run_id,
        address=stage.contract,
        result=result,
        failure=failure,
        stdout=str(status.pop("stdout", "") or ""),
        stderr=str(status.pop("stderr", "") or ""),
        status=status,
        timings=dict(run.timings),
        messages=len(effects.messages) if effects else 0,
        events=len(effects.events) if effects else 0,
    )
