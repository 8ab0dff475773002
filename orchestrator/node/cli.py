"""The developer's commands: deploy, call, view, schema."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable
from orchestrator.access.credentials import authorization
from orchestrator.node.argument_text import parse_address, parse_argument, parse_keyword
from orchestrator.node.errors import BadRequest, NodeError
from orchestrator.node.manager_client import ManagerClient
from orchestrator.node.outcome import Outcome
from orchestrator.node.presentation import as_json, as_text
from orchestrator.node.store import NodeStore
from orchestrator.node.transactions import NodeClient

EXIT_OK, EXIT_CONTRACT, EXIT_USAGE, EXIT_NO_RESULT = 0, 1, 2, 3


async def run(args: argparse.Namespace) -> int:
    """Execute a parsed command.

    0: the contract returned; 1: user error or VM error; 2: the request is wrong; 3: there is no result.
    """
    try:
        outcome = await _execute(args)
    except BadRequest as error:
        print(f"genvm-orchestrator: {error}", file=sys.stderr)
        return EXIT_USAGE
    except NodeError as error:
        print(f"genvm-orchestrator: {error}", file=sys.stderr)
        return EXIT_NO_RESULT
    print(as_json(outcome) if args.json else as_text(outcome, args.command))
    return exit_code(outcome)


def exit_code(outcome: Outcome) -> int:
    match outcome.kind:
        case "Return":
            return EXIT_OK
        case "UserError" | "VmError":
            return EXIT_CONTRACT
        case _:
            return EXIT_NO_RESULT


async def _execute(args: argparse.Namespace) -> Outcome:
    store = await asyncio.to_thread(NodeStore, args.state or default_state())
    try:
        async with ManagerClient(args.manager, await asyncio.to_thread(authorization)) as manager:
            return await _dispatch(args, NodeClient(store, manager, listen=args.listen))
    finally:
        await asyncio.to_thread(store.close)


async def _dispatch(args: argparse.Namespace, node: NodeClient) -> Outcome:
    if args.command == "schema":
        return await node.schema(await asyncio.to_thread(_contract, args.contract))
    sender = parse_address(args.sender)
    arguments: list[Encodable] = [parse_argument(text) for text in args.args]
    keywords: dict[str, Encodable] = dict(parse_keyword(text) for text in args.kwarg)
    if args.command == "deploy":
        code = await asyncio.to_thread(_read, args.contract)
        return await node.deploy(code, arguments, keywords, sender=sender, value=args.value)
    address = parse_address(args.address)
    if args.command == "view":
        return await node.view(address, args.method, arguments, keywords, sender=sender)
    return await node.call(address, args.method, arguments, keywords, sender=sender, value=args.value)


def _contract(text: str) -> Address | bytes:
    return parse_address(text) if text.startswith("0x") and not Path(text).exists() else _read(Path(text))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRequest(f"cannot read {path}: {error.strerror}") from None


def default_state() -> Path:
    """The state file without `--state`."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "genvm-orchestrator" / "node.sqlite"
