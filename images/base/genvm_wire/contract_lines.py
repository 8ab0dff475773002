"""Which line of the contracts' library a package was written against (contract-sdk-v03 1).

A runner's id is the hash of the package that it names, so that a published id tells the line for ever. An
alias (`test`, `latest`) and bare WebAssembly tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from genvm_wire import contract_package, gvm32
from genvm_wire.contract_package import PackageError
from genvm_wire.line_rules import LATER_LINE, LINE_RULES, OLD_LINE, LineRules

RUNNERS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = MappingProxyType(
    {
        OLD_LINE: MappingProxyType(
            {
                "py-genlayer": frozenset(
                    {
                        "1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6",
                        "132536jbnxkd1axfxg5rpfr5b60cr11adm2y4r90hgn0l59qsp9w",
                        "1j12s63yfjpva9ik2xgnffgrs6v44y1f52jvj9w7xvdn7qckd379",
                        "15qfivjvy80800rh998pcxmd2m8va1wq2qzqhz850n8ggcr4i9q0",
                    }
                ),
            }
        ),
        LATER_LINE: MappingProxyType(
            {
                "py-genlayer": frozenset(
                    {
                        "5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng",
                        "ab6tscafgsf7h0rndg7c86qxb8htdc719qbxdjssak9t69153et0",
                    }
                ),
                "py-genlayer-multi": frozenset(
                    {
                        "faykzar6hr5ehfm07jatm69erx6nv96wmz1ab1dszjthbcgre3m0",
                        "q9x9hjbh42hhnfwvpe6nbhv3mhty1284dd8vrfx08wdassehgb1g",
                    }
                ),
                "softfloat": frozenset({"v6s4797q2d2x800nhbrwbmsx6v3xe4gfzcdqk3t9s3dkvppvhg20"}),
            }
        ),
    }
)
"""The published hashes of the runners that only one line has, by line and name."""
_LATER_LETTERS: Final = frozenset("et")
_HASH_LETTERS: Final = 52
_MAX_NESTING: Final = 128


def line_of_code(code: bytes) -> str | None:
    """The line that the code names by a runner's id; None when it names none that is known."""
    try:
        runner = contract_package.runner_of(code, LATER_LINE)
    except PackageError:
        return None
    found = {_line_of_runner(one) for one in _dependencies(runner)}
    return next((line for line in RUNNERS if line in found), None)


def rules_of_code(code: bytes) -> LineRules:
    """Those of the line that the code names; of the first where it names none that is known."""
    return LINE_RULES[line_of_code(code) or OLD_LINE]


def _line_of_runner(runner: str) -> str | None:
    """Of a published id, or of one in GVM32 with letters that the alphabet before it had not."""
    name, _, version = runner.partition(":")
    for line, runners in RUNNERS.items():
        if version in runners.get(name, ()):
            return line
    is_later = not _LATER_LETTERS.isdisjoint(version) and gvm32.decode(version) is not None
    return LATER_LINE if is_later and len(version) == _HASH_LETTERS else None


def _dependencies(runner: Any, depth: int = 0) -> Iterator[str]:
    if depth > _MAX_NESTING:
        return
    if isinstance(runner, list):
        for one in runner:
            yield from _dependencies(one, depth + 1)
    elif isinstance(runner, dict):
        for key, value in runner.items():
            if key == "Depends" and isinstance(value, str):
                yield value
            else:
                yield from _dependencies(value, depth + 1)
