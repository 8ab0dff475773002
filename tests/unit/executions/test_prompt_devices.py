"""Which file systems the loop may ask, by what the kernel says of mounts (proc_pid_mountinfo)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.executions import prompt_devices

ROOT = "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw"
RUN = "24 22 0:22 / /run rw,nosuid shared:2 master:1 - tmpfs tmpfs rw,mode=755"
BARE = "31 22 0:25 / /volume rw - xfs /dev/vdb rw"
NFS = "40 22 0:51 / /mnt/a\\040b rw - nfs4 server:/share rw"
FUSE = "41 22 0:52 / /mnt/fuse rw - fuse.sshfs me@there: rw"


@pytest.mark.parametrize(
    ("mounts", "devices"),
    [
        pytest.param([ROOT, RUN, BARE], {(254, 1), (0, 22), (0, 25)}, id="disks and memory"),
        pytest.param([ROOT, NFS, FUSE], {(254, 1)}, id="networks and programs are left out"),
        pytest.param(["", "x", "1 2 3", "1 2 a:b / / rw - ext4 x rw", "1 2 0:9 / / rw"], set(), id="no line"),
        pytest.param([RUN, RUN.replace("tmpfs tmpfs", "fuse x")], set(), id="one device, two types"),
    ],
)
def test_devices(
    mounts: list[str], devices: set[tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mountinfo"
    file.write_text("\n".join(mounts) + "\n")
    monkeypatch.setattr(prompt_devices, "MOUNTS", file)
    assert prompt_devices.prompt_devices() == {os.makedev(*device) for device in devices}


def test_without_the_kernels_list_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_devices, "MOUNTS", tmp_path / "none")
    assert prompt_devices.prompt_devices() == frozenset()
