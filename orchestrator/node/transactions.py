"""Deploying and calling contracts on the local node: state before, one run, state after."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha3_256
from typing import Final

from genvm_wire.address import Address
from genvm_wire.calldata import CalldataError, Encodable, encode
from genvm_wire.host_tables import ResultForm
from genvm_wire.results import ResultError, RunResult, parse
from orchestrator.node.effects import Effects
from orchestrator.node.errors import BadRequest, NodeError
from orchestrator.node.manager_client import ManagerClient
from orchestrator.node.outcome import Outcome
from orchestrator.node.run_attempt import Attempt, attempt
from orchestrator.node.stage import RunStage
from orchestrator.node.store import NodeStore

NOBODY: Final = Address(bytes(20))
RUN_LIMIT_S: Final = 600.0
SCHEMA_LIMIT_S: Final = 30.0
MAX_CODE: Final = 64 * 1024 * 1024
_MAX_VALUE: Final = 2**64


class NodeClient:
    """The local chain in `store`, its contracts run by `manager`. Values are wei.

    `listen`: the address of this machine at which runs find it, where the manager is on another one.

    Every method raises ManagerRefused, ManagerUnreachable or BadRequest when there was no run at all;
    a run that went wrong is an Outcome.
    """

    def __init__(self, store: NodeStore, manager: ManagerClient, *, listen: str | None = None) -> None:
        self._store = store
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
    ) -> Outcome:
        """Deploy `code` at the address that follows from sender and nonce, and run its constructor."""
        nonce = await asyncio.to_thread(self._store.nonce, sender)
        calldata = call_payload(None, args, kwargs)
        stage = self._stage(deploy_address(sender, nonce), sender, calldata, value, is_deploy=True)
        await asyncio.to_thread(_put_code, stage, code)
        return await self._transact("deploy", stage)

    async def call(
        self,
        address: Address,
        method: str,
        args: Sequence[Encodable] = (),
        kwargs: Mapping[str, Encodable] | None = None,
        *,
        sender: Address,
        value: int = 0,
    ) -> Outcome:
        """Call a method; on Return its effects stay."""
        await self._require_contract(address)
        stage = self._stage(address, sender, call_payload(method, args, kwargs), value)
        return await self._transact("call", stage)

    async def view(
        self,
        address: Address,
        method: str,
        args: Sequence[Encodable] = (),
        kwargs: Mapping[str, Encodable] | None = None,
        *,
        sender: Address = NOBODY,
    ) -> Outcome:
        """Call a method and discard whatever it does."""
        await self._require_contract(address)
        stage = self._stage(address, sender, call_payload(method, args, kwargs))
        run = await self._attempt(stage, "view", is_sync=True)
        return _outcome(stage, run, *_result(stage, run))

    async def schema(self, contract: Address | bytes) -> Outcome:
        """The schema, as JSON text in `result.data`, of deployed or of mere code."""
        scratch = self._stage(NOBODY, NOBODY, encode({"method": "#get-schema"}))
        if isinstance(contract, Address):
            contract = await asyncio.to_thread(scratch.read_code, contract)
        await asyncio.to_thread(_put_code, scratch, contract)
        run = await self._attempt(scratch, "schema", is_sync=True, limit_s=SCHEMA_LIMIT_S)
        return _outcome(scratch, run, *_result(scratch, run))

    def _stage(
        self, contract: Address, sender: Address, calldata: bytes, value: int = 0, *, is_deploy: bool = False
    ) -> RunStage:
        if not 0 <= value < _MAX_VALUE:
            raise BadRequest("a value is between 0 and 2^64 - 1 wei")
        return RunStage(self._store, contract, sender, calldata, value, is_deploy)

    async def _require_contract(self, address: Address) -> None:
        if not await asyncio.to_thread(self._store.is_contract, address):
            raise BadRequest(f"there is no contract at {address}")

    async def _attempt(
        self, stage: RunStage, transaction: str, *, is_sync: bool, limit_s: float = RUN_LIMIT_S
    ) -> Attempt:
        node_data = {"node_address": stage.sender.as_hex, "tx_id": transaction}
        return await attempt(
            self._manager,
            stage,
            is_sync=is_sync,
            node_data=node_data,
            limit_s=limit_s,
            listen=self._listen,
        )

    async def _transact(self, kind: str, stage: RunStage) -> Outcome:
        transaction = await asyncio.to_thread(
            self._store.begin_transaction, kind, stage.sender, stage.contract, stage.value, stage.calldata
        )
        run = Attempt()
        status = "no_result"
        effects: Effects | None = None
        try:
            run = await self._attempt(stage, hex(transaction), is_sync=False)
            result, failure = _result(stage, run)
            if result is not None:
                effects, failure = await asyncio.to_thread(_effects, stage, result)
                status = "finished" if effects is not None else "failed"
        finally:
            # Also when the developer interrupts: a transaction is never left `running`.
            await asyncio.shield(
                asyncio.to_thread(
                    self._store.finish_transaction, transaction, status, run.run_id, stage.result, effects
                )
            )
        return _outcome(stage, run, result, failure, effects)


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
    """The entry payload of the v0.2 line (spec/contract-runtime.md 7.1). Raises BadRequest."""
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
) -> Outcome:
    status = dict(run.status or {})
    return Outcome(
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
