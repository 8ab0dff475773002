"""Runs guest VMs as forked native interpreters over the stub host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
from genlayer.py import calldata
from genlayer.py.types import Address

from .vectors import Step, VmEnd

HERE = Path(__file__).parent
GUEST = HERE.parents[1] / "genvm_executor" / "guest"

DEFAULT_MESSAGE: dict[str, Any] = {
    "chain_id": 0,
    "contract_address": Address(b"\x01" * 20),
    "datetime": "2024-11-26T06:42:42.424242Z",
    "entry_stage_data": None,
    "is_init": False,
    "origin_address": Address(b"\x02" * 20),
    "sender_address": Address(b"\x02" * 20),
    "stack": [],
    "value": 0,
}


class NativeHarness:
    """`python` is the interpreter to run guests with; `world` adds to the stub's world."""

    encode: Callable[[Any], bytes] = staticmethod(calldata.encode)

    def __init__(self, python: str, folder: Path) -> None:
        self.world: dict[str, Any] = {}
        self.journal: list[list[Any]] = []
        self._python = python
        self._folder = folder
        libraries = folder / "libraries"
        libraries.mkdir()
        (libraries / "cloudpickle").symlink_to(Path(cloudpickle.__file__).parent)
        paths = os.pathsep.join(map(str, (HERE / "stub", GUEST, libraries)))
        self._zygote = subprocess.Popen(
            [python, "-u", "-B", str(HERE / "zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": paths, "PYTHONHASHSEED": "0", "TZ": "UTC", "PATH": os.environ["PATH"]},
            text=True,
        )

    def close(self) -> None:
        assert self._zygote.stdin and self._zygote.stdout
        self._zygote.stdin.close()
        self._zygote.stdout.close()
        self._zygote.wait()

    def parses(self, source: str) -> bool:
        check = "import sys; compile(sys.stdin.read(), 'contract.py', 'exec')"
        if self._python != sys.executable:
            done = subprocess.run([self._python, "-c", check], input=source, text=True, check=False)
            return done.returncode == 0
        try:
            compile(source, "contract.py", "exec")
        except SyntaxError:
            return False
        return True

    def run(self, source: str, steps: Sequence[Step]) -> list[VmEnd]:
        outcomes: list[VmEnd] = []
        slots: dict[str, bytes] = {}
        for step in steps:
            outcome = self._run_step(source, step, slots)
            slots = dict(outcome.slots)
            outcomes.append(outcome)
        return outcomes

    def _run_step(self, source: str, step: Step, slots: dict[str, bytes]) -> VmEnd:
        job = Path(tempfile.mkdtemp(dir=self._folder))
        world = {
            "slots": {slot: content.hex() for slot, content in slots.items()},
            "replies": [reply.hex() for reply in step.replies],
            "locked": [],
            "writable": True,
            "balances": {},
            "self_balance": 0,
            "sub_vms": False,
            **self.world,
        }
        message = {**DEFAULT_MESSAGE, "entry_kind": step.entry_kind, "entry_data": step.entry_data}
        message |= {"entry_stage_data": step.entry_stage_data, **step.message}
        (job / "contract.py").write_text(source)
        (job / "world").write_text(json.dumps(world))
        (job / "start").write_bytes(b"v0.2\n" + calldata.encode(message))
        (job / "journal").touch()
        status = self._fork(job)
        self.journal = [json.loads(line) for line in (job / "journal").read_text().splitlines()]
        kind, data = _ending(status, self.journal)
        return VmEnd(
            kind=kind,
            data=data,
            slots=_written(slots, self.journal) if kind == "Return" else slots,
            calls=[bytes.fromhex(entry[1]) for entry in self.journal if entry[0] == "call"],
            stdout=(job / "stdout").read_text(),
            stderr=(job / "stderr").read_text(),
        )

    def _fork(self, job: Path) -> int:
        assert self._zygote.stdin and self._zygote.stdout
        self._zygote.stdin.write(f"{job}\n")
        self._zygote.stdin.flush()
        return int(self._zygote.stdout.readline())


def _ending(status: int, journal: list[list[Any]]) -> tuple[str, bytes | str]:
    for kind, *details in journal:
        if kind == "return":
            return "Return", bytes.fromhex(details[0])
        if kind == "rollback":
            return "UserError", str(details[0])
    return ("Return", b"\x00") if status == 0 else ("VMError", f"exit_code {status}")


def _written(slots: dict[str, bytes], journal: list[list[Any]]) -> dict[str, bytes]:
    contents = {slot: bytearray(content) for slot, content in slots.items()}
    for kind, *details in journal:
        if kind == "write":
            slot, off, data = details[0], details[1], bytes.fromhex(details[2])
            content = contents.setdefault(slot, bytearray())
            content.extend(bytes(max(off - len(content), 0)))
            content[off : off + len(data)] = data
    return {slot: bytes(content) for slot, content in contents.items()}
