"""Random calldata values, and bytes that were valid before something happened to them."""

from __future__ import annotations

import random
from typing import Any

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable

DEEPEST = 4
EDGES = (0, 1, -1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1, 2**64, -(2**64), 2**256)


def value(chance: random.Random, depth: int = 0) -> Encodable:
    """Any value; small ones mostly."""
    kinds = 9 if depth < DEEPEST else 7
    match chance.randrange(kinds):
        case 0:
            return None
        case 1:
            return chance.random() < 0.5
        case 2:
            return chance.choice(EDGES)
        case 3:
            return chance.randrange(1000)
        case 4:
            return chance.randbytes(chance.choice((0, 1, 20, 32, 300)))
        case 5:
            return text(chance)
        case 6:
            return Address(chance.randbytes(20))
        case 7:
            return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
        case _:
            return {text(chance): value(chance, depth + 1) for _ in range(chance.randrange(4))}


def text(chance: random.Random) -> str:
    alphabet = "abc_ 09\0\n/:\u00e9\u4e2d\U0001f600"
    return "".join(chance.choice(alphabet) for _ in range(chance.choice((0, 1, 8, 40))))


def spoiled(chance: random.Random, data: bytes) -> bytes:
    """The bytes after one to four accidents."""
    damaged = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        place = chance.randrange(len(damaged) + 1)
        match chance.randrange(5):
            case 0 if place < len(damaged):
                damaged[place] ^= 1 << chance.randrange(8)
            case 1:
                del damaged[place:]
            case 2:
                damaged[place:place] = chance.randbytes(chance.randrange(1, 9))
            case 3:
                del damaged[place : place + chance.randrange(1, 9)]
            case _:
                damaged[place : place + 1] = b"\xff" * chance.randrange(1, 12)
    return bytes(damaged)


def replaced(chance: random.Random, whole: Encodable) -> Encodable:
    """The value with one of its parts, at any depth, replaced, left out or joined by another."""
    if not isinstance(whole, dict) or not whole or chance.random() < 0.2:
        return value(chance)
    changed: dict[str, Any] = dict(whole)
    key = chance.choice(sorted(changed))
    match chance.randrange(4):
        case 0:
            del changed[key]
        case 1:
            changed[text(chance)] = value(chance)
        case _:
            changed[key] = replaced(chance, changed[key])
    return changed
