"""Facts about this process that the kernel keeps."""

from __future__ import annotations

import ctypes

_PR_SET_DUMPABLE = 4


def hide_memory() -> None:
    """No other process of the same user may read this one's memory or environment, its own children included.

    A module holds keys, and runs an operator's policy beside it.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
