"""What a job asks for and an official release cannot be given."""

from __future__ import annotations

from genvm_wire.instance_messages import JobMessage

LETTERS = frozenset("rwscnu")


class Unsuitable(Exception):
    """The job cannot be served by this program; the text says what to do about it."""


def not_served(table: str) -> Unsuitable:
    """For a host table that is none of those whose executors are known here."""
    return Unsuitable(
        f"host table {table} is not served by an official release: T15a, T15b, T9w, T8 and T9n are "
        "(host_table in the manifest)"
    )


def not_let_in(table: str) -> Unsuitable:
    """For an executor that dials its node itself, where nobody listens for it."""
    return Unsuitable(
        f"executors of host table {table} dial their node themselves and take no open connection, and "
        "this manager lets nobody in: it has to be as new as this image"
    )


def check_suitable(job: JobMessage) -> None:
    """What is the same for each table. Raises Unsuitable."""
    if not set(job.permissions) <= LETTERS:
        # A client's text: as the program reads its command line, it could be another option of it.
        raise Unsuitable(f"Invalid permissions: {job.permissions!r}")
    if job.nested is not None:
        raise Unsuitable("a call from a contract of another line is not served by an official release")
