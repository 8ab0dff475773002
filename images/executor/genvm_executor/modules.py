"""Non-deterministic work: who answers WebRender, WebRequest, ExecPrompt and ExecPromptTemplate."""

from __future__ import annotations

from typing import Protocol

from genvm_executor.outcome import RunBroken
from genvm_wire.calldata import Value

MODULE_OF_REQUEST = {
    "WebRender": "web",
    "WebRequest": "web",
    "ExecPrompt": "llm",
    "ExecPromptTemplate": "llm",
}


class Modules(Protocol):
    """The module connections of a run."""

    def ask(self, request: str, payload: Value) -> bytes:
        """The module's answer as calldata `{"ok": …}` or `{"error": …}` (contract-runtime.md, 6.2).

        Raises RunBroken when there is no answer to be had.
        """


class NoModules:
    """A run that was given no module connection."""

    def ask(self, request: str, payload: Value) -> bytes:
        del payload
        raise RunBroken(
            f"{request} needs the {MODULE_OF_REQUEST[request]} module, which this run is not connected to"
        )
