"""Executor versions and the rules that choose one for a run (manager-api 3.11)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.contracts.patterns import matcher

_NAME = re.compile(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-([0-9A-Za-z-]+))?", re.ASCII)
PATTERN_PREFIX = "re:"
MOST_REUSE = 100_000


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


class Manifest:
    """All executor versions, and the choice among them."""

    def __init__(self, versions: Iterable[ExecutorVersion]) -> None:
        self._versions = tuple(sorted(versions, key=lambda version: version.number))

    @property
    def versions(self) -> Sequence[ExecutorVersion]:
        return self._versions

    def by_major(self, major: int, at: datetime, host_tables: Sequence[str] = ()) -> ExecutorVersion:
        """The greatest available version of `major`, then each next patch while it is available too.

        With `host_tables`, versions that speak one of them are chosen among first; a client whose tables no
        version speaks gets the plain answer. Raises NoCompatibleVersion.
        """
        available = [v for v in self._versions if v.number.major == major and v.available_after <= at]
        spoken = [v for v in available if v.host_table is None or v.host_table in host_tables]
        chosen = max(spoken or available, key=lambda version: version.number, default=None)
        if chosen is None:
            raise NoCompatibleVersion(f"no compatible version found for major {major}")
        return chosen

    def nearest(self, major: int, at: datetime, host_tables: Sequence[str] = ()) -> ExecutorVersion:
        """As `by_major`; where nothing has that major, the newest available version of any.

        Raises NoCompatibleVersion.
        """
        majors = {v.number.major for v in self._versions if v.available_after <= at}
        return self.by_major(major if major in majors else max(majors, default=major), at, host_tables)

    def by_selector(self, version: str, at: datetime) -> ExecutorVersion:
        """A version by its name, or the newest available one whose name matches `re:PATTERN`.

        Raises BadSelector, NoCompatibleVersion.
        """
        if not version.startswith(PATTERN_PREFIX):
            named = [v for v in self._versions if v.name == version]
            if not named:
                raise NoCompatibleVersion(f"executor version `{version[:100]}` is not in the manifest")
            return named[0]
        try:
            matches = matcher(version.removeprefix(PATTERN_PREFIX))
        except ValueError as error:
            raise BadSelector(f"version selector `{version[:100]}` is not a valid regex: {error}") from None
        matching = [v for v in self._versions if v.available_after <= at and matches(v.name)]
        if not matching:
            raise NoCompatibleVersion(f"no line matches version selector `{version[:100]}`")
        return max(matching, key=lambda found: found.number)
