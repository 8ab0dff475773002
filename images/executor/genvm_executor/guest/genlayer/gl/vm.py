"""Sub-VMs and their results (contract-sdk 9)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import cloudpickle  # type: ignore[import-untyped,unused-ignore]
from genlayer_core import requests as _requests
from genlayer_core.deferred import LazyCapable as _LazyCapable
from genlayer_core.storage.pages import HOST as _HOST
from genlayer_core.types import Lazy

from genlayer.py import calldata
from genlayer.py.public_abi import ResultCode

from ._internal import gl_call  # noqa: F401 - contracts ask for gl.vm.gl_call

T = TypeVar("T")


@dataclass
class Return(Generic[T]):
    """The VM returned a value."""

    calldata: T


@dataclass
class VMError:
    """The VM failed; `message` is the error's text. Not an exception."""

    message: str


@dataclass(init=False, repr=False, eq=False)
class UserError(Exception):
    """A failure that the contract means: raised out of an entry function it ends the VM with its text."""

    message: str

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return isinstance(other, UserError) and self.message == other.message

    def __hash__(self) -> int:
        return hash((type(self), self.message))

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}(message={self.message!r})"

    __str__ = __repr__


Result = Return[Any] | VMError | UserError


def _decode_result(data: bytes) -> Result:
    """The result object of a sub-VM's result bytes: a code byte and what it announces."""
    if not data:
        raise ValueError("a sub-VM's result has no code byte")
    match data[0]:
        case ResultCode.RETURN:
            return Return(calldata.decode(memoryview(data)[1:]))
        case ResultCode.USER_ERROR:
            return UserError(data[1:].decode("utf-8"))
        case ResultCode.VM_ERROR:
            return VMError(data[1:].decode("utf-8"))
    raise ValueError(f"a sub-VM's result has the unknown code {data[0]}")


def unpack_result(result: Result) -> Any:
    """The value of a `Return`. Raises UserError for both kinds of failure."""
    if isinstance(result, Return):
        return result.calldata
    if isinstance(result, UserError):
        raise result
    raise UserError("vm error: " + result.message)


@_LazyCapable
def spawn_sandbox(fn: Callable[[], Any], *, allow_write_ops: bool = False) -> Lazy[Result]:
    """Run a function in a fresh VM; never raises for how it ends."""
    data = cloudpickle.dumps(fn)
    reply = _requests.ask("Sandbox", {"data": data, "allow_write_ops": allow_write_ops})
    if allow_write_ops:
        _HOST.forget_reads()
    return Lazy(lambda: _decode_result(reply))


def _leader_stage(leader_fn: Callable[[], Any], _stage: Any) -> Any:
    return leader_fn()


def _validator_stage(validator_fn: Callable[[Result], Any], stage: Any) -> Any:
    return validator_fn(_decode_result(stage["leaders_result"]))


@_LazyCapable
def run_nondet_unsafe(leader_fn: Callable[[], T], validator_fn: Callable[[Result], bool], /) -> Lazy[T]:
    """The leader's value, agreed on by validators whose `validator_fn(leader's result)` returns True.

    Raises UserError when the leader's result is one.
    """
    reply = _requests.ask(
        "RunNondet",
        {
            "data_leader": cloudpickle.dumps(functools.partial(_leader_stage, leader_fn)),
            "data_validator": cloudpickle.dumps(functools.partial(_validator_stage, validator_fn)),
        },
    )
    return Lazy(lambda: unpack_result(_decode_result(reply)))


def _same_message(leader: Any, mine: Any) -> bool:
    return bool(leader.message == mine.message)


def _compare_kinds(
    validator_fn: Callable[[Result], bool],
    compare_user_errors: Callable[[UserError, UserError], bool],
    compare_vm_errors: Callable[[VMError, VMError], bool],
    leader: Result,
) -> bool:
    mine = spawn_sandbox(functools.partial(validator_fn, leader), allow_write_ops=True)
    if isinstance(mine, Return) and isinstance(leader, Return):
        if not isinstance(mine.calldata, bool):
            raise TypeError(f"a validator function returns bool, not {type(mine.calldata).__name__}")
        return mine.calldata
    if isinstance(mine, UserError) and isinstance(leader, UserError):
        return compare_user_errors(leader, mine)
    if isinstance(mine, VMError) and isinstance(leader, VMError):
        return compare_vm_errors(leader, mine)
    return False


@_LazyCapable
def run_nondet(
    leader_fn: Callable[[], T],
    validator_fn: Callable[[Result], bool],
    /,
    *,
    compare_user_errors: Callable[[UserError, UserError], bool] = _same_message,
    compare_vm_errors: Callable[[VMError, VMError], bool] = _same_message,
) -> Lazy[T]:
    """Like `run_nondet_unsafe`, with the validator in a sandbox and errors compared by kind and text."""
    validator = functools.partial(_compare_kinds, validator_fn, compare_user_errors, compare_vm_errors)
    return run_nondet_unsafe.lazy(leader_fn, validator)
