"""What a look at a node found, kept for the short while in which it is as good as another look."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.executions.node_sockets import HeldSocket


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """`there`: false when the node has surely gone (nothing is bound to its socket file, or there is none).

    `at`: when, in seconds of the clock of who asked. `held`: the socket itself, where connecting to it needs
    nobody but the kernel's memory and can be done without a thread; owned by whoever has this.
    """

    there: bool
    at: float
    held: HeldSocket | None = None

    def is_fresh(self, now: float, seconds: float) -> bool:
        """Whether it is younger than that by now."""
        return now - self.at < seconds

    def close(self) -> None:
        """Let go what is held; idempotent."""
        if self.held is not None:
            self.held.close()
