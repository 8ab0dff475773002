"""Which major version a contract asks for (manager-api 3.8)."""

from __future__ import annotations

from datetime import datetime

from genvm_wire.contract_lines import line_of_code
from genvm_wire.contract_package import Detection, detect_major
from orchestrator.contracts.versions import Manifest, VersionFailure


class NoVersionAvailable(VersionFailure):
    """The manifest has nothing for that time."""


def detect(manifest: Manifest, code: bytes, at: datetime) -> Detection:
    """The major for `code` at `at`, never above the latest available. Costs time with the code's size.

    Raises NoVersionAvailable.
    """
    majors = [version.number.major for version in manifest.versions if version.available_after <= at]
    if not majors:
        raise NoVersionAvailable("no_executor_version_available")
    latest = max(majors)
    line = line_of_code(code) or manifest.by_major(latest, at).contract_line
    return detect_major(code, latest, line)
