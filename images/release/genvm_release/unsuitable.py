"""What a job asks for and an official release cannot be given."""

from __future__ import annotations


class Unsuitable(Exception):
    """The job cannot be served by this program; the text says what to do about it."""


def not_served(table: str) -> Unsuitable:
    """For a host table whose executors cannot be handed a connection."""
    return Unsuitable(
        f"executors of host table {table} dial their node themselves and take no open connection, and a "
        "container has no network: T9w, T8 and T9n can be served (host_table in the manifest)"
    )
