"""Declaring a contract (contract-sdk 7.1)."""

from __future__ import annotations

from typing import Any

from genlayer_core import contract
from genlayer_core.contract import public


class Contract(contract.Contract, base=True):
    """Base of the contract. Annotated attributes are storage fields; exactly one subclass may exist."""

    @public.write.payable
    def __on_errored_message__(self) -> Any:
        """Called when a message that this contract sent with value failed."""
