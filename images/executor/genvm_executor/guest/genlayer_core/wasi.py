"""The host functions as contracts may call them, in step with the write buffer (contract-sdk 3).

`gl_call` gives the reply's bytes, or None, where upstream gives a file descriptor.
Errors are `SystemError("<n>: <name>")`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import _genlayer_wasi as _host

from .storage.pages import HOST as _HOST

if TYPE_CHECKING:
    from typing_extensions import Buffer


def storage_read(slot: bytes, off: int, buf: bytearray | memoryview) -> None:
    """Fill `buf` from the slot."""
    _HOST.flush()
    _host.storage_read(slot, off, buf)


def storage_write(slot: bytes, off: int, data: Buffer) -> None:
    """Write through to the host at once."""
    _HOST.flush()
    _host.storage_write(slot, off, bytes(data))
    _HOST.slot(slot).forget()


def get_balance(address: bytes) -> int:
    """Balance of the account with these 20 bytes."""
    return _host.get_balance(address)


def get_self_balance() -> int:
    """Own balance, without what this run has already sent."""
    return _host.get_self_balance()


def gl_call(request: bytes) -> bytes | None:
    """Send an encoded request. Everything written before is in storage when the host sees it."""
    _HOST.flush()
    return _host.gl_call(request)
