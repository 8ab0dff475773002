"""Requests that contracts put together themselves, past the public names: upstream's `gl_call`.

Published contracts do so where a public name is not enough, above all for calls of the EVM chain whose answer
they check byte by byte. Each line has it at upstream's place, under the names of the line's own requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from . import calldata, requests, wasi
from .storage.pages import HOST
from .types import Lazy

T = TypeVar("T")


def gl_call_generic(data: Any, after: Callable[[bytes], T]) -> Lazy[T | None]:
    """Send `{name: payload}` now; `.get()` of the result is what `after` makes of the reply's bytes.

    None where there is no reply. Raises SystemError when the host refuses.
    """
    reply = wasi.gl_call(calldata.encode(data))
    # A sandbox may have written.
    HOST.forget_reads()
    return Lazy(lambda: None if reply is None else after(reply))


def contract_return(data: Any) -> NoReturn:
    """End the VM with a value."""
    requests.finish("Return", data)


def user_error(data: Any) -> NoReturn:
    """End the VM with a user error."""
    requests.finish("UserError", data)
