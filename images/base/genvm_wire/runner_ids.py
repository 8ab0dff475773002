"""Which runners there are, and which contract library a Python runner holds (contract-sdk-v03 1).

The id is a hash of the package. Those of the first two lines are written in an alphabet without `e o t u`,
the later ones in GVM32: an unknown id is refused, for its contract expects a library of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from genvm_wire import gvm32
from genvm_wire.contract_lines import RUNNERS
from genvm_wire.line_rules import LATER_LINE, OLD_LINE
from genvm_wire.records import record


@record
class RunnerRules:
    """What a line has for runners. Each field is true, or set, where the sentence beside it holds."""

    line: str
    library: str
    """how contracts import the library of this line"""
    runners: Mapping[str, frozenset[str] | None]
    """the Python runners with that library, by name, and their hashes; null: any that no later line has"""
    ids_are_gvm32: bool
    """what is behind the colon of a runner's id is; else any letters are well formed"""


RULES: Final[Mapping[str, RunnerRules]] = MappingProxyType(
    {
        OLD_LINE: RunnerRules(
            line=OLD_LINE,
            library="from genlayer import *",
            runners=MappingProxyType(
                {"py-genlayer": RUNNERS[OLD_LINE]["py-genlayer"], "py-genlayer-multi": None}
            ),
            ids_are_gvm32=False,
        ),
        LATER_LINE: RunnerRules(
            line=LATER_LINE,
            library="import genlayer as gl",
            runners=MappingProxyType(
                {name: RUNNERS[LATER_LINE][name] for name in ("py-genlayer", "py-genlayer-multi")}
            ),
            ids_are_gvm32=True,
        ),
    }
)
"""By line."""
ALIASES = frozenset({"test", "latest"})
"""The newest library of the executor in use; only in debug mode."""
_NAME, _HASH = re.compile(r"[A-Za-z0-9_-]+", re.ASCII), re.compile(r"[A-Za-z0-9_=-]+", re.ASCII)
_RESERVED = frozenset({"contract", "chain", "custom"})
_HASH_BYTES = 32


def objection_to_form(runner: str, line: str, *, debug: bool) -> str | None:
    """Why a text is no id of a packaged runner, or not in this mode; None when it is one."""
    name, _, version = runner.partition(":")
    if not version or not _NAME.fullmatch(name) or name in _RESERVED or not _HASH.fullmatch(version):
        return f"the runner id {runner!r:.200} must be NAME:HASH"
    if version in ALIASES:
        return None if debug else f"the runner {runner!r:.200} is for debug mode; name one by its hash"
    if not RULES[line].ids_are_gvm32:
        return None
    raw = gvm32.decode(version)
    if raw is not None and len(raw) == _HASH_BYTES:
        return None
    holder = _holder(name, version)
    return f"the runner id {runner!r:.200} is no hash in GVM32" + (f": {_hint(holder)}" if holder else "")


def objection_to_library(runner: str, line: str) -> str | None:
    """Why a well-formed id is none of this line's Python runners; None when it is.

    The text names the ones that there are.
    """
    name, _, version = runner.partition(":")
    runners = RULES[line].runners
    if name not in runners:
        return f"the runner {runner!r:.200} is not installed"
    hashes, holder = runners[name], _holder(name, version)
    if version in ALIASES or (holder is None if hashes is None else version in hashes):
        return None
    there = ", ".join(f"{name}:{one}" for one in sorted(hashes or ()))
    text = f"the runner {runner!r:.200} is not installed" + (f"; installed: {there}" if there else "")
    return text if holder is None else f"{text}: {_hint(holder)}"


def _holder(name: str, version: str) -> RunnerRules | None:
    """The line that has this runner."""
    return next((one for one in RULES.values() if version in (one.runners.get(name) or ())), None)


def _hint(holder: RunnerRules) -> str:
    return (
        f"it holds the library that contracts import as `{holder.library}`, which executor versions of "
        f"contract line {holder.line} have"
    )
