"""Where several managers share one journal."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from orchestrator.settings.about import Group, Unit, setting
from orchestrator.settings.values import NamedPath

MemberUrl = Annotated[str, StringConstraints(pattern=r"^(https?://[^/?#]+/?|unix:///.+)$")]


class Members(Group):
    """Several managers on one journal (managers.md)"""

    cluster_address: MemberUrl | None = setting(
        None,
        "where the other managers on the same PostgreSQL journal reach this one: http://host:port, or"
        " unix:///path. Unset: it knows of no others",
        why="most managers are alone with their journal",
        unit=Unit.URL,
    )
    cluster_secret_file: NamedPath | None = setting(
        None,
        "with an address: a secret of at least 16 bytes that all of them have; what they say to each other is"
        " signed with it",
        why="nobody but a manager may speak as one",
        unit=Unit.PATH,
    )
    cluster_lease: float = setting(
        15.0,
        "after so long without a word in the journal a manager counts as dead, and others take its runs over",
        why="longer than a machine or a database stands still now and then",
        unit=Unit.SECONDS,
        ge=0.5,
        le=600,
    )
