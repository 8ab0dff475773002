"""What tells one line of contracts from another to whoever reads packages and results: a table, nowhere else.

The executor has what contracts may do in a table of its own (`genvm_executor.lines`), runners have theirs
(`runner_ids`), and so have the places in storage (`storage_layout`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from genvm_wire.records import record

OLD_LINE, LATER_LINE = "v0.2", "v0.3"


@record
class LineRules:
    """The rules of one line. Each field is true, or set, where the sentence beside it holds."""

    name: str
    method_key: str
    """where its library looks for the method in calldata"""
    compares_headers: bool
    """a header names the version that a contract needs; else the root slot names its major"""
    user_errors_are_values: bool
    """any calldata; else a text (host-protocol 9)"""
    hears_of_errors: bool
    """`#error` of a contract is called when what it sent fails (contract-sdk 7.2)"""
    adds_value: bool
    """executors add what came with a transaction to the balance that they are told"""
    comment_separator: str
    """between the lines of a comment header, which are one JSON text"""
    modules_name_runners: bool
    """bare WebAssembly may carry its actions (contract-sdk-v03 19)"""
    strict_archives: bool
    """a ZIP archive with what readers understand in several ways is refused"""


LINE_RULES: Final[Mapping[str, LineRules]] = MappingProxyType(
    {
        rules.name: rules
        for rules in (
            LineRules(
                name=OLD_LINE,
                method_key="method",
                compares_headers=True,
                user_errors_are_values=False,
                hears_of_errors=True,
                adds_value=False,
                comment_separator="",
                modules_name_runners=False,
                strict_archives=False,
            ),
            LineRules(
                name=LATER_LINE,
                method_key="",
                compares_headers=False,
                user_errors_are_values=True,
                hears_of_errors=False,
                adds_value=True,
                comment_separator="\n",
                modules_name_runners=True,
                strict_archives=True,
            ),
        )
    }
)
"""By name, oldest first."""
