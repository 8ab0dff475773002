"""Original Keccak-256 (padding byte 0x01), which the standard library does not have."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

_RATE = 136
_MASK = (1 << 64) - 1


def _round_constants() -> list[int]:
    constants, lfsr = [], 1
    for _ in range(24):
        constant = 0
        for bit in range(7):
            if lfsr & 1:
                constant |= 1 << ((1 << bit) - 1)
            lfsr = (lfsr << 1) ^ (0x171 if lfsr & 0x80 else 0)
        constants.append(constant)
    return constants


def _rho_pi() -> list[tuple[int, int, int]]:
    """For each target lane: source lane, rotation left, 64 − rotation."""
    moves = [(0, 0, 64)] * 25
    x, y = 1, 0
    for step in range(24):
        rotation = (step + 1) * (step + 2) // 2 % 64
        source = x + 5 * y
        x, y = y, (2 * x + 3 * y) % 5
        moves[x + 5 * y] = (source, rotation, 64 - rotation)
    return moves


_CONSTANTS = _round_constants()
_MOVES = _rho_pi()


def _permute(lanes: list[int]) -> list[int]:
    mask = _MASK
    for constant in _CONSTANTS:
        c0 = lanes[0] ^ lanes[5] ^ lanes[10] ^ lanes[15] ^ lanes[20]
        c1 = lanes[1] ^ lanes[6] ^ lanes[11] ^ lanes[16] ^ lanes[21]
        c2 = lanes[2] ^ lanes[7] ^ lanes[12] ^ lanes[17] ^ lanes[22]
        c3 = lanes[3] ^ lanes[8] ^ lanes[13] ^ lanes[18] ^ lanes[23]
        c4 = lanes[4] ^ lanes[9] ^ lanes[14] ^ lanes[19] ^ lanes[24]
        deltas = (
            c4 ^ ((c1 << 1) & mask | c1 >> 63),
            c0 ^ ((c2 << 1) & mask | c2 >> 63),
            c1 ^ ((c3 << 1) & mask | c3 >> 63),
            c2 ^ ((c4 << 1) & mask | c4 >> 63),
            c3 ^ ((c0 << 1) & mask | c0 >> 63),
        ) * 5
        mixed = [lane ^ delta for lane, delta in zip(lanes, deltas, strict=True)]
        b = [(mixed[s] << left) & mask | mixed[s] >> right for s, left, right in _MOVES]
        lanes = []
        for row in (0, 5, 10, 15, 20):
            b0, b1, b2, b3, b4 = b[row : row + 5]
            lanes += (b0 ^ ~b1 & b2, b1 ^ ~b2 & b3, b2 ^ ~b3 & b4, b3 ^ ~b4 & b0, b4 ^ ~b0 & b1)
        lanes[0] ^= constant
    return lanes


def _absorb(lanes: list[int], block: bytes) -> list[int]:
    words = [int.from_bytes(block[i : i + 8], "little") for i in range(0, _RATE, 8)]
    return _permute([lane ^ word for lane, word in zip(lanes, words, strict=False)] + lanes[len(words) :])


class Keccak256:
    """Incremental Keccak-256 with the interface of `hashlib` objects."""

    digest_size = 32
    block_size = _RATE
    name = "keccak256"

    def __init__(self, data: Buffer | None = None) -> None:
        self._lanes = [0] * 25
        self._rest = b""
        if data is not None:
            self.update(data)

    def update(self, data: Buffer) -> None:
        """Append bytes."""
        pending = self._rest + bytes(data)
        whole = len(pending) // _RATE * _RATE
        for start in range(0, whole, _RATE):
            self._lanes = _absorb(self._lanes, pending[start : start + _RATE])
        self._rest = pending[whole:]

    def digest(self) -> bytes:
        """The 32 bytes for everything appended so far."""
        padded = bytearray(self._rest.ljust(_RATE, b"\x00"))
        padded[len(self._rest)] ^= 0x01
        padded[-1] ^= 0x80
        lanes = _absorb(self._lanes, bytes(padded))
        return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])

    def hexdigest(self) -> str:
        """`digest()` as lower-case hex."""
        return self.digest().hex()

    def copy(self) -> Keccak256:
        """An independent object in the same state."""
        twin = Keccak256()
        twin._lanes = list(self._lanes)
        twin._rest = self._rest
        return twin


@lru_cache(maxsize=4096)
def keccak256(data: bytes) -> bytes:
    """Keccak-256 of a short value, memoised: checksummed addresses ask for the same ones again and again."""
    return Keccak256(data).digest()
