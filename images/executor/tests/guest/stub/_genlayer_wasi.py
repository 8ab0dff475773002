# The library imports this module first.
"""Stand-in for the host interface: storage from a world file, every request appended to a journal.

The world (JSON, path in GUEST_WORLD): `slots` id → content hex, `replies` hex in order, `locked` slot ids,
`writable`, `balances` address → number, `self_balance`, `sub_vms` (run sandboxes and blocks for real).
The journal (path in GUEST_JOURNAL): one JSON list per line, what happened and with what.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

_NO_REPLY = ("PostMessage", "DeployContract", "EthSend", "EmitEvent")
_world: dict[str, Any] | None = None
_slots: dict[str, bytearray] = {}


def _get_world() -> dict[str, Any]:
    global _world  # noqa: PLW0603
    if _world is None:
        _world = json.loads(Path(os.environ["GUEST_WORLD"]).read_text())
        for slot, content in _world["slots"].items():
            _slots[slot] = bytearray.fromhex(content)
    return _world


def _note(*entry: Any) -> None:
    with Path(os.environ["GUEST_JOURNAL"]).open("a") as journal:
        journal.write(json.dumps(entry) + "\n")


def storage_read(slot: bytes, off: int, buf: bytearray | memoryview) -> None:
    _get_world()
    if off < 0 or off + len(buf) > 1 << 32:
        raise SystemError("2: inval")
    _note("read", slot.hex(), off, len(buf))
    data = _slots.get(slot.hex(), b"")[off : off + len(buf)]
    buf[:] = bytes(data).ljust(len(buf), b"\x00")


def storage_write(slot: bytes, off: int, data: bytes) -> None:
    world = _get_world()
    if off < 0 or off + len(data) > 1 << 32:
        raise SystemError("2: inval")
    if not world["writable"] or slot.hex() in world["locked"]:
        raise SystemError("6: forbidden")
    _note("write", slot.hex(), off, data.hex())
    content = _slots.setdefault(slot.hex(), bytearray())
    content.extend(bytes(max(off - len(content), 0)))
    content[off : off + len(data)] = data


def storage_rights() -> tuple[bool, frozenset[bytes]]:
    world = _get_world()
    return world["writable"], frozenset(map(bytes.fromhex, world["locked"]))


def storage_write_all(writes: list[tuple[bytes, int, bytes]]) -> None:
    _note("batch", len(writes))
    for slot, off, data in writes:
        storage_write(slot, off, data)


def get_balance(addr: bytes) -> int:
    return int(_get_world()["balances"].get(addr.hex(), 0))


def get_self_balance() -> int:
    return int(_get_world()["self_balance"])


def gl_call(request: bytes) -> bytes | None:
    from genlayer.py import calldata

    world = _get_world()
    _note("call", request.hex())
    try:
        ((name, payload),) = calldata.decode(request).items()
    except (ValueError, AttributeError):
        raise SystemError("2: inval") from None
    if name == "Return":
        _note("return", calldata.encode(payload).hex())
        os._exit(0)
    if name == "Rollback":
        if not isinstance(payload, str):
            raise SystemError("2: inval")
        _note("rollback", payload)
        os._exit(0)
    if name in _NO_REPLY or (name == "Trace" and "Message" in payload):
        return None
    if world["sub_vms"] and name == "Sandbox":
        return _sub_vm(1, payload["data"], None)
    if world["sub_vms"] and name == "RunNondet":
        leader = _sub_vm(2, payload["data_leader"], None)
        agreed = _sub_vm(2, payload["data_validator"], {"leaders_result": leader})
        _note("agreed", agreed == b"\x00" + calldata.encode(True))
        return leader
    if not world["replies"]:
        raise SystemError("6: forbidden")
    return bytes.fromhex(world["replies"].pop(0))


def _sub_vm(kind: int, data: bytes, stage: Any) -> bytes:
    """A fresh interpreter, as the real executor starts one."""
    import subprocess
    import tempfile

    from genlayer import gl
    from genlayer.py import calldata

    message = {**gl.message_raw, "entry_kind": kind, "entry_data": data, "entry_stage_data": stage}
    message["is_init"] = False
    slots = {slot: content.hex() for slot, content in _slots.items()}
    with tempfile.TemporaryDirectory() as folder:
        world, journal, start = (Path(folder) / name for name in ("world", "journal", "start"))
        world.write_text(json.dumps({**_get_world(), "slots": slots, "writable": kind == 1}))
        journal.touch()
        start.write_bytes(b"v0.2\n" + calldata.encode(message))
        with start.open("rb") as stdin:
            done = subprocess.run(
                [sys.executable, "-c", "import genvm_runner; genvm_runner.main()"],
                stdin=stdin,
                env={**os.environ, "GUEST_WORLD": str(world), "GUEST_JOURNAL": str(journal)},
                check=False,
            )
        return _result(done.returncode, [json.loads(line) for line in journal.read_text().splitlines()])


def _result(status: int, journal: list[list[Any]]) -> bytes:
    for kind, *details in journal:
        if kind == "return":
            return b"\x00" + bytes.fromhex(details[0])
        if kind == "rollback":
            return b"\x01" + str(details[0]).encode()
    return b"\x00\x00" if status == 0 else b"\x02" + f"exit_code {status}".encode()
