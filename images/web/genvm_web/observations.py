"""What a node may observe of a site that does not answer: one set of words for requests and pages.

Contracts see them, so that they are the same on every node, whichever of its addresses failed how.
"""

from __future__ import annotations

from typing import Final

UNKNOWN_NAME: Final = "the name is not known"
REFUSED_CONNECTION: Final = "the connection was refused"
