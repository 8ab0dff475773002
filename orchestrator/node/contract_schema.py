"""A contract's schema, asked of the contract itself on an empty chain (manager-api 3.7)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from genvm_wire.calldata import encode
from genvm_wire.contract_lines import line_of_code
from genvm_wire.host_tables import HOST_TABLES, HostTable
from genvm_wire.line_rules import LINE_RULES
from genvm_wire.results import ResultError, RunResult, parse
from orchestrator.aside import aside, of_code
from orchestrator.contracts.timestamps import format_timestamp
from orchestrator.contracts.versions import ExecutorVersion, Manifest
from orchestrator.executions.job import OLDEST_TABLE
from orchestrator.executions.output import tail_text
from orchestrator.executions.request import Call, DebugLevel, Manners, RunRequest, Selector
from orchestrator.executions.run import Run
from orchestrator.executions.service import Executions
from orchestrator.executions.state import Outcome
from orchestrator.node.errors import HostBroken
from orchestrator.node.host_server import HostServer
from orchestrator.node.read_only import NOBODY, stage_with_code

SCHEMA_METHOD = "#get-schema"
NOBODYS_DATA = '{"node_address":"0x","tx_id":"0x"}'
# The one whose nodes ask for schemas this way; the manager speaks every table.
PREFERRED_TABLES = (OLDEST_TABLE,)
SHOWN_STDERR = 4000
# Of the answer, which any contract makes up as it likes.
MOST_VALUES = 100_000
LONGEST_SCHEMA = 1024 * 1024
# The manager is its own node here.
MANNERS = Manners(tell_node=False, one_run_per_host=False)


Begin = Callable[[RunRequest], Awaitable[Run]]
"""Has a run begun on the asker's behalf, within what the asker may have."""


class NoSchema(Exception):
    """The contract gave none; the text is the VM error, and what it wrote to stderr."""


@dataclass(frozen=True, slots=True)
class SchemaQuestion:
    """`major` is what the code asks for; `permits` what the run takes, `seconds` how long it may take.

    `namespace` is the caller's: the run is seen there while it lasts.
    """

    code: bytes
    major: int
    at: datetime
    permits: int
    seconds: float
    namespace: str


async def contract_schema(
    executions: Executions, manifest: Manifest, question: SchemaQuestion, begin: Begin
) -> str:
    """The JSON text that the contract answers. The run is ended when the caller is cancelled.

    Raises NoSchema, VersionFailure, Refused, and what `begin` raises.
    """
    line = await of_code(partial(line_of_code, question.code))
    version = manifest.by_major(question.major, question.at, PREFERRED_TABLES, line)
    calldata = encode({_method_key(version): SCHEMA_METHOD})
    stage = stage_with_code(question.code, question.major, version.contract_line, calldata)
    table = version.host_table or OLDEST_TABLE
    async with HostServer(stage, table, version.fuel_width) as host:
        run = await begin(_request(question, version, host.uri, calldata))
        serving = asyncio.create_task(host.serve(), name="schema-host")
        try:
            outcome = await asyncio.shield(run.concluded)
        except asyncio.CancelledError:
            executions.withdraw(run)
            raise
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError, HostBroken):
                await serving
            executions.mark_fetched(run.id)
    size = len(outcome.result or b"")
    return await aside(size, partial(_schema, run, outcome, HOST_TABLES[table]))


def _method_key(version: ExecutorVersion) -> str:
    return LINE_RULES[version.contract_line].method_key


def _request(question: SchemaQuestion, version: ExecutorVersion, host: str, calldata: bytes) -> RunRequest:
    call = Call(
        selector=Selector(version=version.name),
        timestamp=question.at,
        message={
            "contract_address": NOBODY,
            "sender_address": NOBODY,
            "origin_address": NOBODY,
            "signer_address": NOBODY,
            "chain_id": 0,
            "value": 0,
            "is_init": False,
            "datetime": format_timestamp(question.at),
        },
        host=host,
        host_data=NOBODYS_DATA,
        is_sync=True,
        calldata=calldata,
        permissions="r",
        debug=DebugLevel.SAFE,
        leader_nondet_results=(),
    )
    return RunRequest(
        call,
        question.permits,
        timedelta(seconds=question.seconds),
        MANNERS,
        namespace=question.namespace,
    )


def _schema(run: Run, outcome: Outcome, table: HostTable) -> str:
    if outcome.result is None:
        raise NoSchema(_with_stderr(run, outcome.error or "the run ended without a result"))
    try:
        result = parse(outcome.result, table.result_form, max_items=MOST_VALUES)
    except ResultError as error:
        raise NoSchema(f"the schema cannot be read: {error}") from None
    if result.succeeded and isinstance(result.data, str):
        if len(result.data) > LONGEST_SCHEMA:
            raise NoSchema(f"the schema has more than {LONGEST_SCHEMA} characters")
        return result.data
    raise NoSchema(_with_stderr(run, _complaint(result)))


def _complaint(result: RunResult) -> str:
    if result.succeeded:
        return f"the contract answered {SCHEMA_METHOD} with something that is not text"
    return f"{result.kind}: {result.data if isinstance(result.data, str) else 'no text'}"


def _with_stderr(run: Run, text: str) -> str:
    stderr = run.output.stderr
    written = tail_text(stderr.bytes(), stderr.total)[-SHOWN_STDERR:]
    return f"{text}\n{written}" if written else text
