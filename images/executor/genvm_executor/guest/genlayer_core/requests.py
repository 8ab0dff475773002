"""Requests to the host: encode, keep storage in step, end the VM (contract-sdk 3.2)."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from typing import Any, NoReturn

import _genlayer_wasi as host

from . import calldata, wasi
from .storage.pages import HOST


def call(name: str, payload: Any) -> bytes | None:
    """Send one request; the reply's bytes, None for no reply. Raises SystemError when the host refuses."""
    return wasi.gl_call(calldata.encode({name: payload}))


def ask(name: str, payload: Any) -> bytes:
    """Send a request that must have a reply."""
    reply = call(name, payload)
    if reply is None:
        raise SystemError(f"5: io ({name}: the host gave no reply)")
    return reply


def method_call(key: str, method: str | None, args: Any = (), kwargs: Any = None) -> dict[str, Any]:
    """The calldata of a contract call, its method's name under `key`; what is empty is left out."""
    built: dict[str, Any] = {} if method is None else {key: method}
    if args:
        built["args"] = args
    if kwargs:
        built["kwargs"] = kwargs
    return built


def finish(name: str, payload: Any) -> NoReturn:
    """End the VM with a value or an error, as the line calls it; `atexit` functions run first."""
    request = calldata.encode({name: payload})
    atexit._run_exitfuncs()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    if name == "Return":
        HOST.flush()
    host.gl_call(request)
    # The host ends the guest inside the request; this is for one that does not.
    os._exit(0)
