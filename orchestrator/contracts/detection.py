"""Which major version a contract asks for (manager-api 3.8), and why its run would refuse its header."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from genvm_wire.contract_lines import line_of_code
from genvm_wire.contract_package import PackageError, names_no_runner, parse, too_new, version_text
from genvm_wire.line_rules import LINE_RULES
from genvm_wire.runner_actions import TooMuchWork, interpret
from orchestrator.contracts.versions import ExecutorVersion, Manifest, VersionFailure

MOST_WORK = 2000
"""Of a runner's actions: some ten milliseconds. Those in use have a handful, and map a few hundred files."""


class NoVersionAvailable(VersionFailure):
    """The manifest has nothing for that time."""


@dataclass(frozen=True, slots=True)
class Detection:
    """The major a contract asks for; `error` says why its header cannot be read, or would be refused.

    Without a readable version the major is the latest.
    """

    major: int
    error: str | None = None


def detect(manifest: Manifest, code: bytes, at: datetime) -> Detection:
    """The major for `code` at `at`, never above the latest available. Costs time with the code's size.

    Raises NoVersionAvailable.
    """
    majors = [version.number.major for version in manifest.versions if version.available_after <= at]
    if not majors:
        raise NoVersionAvailable("no_executor_version_available")
    latest, line = max(majors), line_of_code(code)
    try:
        text = version_text(code, line or manifest.by_major(latest, at).contract_line)
    except PackageError as error:
        return Detection(latest, str(error))
    wanted = major_of(text)
    major = latest if wanted is None else min(wanted, latest)
    return Detection(major, _refusal(code, manifest.nearest(major, at, line=line)))


def _refusal(code: bytes, version: ExecutorVersion) -> str | None:
    """Why a run would refuse the header, in the executor's words and by its code.

    A version alone is no broken header: clients ask with just that. A runner that is long to follow is left
    to its run.
    """
    line = version.contract_line
    try:
        if names_no_runner(code, line):
            return None
        package = parse(code, line)
        interpret(package, line=line, debug=False, deterministic=True, most_work=MOST_WORK)
    except PackageError as error:
        return str(error)
    except TooMuchWork:
        return None
    return too_new(package.version, version.name) if LINE_RULES[line].compares_headers else None


def major_of(text: str) -> int | None:
    """What a version begins with: a number below 2³², with or without a `v`; null where it is none."""
    digits = text.strip().removeprefix("v").partition(".")[0]
    digits = digits[1:] if digits[:1] == "+" else digits
    if not (digits.isascii() and digits.isdigit()):
        return None
    significant = digits.lstrip("0") or "0"
    if len(significant) > 10 or int(significant) > 0xFFFFFFFF:
        return None
    return int(significant)
