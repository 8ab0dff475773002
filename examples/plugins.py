# v0.3.0
# { "Depends": "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng" }

import typing

import genlayer as gl
from genlayer.storage import TreeMap
from genlayer.types import *


class Plugins(gl.contract.Contract):
    """Runs what others wrote, in VMs of their own with as much right as they need. Second generation."""

    log: TreeMap[str, str]
    settings: gl.storage.Pickled[dict]

    def __init__(self):
        self.settings.store({"limit": 100, "tags": {"first", "second"}})

    @gl.public.view
    def seen(self) -> dict[str, typing.Any]:
        return {"log": dict(self.log.items()), "limit": self.settings.load()["limit"]}

    @gl.public.write
    def evaluate(self, formula: str) -> typing.Any:
        """A formula of the sender's: it computes, and may do nothing else."""

        return self._told(gl.vm.spawn_sandbox(lambda: eval(formula, {"limit": 100})))  # noqa: S307

    @gl.public.write
    def note(self, key: str, text: str, allowed: bool) -> typing.Any:
        """What a sandbox writes is there once it returns, if it may write."""

        def work() -> str:
            self.log[key] = text
            if not text:
                raise gl.vm.UserError({"code": "empty", "key": key})
            return key

        return self._told(gl.vm.spawn_sandbox(work, allow_write_storage=allowed))

    def _told(self, result: gl.vm.Result) -> typing.Any:
        match result:
            case gl.vm.Return(calldata=value):
                return value
            case gl.vm.UserError(data=data):
                return {"refused": data}
            case gl.vm.VMError(public_code=code):
                return {"failed": code}
