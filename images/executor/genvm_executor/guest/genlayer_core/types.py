"""Basic types: addresses, deferred values (contract-sdk 5). Sized integers are each line's own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from .keccak import keccak256

if TYPE_CHECKING:
    from typing_extensions import Buffer

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
N = TypeVar("N")


class Integers(NamedTuple):
    """How a line spells its integer types: `u8` to `u256`, `i8` to `i256` by name, and the unbounded one."""

    unsigned: dict[str, Any]
    signed: dict[str, Any]
    unbounded: Any

    def sized(self) -> Iterator[tuple[Any, int, bool]]:
        """(type, its bytes, whether it is signed) of each."""
        for signed, names in ((False, self.unsigned), (True, self.signed)):
            for name, annotation in names.items():
                yield annotation, int(name[1:]) // 8, signed


SIZES = range(8, 257, 8)


def _parse_address(source: str) -> bytes:
    if len(source) == 42 and source.startswith("0x"):
        return bytes.fromhex(source[2:])
    if len(source) > 20:
        return base64.b64decode(source)
    raise ValueError("neither 0x and 40 hex digits nor base64")


class Address:
    """20 bytes naming an account or contract.

    Accepts 20 bytes, `0x` and 40 hex digits (checksum not verified), or base64.
    Raises Exception("invalid address …") or the decoder's own error; TypeError for an Address, where the line
    in use does not take one.
    """

    SIZE = 20
    takes_addresses: ClassVar[bool] = False
    ZERO: ClassVar[Address]

    __slots__ = ("_bytes",)

    def __init__(self, source: str | Buffer | Address) -> None:
        if self.takes_addresses and isinstance(source, Address):
            self._bytes: bytes = source._bytes
            return
        try:
            raw = _parse_address(source) if isinstance(source, str) else bytes(memoryview(source))  # type: ignore[arg-type]
        except (ValueError, binascii.Error) as error:
            raise Exception(f"invalid address {source!r}: {error}") from error  # noqa: TRY002
        if len(raw) != Address.SIZE:
            raise Exception(f"invalid address {source!r}: {len(raw)} bytes instead of 20")  # noqa: TRY002
        self._bytes = raw

    @property
    def as_bytes(self) -> bytes:
        """The 20 bytes."""
        return self._bytes

    @property
    def as_hex(self) -> str:
        """`0x` and 40 digits in EIP-55 mixed case."""
        digits = self._bytes.hex()
        check = keccak256(digits.encode("ascii")).hex()
        return "0x" + "".join(d.upper() if c >= "8" else d for d, c in zip(digits, check, strict=False))

    @property
    def as_b64(self) -> str:
        """Standard base64 with padding."""
        return base64.b64encode(self._bytes).decode("ascii")

    @property
    def as_int(self) -> int:
        """Little-endian integer of the bytes."""
        return int.from_bytes(self._bytes, "little")

    def __reduce__(self) -> tuple[type[Address], tuple[bytes]]:
        return (Address, (self._bytes,))

    def __hash__(self) -> int:
        return hash(self._bytes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self._bytes == other._bytes

    def __lt__(self, other: object) -> bool:
        assert isinstance(other, Address), f"an Address compares only with an Address, not {other!r}"
        return self._bytes < other._bytes

    def __le__(self, other: object) -> bool:
        assert isinstance(other, Address), f"an Address compares only with an Address, not {other!r}"
        return self._bytes <= other._bytes

    def __gt__(self, other: object) -> bool:
        assert isinstance(other, Address), f"an Address compares only with an Address, not {other!r}"
        return self._bytes > other._bytes

    def __ge__(self, other: object) -> bool:
        assert isinstance(other, Address), f"an Address compares only with an Address, not {other!r}"
        return self._bytes >= other._bytes

    def __repr__(self) -> str:
        return f'Address("{self.as_hex}")'

    def __str__(self) -> str:
        return self.as_hex

    def __format__(self, code: str) -> str:
        match code:
            case "":
                return repr(self)
            case "s" | "x":
                return self.as_hex
            case "b64":
                return self.as_b64
            case "cd":
                return "addr#" + self._bytes.hex()
        raise TypeError(f"unsupported format code for an Address: {code!r} (use s, x, b64 or cd)")


class Lazy(Generic[T_co]):
    """A value computed at the first `get()`; the value or the exception is kept."""

    __slots__ = ("_compute", "_error", "_value")

    def __init__(self, compute: Callable[[], T_co]) -> None:
        self._compute: Callable[[], T_co] | None = compute
        self._value: T_co | None = None
        self._error: Exception | None = None

    def get(self) -> T_co:
        """The value; raises what computing it raised."""
        if self._compute is not None:
            compute, self._compute = self._compute, None
            try:
                self._value = compute()
            except Exception as error:
                self._error = error
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]


class SizedArray(Sequence[T], Generic[T, N]):
    """A sequence of fixed length, `SizedArray[T, Literal[n]]`."""
