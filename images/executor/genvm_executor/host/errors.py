"""What can go wrong between the executor and its host.

HostError
├── HostRefused    the host said no; the run (or sub-VM) ends with a VM error
├── HostLost       the connection broke, or the host broke the protocol; the run has no result
└── MethodAbsent   the executor asked for a method its table does not have
"""

from __future__ import annotations


class HostError(Exception):
    """Root of the host protocol's errors."""


class HostRefused(HostError):
    """The host answered with an error byte of the table (host-protocol 3.3)."""

    def __init__(self, vm_error_text: str) -> None:
        super().__init__(vm_error_text)
        self.vm_error_text = vm_error_text


class HostLost(HostError):
    """The connection ended early or carried what the protocol does not allow; the text says what."""


class MethodAbsent(HostError):
    """The table has no such method: what it does must travel in the job or the result."""
