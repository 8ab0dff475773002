"""What the local node raises.

NodeError
├── HostBroken         the executor's connection ended early or broke the host protocol
├── ManagerRefused     the manager answered the request with an error; its text says why
├── ManagerUnreachable the manager does not answer
└── BadRequest         the developer's request cannot be made: unknown contract, bad argument, no funds
"""

from __future__ import annotations


class NodeError(Exception):
    """Root of the local node's errors."""


class HostBroken(NodeError):
    """The executor's connection ended early or broke the host protocol."""


class ManagerRefused(NodeError):
    """The manager answered with an error."""


class ManagerUnreachable(NodeError):
    """The manager does not answer; is it running at that address?"""


class BadRequest(NodeError):
    """The request cannot be made as it stands."""
