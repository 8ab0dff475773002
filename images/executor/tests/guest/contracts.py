"""Running small contracts in tests: source in, outcome out."""

from __future__ import annotations

import textwrap
from typing import Any

from genlayer.py import calldata

from .native import NativeHarness
from .vectors import Step, VmEnd

HEADER = "from genlayer import *\nimport typing\nfrom dataclasses import dataclass\n"


def deploy(harness: NativeHarness, fields: str, body: str, before: str = "") -> VmEnd:
    """Deploy a contract with these fields whose constructor is `body`; `before` goes above the class."""
    source = (
        HEADER
        + textwrap.dedent(before)
        + "\nclass C(gl.Contract):\n"
        + textwrap.indent(textwrap.dedent(fields), "    ")
        + "\n    def __init__(self):\n"
        + textwrap.indent(textwrap.dedent(body), "        ")
    )
    (outcome,) = harness.run(source, [Step(calldata.encode({}), message={"is_init": True})])
    return outcome


def value_of(outcome: VmEnd) -> Any:
    """What a VM returned; fails with its traceback when it did not."""
    assert isinstance(outcome.data, bytes), outcome.stderr
    return calldata.decode(outcome.data)
