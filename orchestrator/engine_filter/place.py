"""What one manager's filter lets through beside what is fixed: from the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAME: Final = re.compile(r"genvm-[A-Za-z0-9][A-Za-z0-9_.-]{0,120}")
"""Of containers and networks that a manager makes."""
REFERENCE: Final = re.compile(
    r"(?P<repository>[A-Za-z0-9][A-Za-z0-9_.:/-]*?)(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{1,64})?", re.A
)
"""An image by repository, tag and digest: what else follows a name leads elsewhere in a path."""
LABELS: Final = "io.genvm.orchestrator."
OWN_LABELS: Final = frozenset({f"{LABELS}managed-by", f"{LABELS}role"})
"""A container of this product has one of them; images pass other labels on to whoever runs them."""


@dataclass(frozen=True, slots=True)
class Place:
    """`images` are repositories, of which every tag and digest will do; `networks` those of modules."""

    state_dir: Path
    images: frozenset[str]
    networks: frozenset[str] = frozenset()
    runtimes: frozenset[str] = frozenset()

    def has_image(self, reference: object) -> bool:
        """Whether containers may be made of it."""
        found = REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
        return found is not None and found["repository"] in self.images

    def has_network(self, name: str) -> bool:
        """Whether modules may be in it."""
        return name in self.networks or NAME.fullmatch(name) is not None
