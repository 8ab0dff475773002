"""Account addresses: 20 raw bytes."""

from __future__ import annotations

from genvm_wire.records import record

SIZE = 20


@record
class Address:
    """An account: 20 raw bytes, distinct from `bytes` and from its text."""

    raw: bytes

    def __post_init__(self) -> None:
        if not isinstance(self.raw, bytes) or len(self.raw) != SIZE:
            raise ValueError(f"an address is {SIZE} bytes")

    def __lt__(self, other: Address) -> bool:
        return self.raw < other.raw

    def __le__(self, other: Address) -> bool:
        return self.raw <= other.raw

    @classmethod
    def from_hex(cls, text: str) -> Address:
        """From 40 hex digits of any case, with or without `0x`. Raises ValueError."""
        digits = text[2:] if text[:2] in {"0x", "0X"} else text
        if len(digits) != 2 * SIZE or not digits.isascii() or not digits.isalnum():
            raise ValueError("an address is 0x and 40 hex digits")
        return cls(bytes.fromhex(digits))

    @property
    def as_hex(self) -> str:
        """`0x` and 40 lowercase hex digits."""
        return "0x" + self.raw.hex()

    def __str__(self) -> str:
        return self.as_hex
