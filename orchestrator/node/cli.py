"""The developer's commands: deploy, call, view, schema, tx."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable
from orchestrator.access.credentials import authorization
from orchestrator.node.argument_text import parse_address, parse_argument, parse_keyword
from orchestrator.node.contract_file import read_contract
from orchestrator.node.delivery import Delivery
from orchestrator.node.errors import BadRequest, NodeError
from orchestrator.node.manager_client import ManagerClient
from orchestrator.node.presentation import (
    as_json,
    as_text,
    error_place,
    receipt_line,
    receipt_map,
    receipt_text,
)
from orchestrator.node.receipts import Receipt, receipt, receipts
from orchestrator.node.run_report import RunReport
from orchestrator.node.store import NodeStore
from orchestrator.node.transactions import NodeClient
from orchestrator.node.typed_argument import parse_typed
from orchestrator.progress import progress
from orchestrator.terminal_text import say

EXIT_OK, EXIT_CONTRACT, EXIT_USAGE, EXIT_NO_RESULT = 0, 1, 2, 3
OpenManager = Callable[[], AbstractAsyncContextManager[ManagerClient]]


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to print. `code` and `file`: the contract's own, as far as they are known."""

    outcome: RunReport
    code: bytes = b""
    file: str = "contract"
    delivered: tuple[Receipt, ...] = ()
    trouble: str = ""


async def run(args: argparse.Namespace, open_manager: OpenManager | None = None) -> int:
    """Execute a parsed command; `open_manager` makes a manager's client, unset: of the one that is named.

    0: the contract returned; 1: user error or VM error; 2: the request is wrong; 3: there is no result.
    """
    try:
        if args.command == "tx":
            return await asyncio.to_thread(_show_transactions, args)
        with progress(f"{args.command}: waiting for its run"):
            shown = await _execute(args, open_manager)
    except BadRequest as error:
        say(f"genvm-orchestrator: {error}", sys.stderr)
        return EXIT_USAGE
    except NodeError as error:
        say(f"genvm-orchestrator: {error}", sys.stderr)
        return EXIT_NO_RESULT
    place = error_place(shown.outcome, shown.code, shown.file)
    if args.json:
        print(as_json(shown.outcome, shown.delivered, place))
    else:
        say(as_text(shown.outcome, args.command, shown.delivered, place), sys.stdout)
    if shown.trouble:
        say(f"genvm-orchestrator: {shown.trouble}", sys.stderr)
    return exit_code(shown.outcome)


def exit_code(outcome: RunReport) -> int:
    match outcome.kind:
        case "Return":
            return EXIT_OK
        case "UserError" | "VmError":
            return EXIT_CONTRACT
        case _:
            return EXIT_NO_RESULT


async def _execute(args: argparse.Namespace, open_manager: OpenManager | None) -> Shown:
    store = await asyncio.to_thread(NodeStore, args.state or default_state())
    try:
        if open_manager is not None:
            async with open_manager() as manager:
                return await _dispatch(args, NodeClient(store, manager))
        async with ManagerClient(args.manager, await asyncio.to_thread(authorization)) as manager:
            return await _dispatch(args, NodeClient(store, manager, listen=args.listen))
    finally:
        await asyncio.to_thread(store.close)


async def _dispatch(args: argparse.Namespace, node: NodeClient) -> Shown:
    if args.command == "schema":
        contract = await asyncio.to_thread(_contract, args.contract)
        code = contract if isinstance(contract, bytes) else b""
        return Shown(await node.schema(contract), code, Path(args.contract).name if code else "contract")
    sender = parse_address(args.sender)
    arguments: list[Encodable] = await asyncio.to_thread(_arguments, args)
    keywords: dict[str, Encodable] = dict(parse_keyword(text) for text in args.kwarg)
    if args.command == "deploy":
        code = await asyncio.to_thread(read_contract, args.contract)
        outcome = await node.deploy(code, arguments, keywords, sender=sender, value=args.value)
        return await _with_messages(args, node, Shown(outcome, code, args.contract.name))
    address = parse_address(args.address)
    if args.command == "view":
        outcome = await node.view(address, args.method, arguments, keywords, sender=sender)
        return Shown(outcome, await node.code(address))
    outcome = await node.call(address, args.method, arguments, keywords, sender=sender, value=args.value)
    return await _with_messages(args, node, Shown(outcome, await node.code(address)))


async def _with_messages(args: argparse.Namespace, node: NodeClient, shown: Shown) -> Shown:
    """Deliver what the transaction sent, unless its developer wants to see it waiting."""
    if not args.deliver or not shown.outcome.counts:
        return shown
    trouble = ""
    before = await asyncio.to_thread(node.store.last_transaction)
    try:
        await Delivery(node).settle()
    except NodeError as error:
        trouble = str(error)
    after = await asyncio.to_thread(node.store.last_transaction)
    delivered = await asyncio.to_thread(receipts, node.store, after - before)
    return Shown(shown.outcome, shown.code, shown.file, tuple(delivered), trouble)


def _arguments(args: argparse.Namespace) -> list[Encodable]:
    if args.args and args.typed:
        raise BadRequest("give all arguments in one way: ARG …, or --arg TYPE:VALUE for each")
    return [parse_typed(text) for text in args.typed] or [parse_argument(text) for text in args.args]


def _show_transactions(args: argparse.Namespace) -> int:
    with NodeStore(args.state or default_state()) as store:
        if args.hash is not None:
            found = receipt(store, args.hash)
            say(json.dumps(receipt_map(found)) if args.json else receipt_text(found), sys.stdout)
            return EXIT_OK
        for one in receipts(store, max(0, args.last)):
            say(json.dumps(receipt_map(one)) if args.json else receipt_line(one), sys.stdout)
    return EXIT_OK


def _contract(text: str) -> Address | bytes:
    if text.startswith("0x") and not Path(text).exists():
        return parse_address(text)
    return read_contract(Path(text))


def default_state() -> Path:
    """The state file without `--state`."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "genvm-orchestrator" / "node.sqlite"
