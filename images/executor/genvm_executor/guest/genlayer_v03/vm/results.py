"""How VMs end (contract-sdk-v03 9.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from genlayer_core import calldata, requests

from .public_abi import ResultCode

T = TypeVar("T")
DETAIL = " # "


@dataclass
class Return(Generic[T]):
    """The VM returned a value."""

    calldata: T


@dataclass(init=False)
class VMError:
    """The VM failed; `message` is a code, and may be ` # ` and a detail. Not an exception."""

    message: str
    public_code: str
    detail: str

    def __init__(self, message: str, /) -> None:
        self.message = message
        self.public_code, _, self.detail = message.partition(DETAIL)

    def __str__(self) -> str:
        return f'VMError("{self.message}")'


class UserError(Exception):
    """A failure that the contract means: raised out of an entry function it ends the VM with its value.

    As in the reference library an instance cannot be unpickled: `run_nondet_default` counts on that.
    """

    data: Any

    def __init__(self, data: Any, /) -> None:
        super().__init__()
        self.data = data

    @staticmethod
    def immediate(value: Any, /) -> NoReturn:
        """End the VM with a user error at once: not catchable, nothing is unwound."""
        requests.finish("UserError", value)

    def __eq__(self, other: object) -> bool:
        return self.data == other.data if isinstance(other, UserError) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.data)

    def __str__(self) -> str:
        return f"UserError({self.data!r})"


Result = Return[Any] | VMError | UserError


def decode_result(data: bytes) -> Result:
    """The result object of a sub-VM's result bytes: a code byte and what it announces."""
    if not data:
        raise ValueError("empty VM result")
    match data[0]:
        case ResultCode.RETURN:
            return Return(calldata.decode(memoryview(data)[1:]))
        case ResultCode.USER_ERROR:
            return UserError(calldata.decode(memoryview(data)[1:]))
        case ResultCode.VM_ERROR:
            return VMError(data[1:].decode("utf-8"))
    raise ValueError(f"unknown result code {data[0]}")


def unpack_result(result: Result, /) -> Any:
    """The value of a `Return`. Raises UserError for both kinds of failure."""
    if isinstance(result, Return):
        return result.calldata
    if isinstance(result, UserError):
        raise result
    raise UserError("vm error: " + result.message)


def delivered(reply: bytes, *, catch_vm_error: bool) -> Any:
    """The value of a reply, or its VM error where that was asked for. Raises UserError."""
    result = decode_result(reply)
    return result if catch_vm_error and isinstance(result, VMError) else unpack_result(result)
