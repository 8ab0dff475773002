"""The arguments of `token new`. What executes it is `cli`."""

from __future__ import annotations

import argparse

from orchestrator.access.scope import Scope

SCOPES = tuple(scope.value for scope in Scope if scope is not Scope.NONE)


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `token` to the program's parser; `run` executes what it parsed."""
    token = subparsers.add_parser("token", help="make tokens for clients of the API")
    commands = token.add_subparsers(dest="token_command", required=True, metavar="COMMAND")
    new = commands.add_parser(
        "new",
        help="print a new token, then its line for the file that GENVM_TOKENS_FILE names",
        epilog="The token is shown only once: the file has nothing but its hash.",
    )
    new.add_argument("--name", required=True, help="its name in the audit log; no two tokens have the same")
    new.add_argument(
        "--scope", required=True, action="append", choices=SCOPES, help="each includes the ones before it"
    )
    new.add_argument("--namespace", required=True, help="namespace of the runs that it starts")
    new.add_argument(
        "--requests-per-second", type=float, metavar="N", help="of its requests, in the long run"
    )
    new.add_argument("--requests-burst", type=int, metavar="N", help="requests at once")
    new.add_argument("--bytes-per-second", type=float, metavar="N", help="of its bodies, in the long run")
    new.add_argument("--bytes-burst", type=int, metavar="N", help="bytes at once")
    new.add_argument(
        "--runs-per-minute", type=float, metavar="N", help="runs that it may begin, in the long run"
    )
    new.add_argument("--runs-burst", type=int, metavar="N", help="runs at once")
    new.add_argument("--json", action="store_true", help="print one JSON object: `token` and `line`")
    new.add_argument("--permits", type=int, metavar="N", help="of its runs that are not over")
