"""What the operator's commands raise.

OperationFailure
├── ManagerAway       no manager answers at the address
├── ManagerRefused    the manager answered with an error; its text says why
├── RunNotFound  there is no such run, or its retention is over
├── NothingToRead     neither a manager nor a journal can tell
└── NotPossible  a backup cannot be made or put back
"""

from __future__ import annotations


class OperationFailure(Exception):
    """Root of the operator's commands' errors; the text says what to do."""


class ManagerAway(OperationFailure):
    """No manager answers there."""


class ManagerRefused(OperationFailure):
    """The manager answered with an error."""


class RunNotFound(OperationFailure):
    """There is no such run, or its retention is over."""


class NothingToRead(OperationFailure):
    """Neither a manager nor a journal can tell."""


class NotPossible(OperationFailure):
    """A backup cannot be made or put back."""
