"""The command `token new`: a token for a client, and its line for the tokens file."""

from __future__ import annotations

import argparse
import json
import sys

from pydantic import ValidationError

from orchestrator.access.entries import HASH_PREFIX, TokenEntry, line_of
from orchestrator.access.scope import Scope
from orchestrator.access.token import digest_of, new_token

EXIT_OK, EXIT_USAGE = 0, 2
RATE_OF = {
    "requests_burst": "requests_per_second",
    "bytes_burst": "bytes_per_second",
    "runs_burst": "runs_per_minute",
}
"""Each burst, and the rate that it is of."""


def run(args: argparse.Namespace) -> int:
    """0: done; 2: a name or a rate is not as it has to be."""
    text = new_token()
    try:
        entry = TokenEntry(
            name=args.name,
            scopes=[Scope(scope) for scope in args.scope],
            namespace=args.namespace,
            hash=HASH_PREFIX + digest_of(text).hex(),
            requests_per_second=args.requests_per_second,
            requests_burst=args.requests_burst,
            bytes_per_second=args.bytes_per_second,
            bytes_burst=args.bytes_burst,
            runs_per_minute=args.runs_per_minute,
            runs_burst=args.runs_burst,
            permits=args.permits,
        )
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        print(f"genvm-orchestrator: {where}: {problem['msg']}", file=sys.stderr)
        return EXIT_USAGE
    for burst, rate in RATE_OF.items():
        if getattr(args, burst) is not None and getattr(args, rate) is None:
            print(
                f"genvm-orchestrator: {_flag(burst)} bounds nothing without {_flag(rate)}: give both",
                file=sys.stderr,
            )
            return EXIT_USAGE
    if args.json:
        print(json.dumps({"token": text, "line": json.loads(line_of(entry))}, indent=2))
    else:
        print(text)
        print(line_of(entry))
        print("The first line is for the client, the second for the tokens file.", file=sys.stderr)
    return EXIT_OK


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
