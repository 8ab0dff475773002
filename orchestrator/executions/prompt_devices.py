"""Which file systems answer from memory or a local disk, so that the loop may ask them.

One in a network or in a program of somebody's (FUSE) may take for ever, also for a file that is open already.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
PROMPT = frozenset({"ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs"})
"""By the type that the kernel names. What is missing here is served all the same, on a thread."""
_DEVICE, _AFTER_SEPARATOR = 2, "-"


def prompt_devices() -> frozenset[int]:
    """Devices (`st_dev`) of such file systems that are mounted now; what comes later is not among them."""
    try:
        return _of(MOUNTS.read_text(errors="replace").splitlines())
    except OSError:
        return frozenset()


def _of(mounts: Iterable[str]) -> frozenset[int]:
    """Lines of proc_pid_mountinfo(5): the device is the third field, the type follows the separator."""
    found: dict[int, bool] = {}
    for line in mounts:
        fields = line.split(" ")
        try:
            major, _, minor = fields[_DEVICE].partition(":")
            device = os.makedev(int(major), int(minor))
            kind = fields[fields.index(_AFTER_SEPARATOR) + 1]
        except (IndexError, ValueError):
            continue
        found[device] = found.get(device, True) and kind in PROMPT
    return frozenset(device for device, prompt in found.items() if prompt)
