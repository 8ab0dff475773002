"""The program inside the policy's process. It imports nothing of ours and reads nothing but its pipe."""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from typing import Any

MEMORY = 512 * 1024 * 1024
HOOKS = ("mock", "choose", "rewrite", "filter")


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    incoming = sys.stdin.buffer
    # What the policy prints must not look like an answer.
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    names: dict[str, Any] = {"__name__": "policy"}
    while True:
        header = incoming.read(4)
        if len(header) < 4:
            return
        message = json.loads(incoming.read(struct.unpack("<I", header)[0]))
        body = json.dumps(_reply(message, names)).encode()
        outgoing.write(struct.pack("<I", len(body)) + body)
        outgoing.flush()


def _reply(message: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    try:
        if "load" in message:
            exec(compile(message["load"], "policy", "exec"), names)  # noqa: S102 -- the operator's own code
            return {"value": [hook for hook in HOOKS if callable(names.get(hook))]}
        value = names[message["hook"]](*message["arguments"])
        json.dumps(value)
    except Exception as error:
        return {"error": f"{type(error).__name__}{_place(error)}"}
    return {"value": value}


def _place(error: Exception) -> str:
    """The line of the policy that failed; the text of the error may hold a prompt."""
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "policy":
            line = trace.tb_lineno
        trace = trace.tb_next
    return "" if line is None else f" in line {line}"


if __name__ == "__main__":
    main()
