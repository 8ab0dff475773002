"""The arguments of deploy, call, view, schema and tx. What executes them is `cli`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from orchestrator.node.manager_url import LOCAL_MANAGER, manager_url_or_local

DEFAULT_MANAGER: Final = "http://127.0.0.1:3999"
DEFAULT_SENDER: Final = "0x" + "0" * 39 + "1"

_VALUES = (
    "Arguments are JSON where valid, else strings; 0x and 40 hex digits is an address,"
    " hex:… and b64:… are bytes. --arg says the type: u256:5, i8:-1, str:5, bool:true, bytes:00ff,"
    " address:0x…, json:[1], file:PICTURE, text:FILE, jsonfile:FILE."
)


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the program's parser; `run` executes what it parsed."""
    deploy = subparsers.add_parser("deploy", help="deploy a contract on the local node", epilog=_VALUES)
    deploy.add_argument(
        "contract", type=Path, help="file with the contract's code, or a folder with a runner.json"
    )
    _add_call_flags(deploy)
    call = subparsers.add_parser("call", help="call a contract's method", epilog=_VALUES)
    view = subparsers.add_parser("view", help="call a method and keep nothing", epilog=_VALUES)
    for parser in (call, view):
        parser.add_argument("address", metavar="ADDRESS", help="of the deployed contract")
        parser.add_argument("method", metavar="METHOD", help="its public method")
    _add_call_flags(call)
    _add_call_flags(view, pays=False)
    schema = subparsers.add_parser("schema", help="show what a contract offers")
    schema.add_argument("contract", help="file with the contract's code, or the address of a deployed one")
    _add_common_flags(schema)
    tx = subparsers.add_parser("tx", help="show what the local node keeps of a transaction")
    tx.add_argument("hash", nargs="?", help="or its first digits; without it: the last transactions")
    tx.add_argument("--last", type=int, default=10, metavar="N", help="so many (default 10)")
    _add_state_flags(tx)


def _add_call_flags(parser: argparse.ArgumentParser, *, pays: bool = True) -> None:
    parser.add_argument("args", nargs="*", metavar="ARG", help="the arguments, by position")
    parser.add_argument(
        "--arg",
        dest="typed",
        action="append",
        default=[],
        metavar="TYPE:VALUE",
        help="one of them, with its type; all of them, if any",
    )
    parser.add_argument(
        "--kwarg", action="append", default=[], metavar="NAME=VALUE", help="an argument by its name"
    )
    parser.add_argument(
        "--from", dest="sender", default=DEFAULT_SENDER, metavar="ADDRESS", help="who sends it"
    )
    if pays:
        parser.add_argument("--value", type=int, default=0, metavar="WEI", help="what goes with it")
        parser.add_argument(
            "--no-deliver",
            dest="deliver",
            action="store_false",
            help="let what the contract sends wait for the next transaction",
        )
    _add_common_flags(parser)


def _add_common_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--manager",
        type=manager_url_or_local,
        default=DEFAULT_MANAGER,
        metavar="URL",
        help=f"default {DEFAULT_MANAGER}; {LOCAL_MANAGER}: run it in a process here, not isolated",
    )
    parser.add_argument(
        "--listen",
        metavar="ADDRESS",
        help="be the node at a port of this address, for a manager elsewhere; default: a unix socket",
    )
    _add_state_flags(parser)


def _add_state_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, metavar="FILE", help="the local chain's state")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
