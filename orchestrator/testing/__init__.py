"""Tests of contracts against real instances: `genvm-orchestrator test` (docs/developing.md).

What tests import is here; the fixtures are in `plugin`.
"""

from __future__ import annotations

from genvm_wire.address import Address
from orchestrator.node.receipts import EmittedEvent, Receipt, SentMessage
from orchestrator.testing.chain import Chain, Contract, Sent
from orchestrator.testing.failures import CallFailed, NoResult, Undetermined, UserError, VmError
from orchestrator.testing.mocks import Answers, Page

__all__ = [
    "Address",
    "Answers",
    "CallFailed",
    "Chain",
    "Contract",
    "EmittedEvent",
    "NoResult",
    "Page",
    "Receipt",
    "Sent",
    "SentMessage",
    "Undetermined",
    "UserError",
    "VmError",
]
