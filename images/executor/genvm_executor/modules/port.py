"""Non-deterministic work: who answers WebRender, WebRequest, ExecPrompt and ExecPromptTemplate."""

from __future__ import annotations

from typing import Protocol

from genvm_executor.host.internal_errors import NOT_CONNECTED, Cause
from genvm_executor.machine.outcome import RunBroken
from genvm_wire.calldata import Value

MODULE_OF_REQUEST = {
    "WebRender": "web",
    "WebRequest": "web",
    "ExecPrompt": "llm",
    "ExecPromptTemplate": "llm",
}


class Modules(Protocol):
    """The module connections of a run."""

    @property
    def consumed(self) -> int:
        """What the prompts of this run cost so far, in the smallest unit of GEN."""

    def ask(self, request: str, payload: Value, memory_left: int) -> bytes:
        """The module's answer as calldata `{"ok": …}` or `{"error": …}` (contract-runtime 6.2).

        `memory_left`: bytes that the asking VM may still take. Raises RunBroken when there is no answer to be
        had, RunCancelled when the run was cancelled meanwhile, VmFault, HostRefused, HostLost.
        """

    def interrupt(self) -> None:
        """End whatever waits for a module; thread-safe. Nothing can be asked afterwards."""


class NoModules:
    """A run that was given no module connection."""

    consumed = 0

    def ask(self, request: str, payload: Value, memory_left: int) -> bytes:
        del payload, memory_left
        raise RunBroken(
            f"{request} needs the {MODULE_OF_REQUEST[request]} module, which this run is not connected to",
            Cause((NOT_CONNECTED,)),
        )

    def interrupt(self) -> None:
        """Nothing waits."""
