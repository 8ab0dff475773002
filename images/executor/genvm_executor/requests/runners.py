"""Runners that a contract names while it runs (spec: contract-sdk-v03 1.2 and 9.2)."""

from __future__ import annotations

import re
from hashlib import sha3_256

from genvm_executor.machine.outcome import VmFault
from genvm_executor.requests.contract_code import read_code
from genvm_executor.requests.kept import PACKAGE
from genvm_executor.requests.run_state import RunState
from genvm_executor.requests.vm_frame import OWN_RUNNER, VmFrame
from genvm_wire import contract_package, gvm32
from genvm_wire.address import Address
from genvm_wire.host_tables import StorageView
from genvm_wire.keccak import keccak256
from genvm_wire.records import record
from genvm_wire.runner_ids import objection_to_form, objection_to_library

_CUSTOM = "custom:"
_CHAIN = re.compile(r"chain:0x([0-9a-fA-F]{40})(?::([df])(?::([^:]+))?)?", re.ASCII)
_STATES = {
    None: StorageView.LATEST_NON_FINAL,
    "d": StorageView.LATEST_NON_FINAL,
    "f": StorageView.LATEST_FINAL,
}


@record
class Chosen:
    """What an id came to: a package's code, and the packaged runner to start it with, if one was named."""

    code: bytes
    depends: str | None = None


class Runners:
    """The runners of one VM. Each refusal is a VmFault of that VM: `invalid_contract runner malformed`."""

    def __init__(self, run: RunState, frame: VmFrame) -> None:
        self._run = run
        self._frame = frame

    def register(self, code: bytes) -> str:
        """Load a package; its id."""
        self._parsed(code)
        runner = _CUSTOM + gvm32.encode(sha3_256(code).digest())
        if runner not in self._frame.custom_runners:
            self._run.kept.add(PACKAGE + len(code))
            self._frame.custom_runners[runner] = code
        return runner

    def choose(self, runner: str) -> Chosen:
        """What to start for an id."""
        if runner == OWN_RUNNER:
            return Chosen(self._frame.code, self._frame.depends)
        if runner.startswith(_CUSTOM):
            return Chosen(self._custom(runner))
        if runner.startswith("chain:"):
            return Chosen(self._of_chain(runner))
        job = self._run.job
        objection = objection_to_form(runner, job.line.name, debug=job.debug)
        if (objection := objection or objection_to_library(runner, job.line.name)) is not None:
            raise self._malformed(objection)
        return Chosen(self._frame.code, runner)

    def handed_down(self, names: list[str] | None, runner: str) -> dict[str, bytes]:
        """The custom runners that a child gets: all, or exactly those named, and its own."""
        if names is None:
            return dict(self._frame.custom_runners)
        if len(set(names)) != len(names):
            raise self._malformed(f"custom_runners names one twice: {names!r:.200}")
        own = [runner] if runner.startswith(_CUSTOM) and runner not in names else []
        return {name: self._custom(name) for name in (*names, *own)}

    def files(self, runner: str, source: str) -> dict[str, bytes]:
        """A file of a runner by its name, or with a trailing `/` what lies below, by path below it."""
        chosen = self.choose(runner)
        if chosen.depends is not None and runner != OWN_RUNNER:
            raise self._malformed(f"the files of {runner!r:.200} are not provided")
        files = self._parsed(chosen.code).files
        folder = "" if source == "./" else source
        if not source.endswith("/"):
            found = {"": files[source]} if source in files else {}
        else:
            found = {path[len(folder) :]: data for path, data in files.items() if path.startswith(folder)}
        if not found:
            raise self._malformed(f"{runner!r:.200} has no file {source!r:.200}")
        return found

    def check_target(self, path: str) -> None:
        """Where a runner's files may be put: at an absolute path, but not below /vm."""
        parts = path.split("/")
        own = not path.startswith("/") or parts[1] == "vm"
        if own or ".." in parts or "\0" in path or not path.strip("/."):
            raise self._malformed(f"{path!r:.200} is no path for a runner's files")

    def _parsed(self, code: bytes) -> contract_package.ContractPackage:
        try:
            return contract_package.parse(code, self._run.job.line.name)
        except contract_package.PackageError as error:
            raise self._malformed(f"no runner package: {error}") from None

    def _custom(self, runner: str) -> bytes:
        code = self._frame.custom_runners.get(runner)
        if code is None:
            raise self._malformed(f"the runner {runner!r:.200} was not registered for this VM")
        return code

    def _of_chain(self, runner: str) -> bytes:
        parts = _CHAIN.fullmatch(runner)
        if parts is None or not _well_cased(parts[1]):
            raise self._malformed(f"{runner!r:.200} must be chain:0x…[:d|f[:SLOT]]")
        slot = None if parts[3] is None else gvm32.decode(parts[3])
        if parts[3] is not None and (slot is None or len(slot) != 32):
            raise self._malformed(f"{runner!r:.200} ends with no slot id")
        storage = self._run.storage_of(Address(bytes.fromhex(parts[1])), _STATES[parts[2]])
        try:
            return read_code(storage, self._run.job.line, slot)
        except VmFault as fault:
            raise self._malformed(f"{runner!r:.200}: {fault.detail}") from None

    def _malformed(self, detail: str) -> VmFault:
        return VmFault(self._run.job.line.texts.malformed_runner, detail)


def _well_cased(digits: str) -> bool:
    """All lower, all upper, or with the checksum of EIP-55."""
    lower = digits.lower()
    if digits in {lower, digits.upper()}:
        return True
    check = keccak256(lower.encode("ascii")).hex()
    return digits == "".join(d.upper() if c >= "8" else d for d, c in zip(lower, check, strict=False))
