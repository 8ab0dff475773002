"""Runner ids, and code that is loaded at run time (contract-sdk-v03 1.2 and 9.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NewType

from genlayer_core import calldata, requests
from genlayer_core.types import Address

from .. import gvm32

if TYPE_CHECKING:
    from typing_extensions import Buffer

RunnerID = NewType("RunnerID", str)


class RunnerIDOps:
    """Making runner ids."""

    CONTRACT = RunnerID("contract")

    @staticmethod
    def new_chain(
        address: Address, state: Literal["d", "f"] | None = None, slot_id: bytes | None = None
    ) -> RunnerID:
        """The code of a contract: its decided (d) or finalized (f) one, of a slot if given.

        Raises ValueError for another state or a slot id that has not 32 bytes, TypeError for a slot without
        state.
        """
        if state is not None and state not in ("d", "f"):
            raise ValueError(f'state must be "d" or "f", got {state}')
        if slot_id is not None and state is None:
            raise TypeError("state must be provided if slot_id is provided")
        if slot_id is not None and len(slot_id) != 32:
            raise ValueError(f"slot_id must be 32 bytes, got {len(slot_id)} bytes")
        parts = ["chain", address.as_hex]
        parts += [] if state is None else [state]
        parts += [] if slot_id is None else [gvm32.encode(slot_id)]
        return RunnerID(":".join(parts))


def register_runner(code: Buffer, /) -> RunnerID:
    """Load a package; its id. Deterministic mode only."""
    return RunnerID(calldata.decode(requests.ask("RegisterRunner", {"code": bytes(code)})))


def map_file(runner: RunnerID | str, path_in_runner: str, path_in_vfs: str, /) -> None:
    """Put a file of a runner, or a folder when the path ends with `/`, where this VM sees it."""
    payload = {"runner": runner, "path_in_runner": path_in_runner, "path_in_vfs": path_in_vfs}
    requests.call("MapFile", payload)
