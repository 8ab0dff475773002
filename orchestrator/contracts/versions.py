"""Executor versions and the rules that choose one for a run (manager-api 3.11)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from orchestrator.contracts.patterns import matcher

_NAME = re.compile(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-([0-9A-Za-z-]+))?", re.ASCII)
PATTERN_PREFIX = "re:"
MOST_REUSE = 100_000
_NONE: Mapping[str, str] = MappingProxyType({})


class VersionFailure(Exception):
    """No executor can be chosen; the text is what the client gets.

    VersionFailure
    ├── NoCompatibleVersion
    └── BadSelector
    """


class NoCompatibleVersion(VersionFailure):
    """Nothing in the manifest fits."""


class BadSelector(VersionFailure):
    """The selector's regular expression is not one."""


@dataclass(frozen=True, slots=True, order=True)
class Number:
    """What versions are ordered by; a suffix such as `-rc7` does not count."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, name: str) -> Number:
        """The number in `v0.2.12` or `0.3.0-rc7`. Raises ValueError."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"version {name!r} is not of the form vMAJOR.MINOR.PATCH")
        major, minor, patch, _ = match.groups()
        return cls(int(major), int(minor), int(patch))

    @property
    def line(self) -> tuple[int, int]:
        """What the releases have in common that differ by their patches."""
        return self.major, self.minor

    @classmethod
    def of_run(cls, version: str) -> Number:
        """The number of a run's version; zeros for a run that ended before one was chosen."""
        try:
            return cls.parse(version)
        except ValueError:
            return cls(0, 0, 0)


@dataclass(frozen=True, slots=True)
class ExecutorVersion:
    """One manifest entry. `name` is the key as it is written.

    `host_table` and `fuel_width` (bytes of a fuel amount; host-protocol 3.4): what the executor speaks if it
    knows only one; null: it speaks what the client's node does.
    """

    name: str
    number: Number
    available_after: datetime
    image: str
    host_table: str | None
    contract_line: str
    fuel_width: int | None = None
    reuse: int | None = None
    """Runs that one instance serves; None: what the settings say."""
    own_contracts_only: bool = False
    """Who asks for its major gets it only for contracts that name its line."""
    other_lines: Mapping[str, str] = field(default_factory=lambda: _NONE)
    """What the same executor is as well, by contract line, should the contract be of such a line."""


class Manifest:
    """All executor versions, and the choice among them."""

    def __init__(self, versions: Iterable[ExecutorVersion]) -> None:
        self._versions = tuple(sorted(versions, key=lambda version: version.number))

    @property
    def versions(self) -> Sequence[ExecutorVersion]:
        return self._versions

    def by_major(
        self, major: int, at: datetime, host_tables: Sequence[str] = (), line: str | None = None
    ) -> ExecutorVersion:
        """The greatest available version of `major`, then each next patch while it is available too.

        With `host_tables`, versions that speak one of them are chosen among first; a client whose tables no
        version speaks gets the plain answer. `line` is the one that the contract names, null where it names
        none or is not known: then the answer says what else its executor is. Raises NoCompatibleVersion.
        """
        available = [v for v in self._versions if v.number.major == major and v.available_after <= at]
        spoken = [v for v in available if v.host_table is None or v.host_table in host_tables] or available
        if not spoken:
            raise NoCompatibleVersion(f"no compatible version found for major {major}")
        fitting = [v for v in spoken if v.contract_line == line]
        fitting = fitting or [v for v in spoken if not v.own_contracts_only] or spoken
        chosen = max(fitting, key=lambda version: version.number)
        return chosen if line is not None else replace(chosen, other_lines=_other_lines(chosen, spoken))

    def nearest(
        self, major: int, at: datetime, host_tables: Sequence[str] = (), line: str | None = None
    ) -> ExecutorVersion:
        """As `by_major`; where nothing has that major, the newest available version of any.

        Raises NoCompatibleVersion.
        """
        majors = {v.number.major for v in self._versions if v.available_after <= at}
        return self.by_major(major if major in majors else max(majors, default=major), at, host_tables, line)

    def by_selector(self, version: str, at: datetime) -> ExecutorVersion:
        """A version by its name or that of another release of its line, or the newest available one whose
        name matches `re:PATTERN`.

        One for its own contracts is not taken where the pattern fits others, too.
        Raises BadSelector, NoCompatibleVersion.
        """
        if not version.startswith(PATTERN_PREFIX):
            named = next((v for v in self._versions if v.name == version), None)
            if (named := named or self._numbered(version, at)) is None:
                raise NoCompatibleVersion(f"executor version `{version[:100]}` is not in the manifest")
            return named
        try:
            matches = matcher(version.removeprefix(PATTERN_PREFIX))
        except ValueError as error:
            raise BadSelector(f"version selector `{version[:100]}` is not a valid regex: {error}") from None
        matching = [v for v in self._versions if v.available_after <= at and matches(v.name)]
        if not matching:
            raise NoCompatibleVersion(f"no line matches version selector `{version[:100]}`")
        general = [v for v in matching if not v.own_contracts_only] or matching
        return max(general, key=lambda found: found.number)

    def _numbered(self, name: str, at: datetime) -> ExecutorVersion | None:
        """Of the same number: a release candidate stands for its release, and the other way round.

        Else the newest available one with the same two first numbers that names no host table: it serves any
        release of its line, as it does for contracts whose header names one.
        """
        try:
            number = Number.parse(name)
        except ValueError:
            return None
        same = (v for v in self._versions if v.number == number)
        line = (
            v
            for v in reversed(self._versions)
            if v.number.line == number.line and v.host_table is None and v.available_after <= at
        )
        return next(same, None) or next(line, None)


def _other_lines(chosen: ExecutorVersion, among: Iterable[ExecutorVersion]) -> Mapping[str, str]:
    """The versions for other contracts that the image of `chosen` serves too, speaking as it does."""
    return {
        v.contract_line: v.name
        for v in among
        if v.contract_line != chosen.contract_line
        and (v.image, v.host_table, v.fuel_width) == (chosen.image, chosen.host_table, chosen.fuel_width)
    }
