"""What a run may still spend on prompts, in gen and therefore in time (modules 2.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

EXHAUSTED = 2**256 - 1
"""The `consumed_gen` that says so."""
LONGEST = 60
SHORTEST = 1


@dataclass(frozen=True, slots=True)
class Allowance:
    """`seconds`: how long the prompt may take; None: no bound from here."""

    exhausted: bool = False
    seconds: float | None = None


def allowance(gas_data: Mapping[str, str], remaining_fuel: int, time_units: int, charged: int) -> Allowance:
    """`charged` is the gen that the session has been charged so far."""
    price = _price(gas_data.get("genPerTimeUnit"))
    if price == 0:
        return Allowance()
    if time_units > 0 and charged >= price * time_units:
        return Allowance(exhausted=True)
    seconds = Fraction(remaining_fuel, price) * Fraction(3, 2)
    if seconds < SHORTEST:
        return Allowance(exhausted=True)
    return Allowance(seconds=float(seconds) if seconds <= LONGEST else None)


def _price(text: str | None) -> int:
    """Gen wei per time unit; anything but a decimal number counts as none given."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 78 else 0
