"""The command `token new`: a token for a client, and its line for the tokens file."""

from __future__ import annotations

import argparse
import sys

from pydantic import ValidationError

from orchestrator.access.entries import HASH_PREFIX, Entry, line_of
from orchestrator.access.scope import Scope
from orchestrator.access.token import digest_of, new_token

SCOPES = tuple(scope.value for scope in Scope if scope is not Scope.NONE)
EXIT_OK, EXIT_USAGE = 0, 2


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `token` to the program's parser; `run` executes what it parsed."""
    token = subparsers.add_parser("token", help="make tokens for clients of the API")
    commands = token.add_subparsers(dest="token_command", required=True, metavar="COMMAND")
    new = commands.add_parser(
        "new",
        help="print a new token, then its line for the file that GENVM_TOKENS_FILE names",
        epilog="The token is shown this once: the file has only its hash.",
    )
    new.add_argument("--name", required=True, help="for the audit log; one name, one token")
    new.add_argument(
        "--scope", required=True, action="append", choices=SCOPES, help="each includes the ones before it"
    )
    new.add_argument("--namespace", required=True, help="where the runs live that it starts")
    new.add_argument("--requests-per-second", type=float, metavar="N")
    new.add_argument("--requests-burst", type=int, metavar="N")
    new.add_argument("--bytes-per-second", type=float, metavar="N")
    new.add_argument("--bytes-burst", type=int, metavar="N")


def run(args: argparse.Namespace) -> int:
    """0: done; 2: a name or a rate is not as it has to be."""
    text = new_token()
    try:
        entry = Entry(
            name=args.name,
            scopes=[Scope(scope) for scope in args.scope],
            namespace=args.namespace,
            hash=HASH_PREFIX + digest_of(text).hex(),
            requests_per_second=args.requests_per_second,
            requests_burst=args.requests_burst,
            bytes_per_second=args.bytes_per_second,
            bytes_burst=args.bytes_burst,
        )
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        print(f"genvm-orchestrator: {where}: {problem['msg']}", file=sys.stderr)
        return EXIT_USAGE
    print(text)
    print(line_of(entry))
    print("The first line is for the client, the second for the tokens file.", file=sys.stderr)
    return EXIT_OK
