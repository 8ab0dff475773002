"""Finds the contract without searching for it.

The interpreter's own finder lists directories and asks for a cache of bytecode that is never there: two
thirds of all calls that a short run makes to its host. What is found is the same: a package before a file.
"""

from __future__ import annotations

import marshal
import os
import stat
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType

MODULE = "contract"
PATH = "/contract.py"
PACKAGE = "/contract/__init__.py"
_READ = 1 << 20


class Compiled:
    """The contract's code where it was compiled already, while the bootloader imports it; else empty."""

    code = b""


class ContractFinder:
    """For `sys.meta_path`: knows the module `contract` where that is one file; the rest is for others."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != MODULE or _is_file(PACKAGE) or not _is_file(PATH):
            return None
        return spec_from_file_location(name, PATH, loader=_ContractLoader(name, PATH))


class _ContractLoader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        if Compiled.code:
            return marshal.loads(Compiled.code)  # type: ignore[no-any-return]  # noqa: S302 - the host's word
        return self.source_to_code(self.get_data(self.path), self.path)

    def get_data(self, path: str) -> bytes:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            parts = []
            while part := os.read(descriptor, _READ):
                parts.append(part)
        finally:
            os.close(descriptor)
        return b"".join(parts)


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - pathlib is not warm
    except OSError:
        return False
