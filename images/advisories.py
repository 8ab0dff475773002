"""`python -m images.advisories DATABASE LOCK…`: known vulnerabilities of what locks pin, by a copy.

It is a checkout of PyPA's advisory database (github.com/pypa/advisory-database): a folder `vulns/NAME/` for
each project, in it a file of YAML for each advisory, in the form of https://ossf.github.io/osv-schema/.
`make audit` takes this way where `GENVM_ADVISORIES` names one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

FOUND: Final = 1
NOT_CHECKED: Final = 3
PINNED: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)
MODIFIED: Final = re.compile(r"^modified: *\"?(\d{4}-\d\d-\d\d)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Finding:
    """An advisory that holds for a pinned version. `fixed`: by which versions."""

    package: str
    version: str
    names: tuple[str, ...]
    fixed: tuple[str, ...]

    def __str__(self) -> str:
        names, fixed = ", ".join(self.names), ", ".join(self.fixed) or "none"
        return f"{self.package} {self.version}: {names}; fixed in {fixed}"


def pinned(lock: str) -> list[tuple[str, str]]:
    """What a lock's text pins, as canonical names and versions."""
    return [(canonicalize_name(name), version) for name, version in PINNED.findall(lock)]


def findings(database: Path, package: str, version: str) -> Iterator[Finding]:
    """What is known of one version of a package, by its canonical name. Withdrawn advisories do not count."""
    for file in sorted(_folder(database, package).glob("*.yaml")):
        # Text and nothing else: a version without quotes is no number, or 1.10 would be 1.1.
        advisory = yaml.load(file.read_text("utf-8"), Loader=yaml.CBaseLoader)  # noqa: S506
        if advisory.get("withdrawn", "null") != "null":
            continue
        for affected in advisory.get("affected", ()):
            if canonicalize_name(affected["package"]["name"]) == package and holds(affected, version):
                names = (advisory["id"], *advisory.get("aliases", ()))
                yield Finding(package, version, names, tuple(_events(affected, "fixed")))


def holds(affected: Mapping[str, Any], version: str) -> bool:
    """Whether one of an advisory's `affected` has a version: named, or in a range. Raises InvalidVersion."""
    asked = Version(version)
    if any(_version(one) == asked for one in affected.get("versions", ())):
        return True
    return any(_in_range(one["events"], asked) for one in affected.get("ranges", ()) if one["type"] != "GIT")


def _in_range(events: Sequence[Mapping[str, str]], asked: Version) -> bool:
    """The events that are not above it decide, in their order."""
    inside = False
    for event in sorted(events, key=_moment):
        ((kind, text),) = event.items()
        at = _version(text)
        if at is None or (kind == "limit") or at > asked:
            continue
        inside = kind == "introduced" or (kind == "last_affected" and at == asked)
    return inside


def _moment(event: Mapping[str, str]) -> tuple[Version, bool]:
    ((kind, text),) = event.items()
    return _version(text) or Version("0"), kind != "introduced"


def _version(text: object) -> Version | None:
    """None: one that is in no order, as a few old releases have."""
    try:
        return Version(str(text))
    except InvalidVersion:
        return None


def _events(affected: Mapping[str, Any], kind: str) -> Iterator[str]:
    for one in affected.get("ranges", ()):
        if one["type"] != "GIT":
            yield from (event[kind] for event in one["events"] if kind in event)


def _folder(database: Path, package: str) -> Path:
    """Folders have canonical names, but for one or the other."""
    folder = database / "vulns" / package
    if folder.is_dir():
        return folder
    others = (one for one in (database / "vulns").iterdir() if canonicalize_name(one.name) == package)
    return next(others, folder)


def newest(database: Path) -> str | None:
    """The day of its last change; none: it is no such database."""
    days = (MODIFIED.search(file.read_text("utf-8")) for file in database.glob("vulns/*/*.yaml"))
    return max((day[1] for day in days if day), default=None)


def main(words: Sequence[str]) -> int:
    """0: nothing is known; 1: something is, which is printed; 3: nothing was checked."""
    database, locks = Path(words[0]), [Path(word) for word in words[1:]]
    day = newest(database)
    if day is None:
        print(f"not checked: {database} is no checkout of PyPA's advisory database", file=sys.stderr)
        return NOT_CHECKED
    print(f"by the copy in {database}, whose newest advisory is of {day}: what is known since is not in it")
    found = 0
    for lock in locks:
        packages = pinned(lock.read_text("utf-8"))
        known = [one for package in packages for one in findings(database, *package)]
        print(f"{lock}: {len(packages)} packages, {len(known)} known vulnerabilities")
        print("".join(f"  {one}\n" for one in known), end="")
        found += len(known)
    return FOUND if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
